//! `/containers` over the container service.

use std::sync::Arc;

use ::container::{
    self as service, Container, LogExtent, LogQuery, RemoveOptions, StopOptions,
    record::ReadOnlySubmounts,
};
use async_trait::async_trait;
use engine_api::{
    container::{
        ContainerCreateResponse, ContainerInspect, ContainerPruneReport, ContainerSummary,
        ContainerUpdateRequest, ContainerUpdateResponse, FilesystemChange, PathStat, TopResponse,
        WaitError, WaitResponse,
    },
    stats::StatsResponse,
};
use futures_util::{
    StreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use shim_protocol::AttachStreams;
use types::ContainerName;

use super::{
    Engine, attach, blocking, container_filter::Wanted, exec::cells, files, image::oci_platform,
    log_frames,
};
use crate::{
    Answer, ApiError, Attachment, ByteStream, Filters, Framing, Timestamp,
    backend::{
        ContainerBackend, TerminalSize,
        container::{
            AttachOptions, CreateContainer, ListContainers, LogOptions, LogStream, PutArchive,
            RemoveContainer, SizeWanted, StartContainer, StatsOptions, StopContainer, Tail,
            WaitCondition,
        },
    },
};
use types::Signal;

/// Between two samples of a stream.
const SAMPLE_INTERVAL: std::time::Duration = std::time::Duration::from_secs(1);

pub(super) fn nanos(at: Timestamp) -> i64 {
    i64::try_from(at.total_nanoseconds()).unwrap_or(i64::MAX)
}

fn log_time(at: Timestamp) -> service::Timestamp {
    service::Timestamp { seconds: at.seconds, nanos: at.nanoseconds }
}

fn log_query(options: &LogOptions) -> LogQuery {
    LogQuery {
        stdout: options.stdout,
        stderr: options.stderr,
        since: options.since.map(log_time),
        until: options.until.map(log_time),
        tail: match options.tail {
            Tail::All => None,
            Tail::Lines(lines) => Some(usize::try_from(lines).unwrap_or(usize::MAX)),
        },
    }
}

fn is_checkpoint_id(id: &str) -> bool {
    let is_name = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
    id.len() > 1 && id.as_bytes()[0].is_ascii_alphanumeric() && id.bytes().all(is_name)
}

fn stop_options(options: &StopContainer) -> StopOptions {
    StopOptions { signal: options.signal.map(Signal::number), timeout_seconds: options.timeout }
}

impl Engine {
    fn framing(container: &Container) -> Framing {
        if container.record().config.tty { Framing::Raw } else { Framing::Multiplexed }
    }

    fn with_sizes(&self, container: &Container) -> Answer<(i64, i64)> {
        let sizes = self.containers.sizes(container)?;
        let signed = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        Ok((signed(sizes.writable_bytes), signed(sizes.root_bytes)))
    }

    /// The lines of `ps`, newest first.
    pub(super) fn summaries(&self, options: &ListContainers) -> Answer<Vec<ContainerSummary>> {
        let wanted = Wanted::parse(options, &self.containers, &self.images)?;
        let mut lines = Vec::new();
        let mut names = service::ListNames::default();
        for container in self.containers.all().iter().rev() {
            if wanted.limit.is_some_and(|limit| lines.len() >= limit) {
                break;
            }
            if !wanted.admits(container) {
                continue;
            }
            let mut line = self.containers.summary(container, &mut names);
            if options.size {
                let (writable, root) = self.with_sizes(container)?;
                (line.size_rw, line.size_root_fs) = (Some(writable), Some(root));
            }
            lines.push(line);
        }
        Ok(lines)
    }

    async fn sample(
        &self,
        container: &Arc<Container>,
        previous: Option<StatsResponse>,
    ) -> Answer<StatsResponse> {
        let (containers, container) = (self.containers.clone(), Arc::clone(container));
        blocking(move || containers.sample(&container, previous.as_ref())).await
    }
}

#[async_trait]
impl ContainerBackend for Engine {
    async fn list(&self, options: ListContainers) -> Answer<Vec<ContainerSummary>> {
        if options.size {
            let engine = self.clone();
            return blocking(move || engine.summaries(&options)).await;
        }
        self.summaries(&options)
    }

    async fn create(&self, options: CreateContainer) -> Answer<ContainerCreateResponse> {
        let name = options
            .name
            .map(|name| name.parse::<ContainerName>())
            .transpose()
            .map_err(|error| ApiError::invalid(error.to_string()))?;
        let created = self
            .containers
            .create(service::NewContainer {
                name,
                platform: options.platform.map(oci_platform),
                // Read-only binds were never recursive before 1.44.
                submounts_of_binds: if options.version.is_before(44) {
                    ReadOnlySubmounts::Writable
                } else {
                    ReadOnlySubmounts::WherePossible
                },
                request: options.request,
            })
            .await?;
        Ok(ContainerCreateResponse { id: created.id.to_string(), warnings: created.warnings })
    }

    async fn inspect(&self, id: &str, size: SizeWanted) -> Answer<ContainerInspect> {
        let container = self.containers.find(id)?;
        let mut document = self.containers.inspect(&container)?;
        if size == SizeWanted::Yes {
            let engine = self.clone();
            let (writable, root) = blocking(move || engine.with_sizes(&container)).await?;
            (document.size_rw, document.size_root_fs) = (Some(writable), Some(root));
        }
        Ok(document)
    }

    async fn top(&self, id: &str, ps_args: &str) -> Answer<TopResponse> {
        let (containers, id, arguments) =
            (self.containers.clone(), id.to_owned(), ps_args.to_owned());
        blocking(move || containers.top(&id, &arguments)).await
    }

    async fn logs(&self, id: &str, options: LogOptions) -> Answer<LogStream> {
        let container = self.containers.find(id)?;
        let framing = Self::framing(&container);
        let (containers, query) = (self.containers.clone(), log_query(&options));
        let extent = if options.follow { LogExtent::Followed } else { LogExtent::Present };
        let batches = blocking(move || containers.logs(&container, query, extent)).await?;
        let format = log_frames::Format {
            framing,
            timestamps: options.timestamps,
            details: options.details,
        };
        Ok(LogStream { framing, bytes: ByteStream::new(log_frames::frames(batches, format)) })
    }

    async fn changes(&self, id: &str) -> Answer<Vec<FilesystemChange>> {
        let (containers, container) = (self.containers.clone(), self.containers.find(id)?);
        let changes = blocking(move || containers.changes(&container)).await?;
        Ok(changes.into_iter().map(files::change).collect())
    }

    async fn export(&self, id: &str) -> Answer<ByteStream> {
        let (containers, container) = (self.containers.clone(), self.containers.find(id)?);
        let exporter = Arc::clone(&container);
        let root = blocking(move || containers.export(&exporter)).await?;
        self.containers.publish_plain(&container, "export");
        Ok(files::stream(move |out| root.write_archive(out)))
    }

    async fn stats(
        &self,
        id: &str,
        options: StatsOptions,
    ) -> Answer<BoxStream<'static, Answer<StatsResponse>>> {
        let container = self.containers.find(id)?;
        let first = self.sample(&container, None).await?;
        if options.one_shot && !options.stream {
            return Ok(stream::once(async { Ok(first) }).boxed());
        }
        let engine = self.clone();
        let samples = stream::unfold(first, move |previous| {
            let (engine, container) = (engine.clone(), Arc::clone(&container));
            async move {
                tokio::time::sleep(SAMPLE_INTERVAL).await;
                if container.watch().borrow().is_removed {
                    return None;
                }
                let next = engine.sample(&container, Some(previous)).await.ok()?;
                Some((Ok(next.clone()), next))
            }
        });
        Ok(if options.stream { samples.boxed() } else { samples.take(1).boxed() })
    }

    async fn resize(&self, id: &str, size: TerminalSize) -> Answer<()> {
        Ok(self.containers.resize(id, cells(size.width), cells(size.height)).await?)
    }

    async fn start(&self, id: &str, options: StartContainer) -> Answer<()> {
        if let Some(id) = &options.checkpoint {
            // It becomes a directory's name.
            if !is_checkpoint_id(id) {
                return Err(ApiError::invalid(format!("invalid checkpoint ID {id:?}")));
            }
            return Err(ApiError::not_implemented("starting from a checkpoint"));
        }
        Ok(self.containers.start(id).await?)
    }

    async fn stop(&self, id: &str, options: StopContainer) -> Answer<()> {
        Ok(self.containers.stop(id, stop_options(&options)).await?)
    }

    async fn restart(&self, id: &str, options: StopContainer) -> Answer<()> {
        Ok(self.containers.restart(id, stop_options(&options)).await?)
    }

    async fn kill(&self, id: &str, signal: Option<Signal>) -> Answer<()> {
        Ok(self.containers.kill(id, signal.map(Signal::number)).await?)
    }

    async fn update(
        &self,
        id: &str,
        request: ContainerUpdateRequest,
    ) -> Answer<ContainerUpdateResponse> {
        self.containers.update(id, request).await?;
        Ok(ContainerUpdateResponse { warnings: None })
    }

    async fn rename(&self, id: &str, name: &str) -> Answer<()> {
        let name =
            name.parse::<ContainerName>().map_err(|error| ApiError::invalid(error.to_string()))?;
        Ok(self.containers.rename(id, &name).await?)
    }

    async fn pause(&self, id: &str) -> Answer<()> {
        Ok(self.containers.pause(id).await?)
    }

    async fn unpause(&self, id: &str) -> Answer<()> {
        Ok(self.containers.unpause(id).await?)
    }

    async fn attach(&self, id: &str, options: AttachOptions) -> Answer<Attachment> {
        let container = self.containers.find(id)?;
        let streams = AttachStreams {
            stdin: options.stdin && container.record().config.open_stdin,
            stdout: options.stdout,
            stderr: options.stderr,
        };
        if options.logs {
            return self.attach_with_log(&container, options, streams).await;
        }
        if !options.stream {
            return Ok(attach::nothing(Self::framing(&container)));
        }
        let live = self.containers.attach(id, streams).await?;
        let who = (self.containers.clone(), container.id.clone());
        Ok(attach::attachment(live, options.detach_keys, who))
    }

    async fn wait(
        &self,
        id: &str,
        condition: WaitCondition,
    ) -> Answer<BoxFuture<'static, Answer<WaitResponse>>> {
        let condition = match condition {
            WaitCondition::NotRunning => service::WaitCondition::NotRunning,
            WaitCondition::NextExit => service::WaitCondition::NextExit,
            WaitCondition::Removed => service::WaitCondition::Removed,
        };
        let waiting = self.containers.wait(id, condition)?;
        Ok(Box::pin(async move {
            let waited = waiting.await;
            let error = (!waited.error.is_empty()).then_some(WaitError { message: waited.error });
            Ok(WaitResponse { status_code: i64::from(waited.exit_code), error })
        }))
    }

    async fn remove(&self, id: &str, options: RemoveContainer) -> Answer<()> {
        if options.link {
            return Ok(self.containers.unlink(id).await?);
        }
        let options = RemoveOptions { is_forced: options.force, with_volumes: options.volumes };
        Ok(self.containers.remove(id, options).await?)
    }

    async fn prune(&self, filters: Filters) -> Answer<ContainerPruneReport> {
        filters.allow_only(&["until", "label", "label!"])?;
        let until = super::container_filter::until(&filters)?;
        let (removed, bytes) = self
            .containers
            .prune(|container| {
                let record = container.record();
                until.is_none_or(|until| record.created_nanos < until)
                    && filters.admits_labels("label", &record.config.labels)
                    && (!filters.contains("label!")
                        || !filters.admits_labels("label!", &record.config.labels))
            })
            .await?;
        Ok(ContainerPruneReport { containers_deleted: Some(removed), space_reclaimed: bytes })
    }

    async fn archive_stat(&self, id: &str, path: &str) -> Answer<PathStat> {
        Ok(files::stat(&self.found_path(id, path).await?.info))
    }

    async fn archive_get(&self, id: &str, path: &str) -> Answer<(PathStat, ByteStream)> {
        let found = self.found_path(id, path).await?;
        let stat = files::stat(&found.info);
        let container = self.containers.find(id)?;
        self.containers.publish_plain(&container, "archive-path");
        Ok((stat, files::stream(move |out| found.write_archive(out))))
    }

    async fn archive_put(&self, id: &str, options: PutArchive, archive: ByteStream) -> Answer<()> {
        self.write_archive(id, options, archive).await?;
        let container = self.containers.find(id)?;
        self.containers.publish_plain(&container, "extract-to-dir");
        Ok(())
    }
}
