//! In-memory backends and a server on a unix socket, for the tests of this crate.
#![allow(dead_code)] // Each test program uses a part of it.
#![allow(clippy::unwrap_used)] // Helpers of tests, not only tests.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use engine_api::{
    auth::{AuthConfig, AuthResponse},
    container::*,
    disk_usage::DiskUsage,
    event::EventMessage,
    exec::{ExecCreateRequest, ExecInspect},
    image::*,
    info::SystemInfo,
    progress::{ProgressDetail, ProgressMessage},
    stats::StatsResponse,
    version::SystemVersion,
};
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream, stream::BoxStream};
use gantry_engine_http::{
    Answer, Api, ApiError, Attachment, ByteStream, Filters, Framing, Hijacked, Server,
    backend::{container::*, exec::StartExec, image::*, system::*, *},
    router,
    server::{Limits, Listener},
    stdcopy,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;
use types::Signal;

/// Remembers what it was asked.
#[derive(Default)]
pub struct Fake {
    pub calls: Mutex<Vec<String>>,
    /// Cancelled when the wait of `waits` is dropped.
    pub wait_dropped: CancellationToken,
}

impl Fake {
    pub fn note(&self, call: impl std::fmt::Debug) {
        self.calls.lock().unwrap().push(format!("{call:?}"));
    }

    pub fn last(&self) -> String {
        self.calls.lock().unwrap().last().cloned().unwrap_or_default()
    }
}

struct CancelOnDrop(CancellationToken);
impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Echoes stdin to stdout and says goodbye on stderr when stdin ends.
async fn echo(mut client: Hijacked, framing: Framing) {
    let mut buffer = [0; 4096];
    loop {
        let length = client.read(&mut buffer).await.unwrap_or(0);
        if length == 0 {
            break;
        }
        let out = match framing {
            Framing::Raw => buffer[..length].to_vec(),
            Framing::Multiplexed => {
                stdcopy::frame(stdcopy::Stream::Stdout, &buffer[..length]).to_vec()
            }
        };
        if client.write_all(&out).await.is_err() {
            return;
        }
    }
    let bye = match framing {
        Framing::Raw => b"bye\n".to_vec(),
        Framing::Multiplexed => stdcopy::frame(stdcopy::Stream::Stderr, b"bye\n").to_vec(),
    };
    let _ = client.write_all(&bye).await;
    let _ = client.shutdown().await;
}

/// Writes at once: output that arrives together with the head gets lost in docker-py.
async fn speak(mut client: Hijacked) {
    let _ = client.write_all(&stdcopy::frame(stdcopy::Stream::Stdout, b"early output\n")).await;
    let _ = client.shutdown().await;
}

fn known(id: &str) -> Answer<()> {
    match id {
        "missing" => Err(ApiError::not_found(format!("No such container: {id}"))),
        "panics" => panic!("on purpose"),
        _ => Ok(()),
    }
}

fn framing(id: &str) -> Framing {
    if id.contains("tty") { Framing::Raw } else { Framing::Multiplexed }
}

#[async_trait]
impl ContainerBackend for Fake {
    async fn list(&self, options: ListContainers) -> Answer<Vec<ContainerSummary>> {
        self.note(options);
        Ok(vec![ContainerSummary {
            id: "0123456789ab".repeat(5) + "cdef",
            names: vec!["/web".to_owned()],
            image: "busybox".to_owned(),
            image_id: "sha256:1".to_owned(),
            command: "sleep 1".to_owned(),
            created: 1,
            state: "running".to_owned(),
            status: "Up 2 hours".to_owned(),
            ..Default::default()
        }])
    }
    async fn create(&self, options: CreateContainer) -> Answer<ContainerCreateResponse> {
        self.note(&options);
        Ok(ContainerCreateResponse { id: "new".to_owned(), warnings: Vec::new() })
    }
    async fn inspect(&self, id: &str, size: SizeWanted) -> Answer<ContainerInspect> {
        known(id)?;
        self.note((id, size));
        let mut inspect =
            ContainerInspect { id: "c1".repeat(32), name: format!("/{id}"), ..Default::default() };
        inspect.state.running = true;
        inspect.state.status = "running".to_owned();
        inspect.config.tty = id.contains("tty");
        inspect.config.open_stdin = true;
        Ok(inspect)
    }
    async fn top(&self, id: &str, ps_args: &str) -> Answer<TopResponse> {
        self.note((id, ps_args));
        Ok(TopResponse { titles: vec!["PID".to_owned()], processes: vec![vec!["1".to_owned()]] })
    }
    async fn logs(&self, id: &str, options: LogOptions) -> Answer<LogStream> {
        known(id)?;
        self.note(options);
        let bytes = ByteStream::once(stdcopy::frame(stdcopy::Stream::Stdout, b"a line\n"));
        Ok(LogStream { framing: framing(id), bytes })
    }
    async fn changes(&self, _: &str) -> Answer<Vec<FilesystemChange>> {
        Ok(vec![FilesystemChange { kind: 1, path: "/new".to_owned() }])
    }
    async fn export(&self, _: &str) -> Answer<ByteStream> {
        Ok(ByteStream::once("tar"))
    }
    async fn stats(
        &self,
        _: &str,
        options: StatsOptions,
    ) -> Answer<BoxStream<'static, Answer<StatsResponse>>> {
        self.note(options);
        Ok(stream::iter([Ok(StatsResponse::default()), Ok(StatsResponse::default())]).boxed())
    }
    async fn resize(&self, id: &str, size: TerminalSize) -> Answer<()> {
        self.note((id, size));
        Ok(())
    }
    async fn start(&self, id: &str, options: StartContainer) -> Answer<()> {
        known(id)?;
        self.note((id, options));
        if id == "started" {
            return Err(ApiError::new(types::ErrorKind::NotModified, "it runs"));
        }
        Ok(())
    }
    async fn stop(&self, id: &str, options: StopContainer) -> Answer<()> {
        self.note((id, options));
        Ok(())
    }
    async fn restart(&self, id: &str, options: StopContainer) -> Answer<()> {
        self.note((id, options));
        Ok(())
    }
    async fn kill(&self, id: &str, signal: Option<Signal>) -> Answer<()> {
        known(id)?;
        self.note((id, signal));
        Ok(())
    }
    async fn update(
        &self,
        _: &str,
        request: ContainerUpdateRequest,
    ) -> Answer<ContainerUpdateResponse> {
        self.note(request);
        Ok(ContainerUpdateResponse::default())
    }
    async fn rename(&self, id: &str, name: &str) -> Answer<()> {
        self.note((id, name));
        Ok(())
    }
    async fn pause(&self, id: &str) -> Answer<()> {
        known(id)
    }
    async fn unpause(&self, id: &str) -> Answer<()> {
        known(id)
    }
    async fn attach(&self, id: &str, options: AttachOptions) -> Answer<Attachment> {
        known(id)?;
        self.note(options);
        let framing = framing(id);
        Ok(match id {
            "speaks" => Attachment::new(framing, speak),
            _ => Attachment::new(framing, move |client| echo(client, framing)),
        })
    }
    async fn wait(
        &self,
        id: &str,
        condition: WaitCondition,
    ) -> Answer<BoxFuture<'static, Answer<WaitResponse>>> {
        known(id)?;
        self.note(condition);
        if id == "waits" {
            let guard = CancelOnDrop(self.wait_dropped.clone());
            return Ok(async move {
                let _guard = guard;
                std::future::pending().await
            }
            .boxed());
        }
        Ok(async { Ok(WaitResponse { status_code: 3, error: None }) }.boxed())
    }
    async fn remove(&self, id: &str, options: RemoveContainer) -> Answer<()> {
        known(id)?;
        self.note(options);
        Ok(())
    }
    async fn prune(&self, filters: Filters) -> Answer<ContainerPruneReport> {
        self.note(filters);
        Ok(ContainerPruneReport::default())
    }
    async fn archive_stat(&self, _: &str, path: &str) -> Answer<PathStat> {
        Ok(PathStat { name: path.to_owned(), ..Default::default() })
    }
    async fn archive_get(&self, id: &str, path: &str) -> Answer<(PathStat, ByteStream)> {
        Ok((self.archive_stat(id, path).await?, ByteStream::once("tar")))
    }
    async fn archive_put(
        &self,
        _: &str,
        options: PutArchive,
        mut archive: ByteStream,
    ) -> Answer<()> {
        if options.path == "/refused" {
            return Err(ApiError::not_found("no such directory"));
        }
        let mut total = 0;
        while let Some(chunk) = archive.next().await {
            total += chunk.map_err(|e| ApiError::invalid(e.to_string()))?.len();
        }
        self.note((options, total));
        Ok(())
    }
}

#[async_trait]
impl ExecBackend for Fake {
    async fn create(&self, container: &str, request: ExecCreateRequest) -> Answer<String> {
        known(container)?;
        let tty = if request.tty { "tty" } else { "pipes" };
        self.note(&request);
        Ok(format!("exec-{tty}"))
    }
    async fn inspect(&self, id: &str) -> Answer<ExecInspect> {
        Ok(ExecInspect { id: id.to_owned(), exit_code: Some(7), ..Default::default() })
    }
    async fn start(&self, id: &str, options: StartExec) -> Answer<Attachment> {
        self.note(options);
        if id == "gone" {
            return Err(ApiError::not_found("No such exec instance: gone"));
        }
        let framing = framing(id);
        Ok(Attachment::new(framing, move |client| echo(client, framing)))
    }
    async fn start_detached(&self, id: &str, _: StartExec) -> Answer<()> {
        self.note(("detached", id));
        Ok(())
    }
    async fn resize(&self, _: &str, _: TerminalSize) -> Answer<()> {
        Ok(())
    }
}

fn message(status: &str) -> Answer<ProgressMessage> {
    Ok(ProgressMessage {
        status: status.to_owned(),
        id: "layer".to_owned(),
        progress_detail: Some(ProgressDetail { current: 1, total: 2, ..Default::default() }),
        ..Default::default()
    })
}

#[async_trait]
impl ImageBackend for Fake {
    async fn list(&self, options: ListImages) -> Answer<Vec<ImageSummary>> {
        self.note(options);
        Ok(vec![ImageSummary {
            id: "sha256:".to_owned() + &"ab".repeat(32),
            repo_tags: vec!["busybox:latest".to_owned()],
            size: 5,
            ..Default::default()
        }])
    }
    async fn pull(&self, options: PullImage) -> Answer<ProgressStream> {
        self.note((options.reference.familiar(), options.auth.is_some(), options.platform));
        Ok(match options.reference.familiar_name().as_str() {
            "absent" => stream::iter([Err(ApiError::not_found("manifest unknown"))]).boxed(),
            "breaks" => {
                stream::iter([message("Pulling"), Err(ApiError::not_found("blob lost"))]).boxed()
            }
            _ => stream::iter([message("Pulling"), message("Done")]).boxed(),
        })
    }
    async fn import(&self, options: ImportImage) -> Answer<ProgressStream> {
        let bytes = match options.source {
            ImportSource::Body(mut body) => {
                let mut total = 0;
                while let Some(Ok(chunk)) = body.next().await {
                    total += chunk.len();
                }
                format!("{total} bytes")
            }
            ImportSource::Url(url) => url,
        };
        self.note((bytes, options.message, options.changes));
        Ok(stream::iter([message("sha256:1")]).boxed())
    }
    async fn inspect(&self, name: &str, _: InspectImage) -> Answer<ImageInspect> {
        self.note(name);
        Ok(ImageInspect {
            id: name.to_owned(),
            config: Some(Default::default()),
            ..Default::default()
        })
    }
    async fn history(
        &self,
        name: &str,
        _: Option<engine_api::descriptor::Platform>,
    ) -> Answer<Vec<ImageHistoryItem>> {
        self.note(name);
        Ok(Vec::new())
    }
    async fn push(&self, options: PushImage) -> Answer<ProgressStream> {
        self.note(options.reference.familiar());
        Ok(stream::iter([message("Pushed")]).boxed())
    }
    async fn tag(&self, name: &str, reference: types::Reference) -> Answer<()> {
        self.note((name, reference.familiar()));
        Ok(())
    }
    async fn delete(&self, name: &str, options: DeleteImage) -> Answer<Vec<ImageDeleteItem>> {
        self.note((name, options.force));
        Ok(vec![ImageDeleteItem { untagged: name.to_owned(), ..Default::default() }])
    }
    async fn search(&self, options: SearchImages) -> Answer<Vec<ImageSearchItem>> {
        self.note((options.term, options.limit));
        Ok(Vec::new())
    }
    async fn save(&self, options: SaveImages) -> Answer<ByteStream> {
        self.note(options.names);
        Ok(ByteStream::once("tar"))
    }
    async fn load(&self, options: LoadImages, _: ByteStream) -> Answer<ProgressStream> {
        if !options.quiet {
            return Ok(stream::iter([Err(ApiError::invalid("no archive"))]).boxed());
        }
        Ok(stream::iter([message("Loaded")]).boxed())
    }
    async fn prune(&self, _: Filters) -> Answer<ImagePruneReport> {
        Ok(ImagePruneReport::default())
    }
    async fn commit(&self, options: CommitContainer) -> Answer<String> {
        self.note((options.container, options.reference.map(|r| r.familiar()), options.pause));
        Ok("sha256:1".to_owned())
    }
    async fn distribution(
        &self,
        reference: types::Reference,
        _: Option<AuthConfig>,
    ) -> Answer<engine_api::descriptor::DistributionInspect> {
        self.note(reference.familiar());
        Ok(Default::default())
    }
}

#[async_trait]
impl SystemBackend for Fake {
    async fn ping(&self) -> Answer<()> {
        Ok(())
    }
    async fn version(&self) -> Answer<SystemVersion> {
        Ok(SystemVersion {
            version: "9.9.9".to_owned(),
            api_version: "1.55".to_owned(),
            min_api_version: "1.24".to_owned(),
            os: "linux".to_owned(),
            arch: "amd64".to_owned(),
            ..Default::default()
        })
    }
    async fn info(&self) -> Answer<SystemInfo> {
        Ok(SystemInfo { name: "host".to_owned(), ..Default::default() })
    }
    async fn auth(&self, credentials: AuthConfig) -> Answer<AuthResponse> {
        self.note(credentials.username);
        Ok(AuthResponse { status: "Login Succeeded".to_owned(), ..Default::default() })
    }
    async fn disk_usage(&self, query: DiskUsageQuery) -> Answer<DiskUsage> {
        self.note(query);
        Ok(DiskUsage::default())
    }
    async fn events(&self, query: EventQuery) -> Answer<BoxStream<'static, EventMessage>> {
        self.note(&query);
        let event = EventMessage {
            kind: "container".to_owned(),
            action: "start".to_owned(),
            ..Default::default()
        };
        Ok(stream::iter([event]).boxed())
    }
}

/// A server on a unix socket in a directory of its own.
pub struct Fixture {
    pub fake: Arc<Fake>,
    pub directory: tempfile::TempDir,
    pub stop: CancellationToken,
    pub task: tokio::task::JoinHandle<()>,
}

pub fn backends(fake: &Arc<Fake>) -> Backends {
    Backends {
        system: fake.clone(),
        container: fake.clone(),
        exec: fake.clone(),
        image: fake.clone(),
        ..Backends::unbuilt()
    }
}

pub fn server(fake: &Arc<Fake>, limits: Limits) -> Server {
    Server::new(Api::new(router(backends(fake))), limits)
}

impl Fixture {
    pub async fn start() -> Self {
        Self::start_with(Limits { stop_time: Duration::from_millis(200), ..Limits::default() })
            .await
    }

    pub async fn start_with(limits: Limits) -> Self {
        let fake = Arc::new(Fake::default());
        let directory = tempfile::tempdir().unwrap();
        let stop = CancellationToken::new();
        let listener = Listener::unix(&directory.path().join("api.sock"), 0).await.unwrap();
        let task = tokio::spawn(server(&fake, limits).serve(vec![listener], stop.clone()));
        Self { fake, directory, stop, task }
    }

    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("api.sock")
    }

    pub async fn connect(&self) -> tokio::net::UnixStream {
        tokio::net::UnixStream::connect(self.socket()).await.unwrap()
    }

    /// Sends raw bytes and returns all that comes back.
    pub async fn exchange(&self, request: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// One request on a connection of its own.
    pub async fn ask(&self, method: &str, path: &str, body: &str) -> Reply {
        let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
        let text = self
            .exchange(&format!(
                "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{kind}Content-Length: {}\r\n\r\n{body}",
                body.len()
            ))
            .await;
        Reply::parse(&text)
    }
}

#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Reply {
    pub fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
        let body = if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
            dechunk(body)
        } else {
            body.to_owned()
        };
        Self { status, head: head.to_owned(), body }
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    pub fn message(&self) -> String {
        self.json()["message"].as_str().unwrap_or_default().to_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(key, _)| *key == name)
            .map(|(_, v)| v)
    }
}

fn dechunk(mut text: &str) -> String {
    let mut out = String::new();
    while let Some((size, rest)) = text.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        if size == 0 || rest.len() < size {
            break;
        }
        out.push_str(&rest[..size]);
        text = rest[size..].strip_prefix("\r\n").unwrap_or("");
    }
    out
}
