//! The token flow, against a registry that is scripted: the faults and forms here are ones that
//! no packaged registry makes on request.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use gantry_distribution as distribution;

use distribution::{
    Client, ClientConfig, Credentials, DistributionError, ProxyConfig, Purpose, Secret,
};
use oci::media_type as media;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
};
use types::Reference;

#[derive(Debug, Clone)]
struct Asked {
    line: String,
    headers: HashMap<String, String>,
    body: String,
}

struct Answer {
    status: &'static str,
    headers: Vec<(&'static str, String)>,
    body: String,
}

fn answer(status: &'static str, body: impl Into<String>) -> Answer {
    Answer { status, headers: Vec::new(), body: body.into() }
}

fn with(mut answer: Answer, name: &'static str, value: impl Into<String>) -> Answer {
    answer.headers.push((name, value.into()));
    answer
}

struct Server {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    async fn start(
        script: impl Fn(SocketAddr, &Asked, usize) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let log = asked.clone();
        let script = Arc::new(script);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (log, script) = (log.clone(), script.clone());
                connections.spawn(async move {
                    let mut stream = BufReader::new(stream);
                    while let Some(request) = read(&mut stream).await {
                        let nth = {
                            let mut log = log.lock().unwrap();
                            log.push(request.clone());
                            log.iter().filter(|old| old.line == request.line).count()
                        };
                        let answer = script(address, &request, nth);
                        let mut head = format!(
                            "HTTP/1.1 {}\r\ncontent-length: {}\r\n",
                            answer.status,
                            answer.body.len()
                        );
                        for (name, value) in &answer.headers {
                            head.push_str(&format!("{name}: {value}\r\n"));
                        }
                        head.push_str("\r\n");
                        head.push_str(&answer.body);
                        if stream.get_mut().write_all(head.as_bytes()).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { address, asked, task }
    }

    fn asked(&self, part: &str) -> Vec<Asked> {
        let log = self.asked.lock().unwrap();
        log.iter().filter(|asked| asked.line.contains(part)).cloned().collect()
    }

    fn reference(&self) -> Reference {
        format!("{}/app:1", self.address).parse().unwrap()
    }
}

async fn read(stream: &mut BufReader<tokio::net::TcpStream>) -> Option<Asked> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok().filter(|count| *count > 0)?;
    // A TLS hello is no request: the connection ends, as a plain server's does.
    line.contains("HTTP/1.1").then_some(())?;
    let mut headers = HashMap::new();
    loop {
        let mut header = String::new();
        stream.read_line(&mut header).await.ok()?;
        let Some((name, value)) = header.trim().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").map_or(0, |text| text.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    let body = String::from_utf8_lossy(&body).into_owned();
    Some(Asked { line: line.trim().to_owned(), headers, body })
}

fn client() -> Client {
    Client::new(ClientConfig {
        certificate_dirs: Vec::new(),
        backoff: Duration::from_millis(5),
        idle_timeout: Duration::from_secs(10),
        proxy: ProxyConfig::default(),
        ..ClientConfig::default()
    })
}

fn manifest() -> Answer {
    let body = format!("{{\"schemaVersion\":2,\"mediaType\":\"{}\"}}", media::OCI_MANIFEST);
    with(answer("200 OK", body), "content-type", media::OCI_MANIFEST)
}

/// Gives tokens for `good` credentials and wants them.
fn guarded(address: SocketAddr, asked: &Asked, _: usize) -> Answer {
    if asked.line.contains("/token") {
        let is_form = asked.body.contains("refresh_token=refresh-1");
        // "me:pass"
        let is_basic =
            asked.headers.get("authorization").is_some_and(|value| value == "Basic bWU6cGFzcw==");
        return match (is_form, is_basic) {
            (true, _) => answer("200 OK", r#"{"access_token":"t-1","expires_in":300}"#),
            (_, true) => {
                answer("200 OK", r#"{"token":"t-1","refresh_token":"refresh-1","expires_in":300}"#)
            }
            _ => answer("401 Unauthorized", r#"{"details":"incorrect username or password"}"#),
        };
    }
    if asked.headers.get("authorization").is_some_and(|value| value == "Bearer t-1") {
        return manifest();
    }
    let challenge = format!("Bearer realm=\"http://{address}/token\",service=\"test\"");
    with(answer("401 Unauthorized", "{}"), "www-authenticate", challenge)
}

#[tokio::test]
async fn one_token_serves_all_calls_of_a_repository() {
    let server = Server::start(guarded).await;
    let credentials = Credentials::from_fields("me", "pass", "", "");
    let client = client();
    let repository = client.repository(&server.reference(), credentials, Purpose::Pull);
    for _ in 0..3 {
        repository.resolve(&server.reference()).await.unwrap();
    }
    let tokens = server.asked("/token");
    assert_eq!(tokens.len(), 1);
    assert!(
        tokens[0].line.contains("service=test&scope=repository%3Aapp%3Apull&account=me"),
        "{}",
        tokens[0].line
    );
    assert_eq!(server.asked("/manifests/1").len(), 4, "one of them was the challenge");
}

#[tokio::test]
async fn an_identity_token_is_exchanged_by_the_oauth_form() {
    let server = Server::start(guarded).await;
    let credentials = Some(Credentials::IdentityToken(Secret::new("refresh-1")));
    let repository = client().repository(&server.reference(), credentials, Purpose::Push);
    repository.resolve(&server.reference()).await.unwrap();
    let tokens = server.asked("POST /token");
    assert!(tokens[0].body.starts_with("grant_type=refresh_token&service=test"));
    assert!(tokens[0].body.contains("scope=repository%3Aapp%3Apull%2Cpush"));
}

#[tokio::test]
async fn login_returns_the_identity_token_and_refuses_wrong_passwords() {
    let server = Server::start(guarded).await;
    let address = server.address.to_string();
    let good = Credentials::from_fields("me", "pass", "", "").unwrap();
    let login = client().login(&address, &good).await.unwrap();
    assert_eq!(login.identity_token, Some(Secret::new("refresh-1")));
    let bad = Credentials::from_fields("me", "no", "", "").unwrap();
    let error = client().login(&address, &bad).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("Get \"http://{address}/token\": unauthorized: incorrect username or password")
    );
}

#[tokio::test]
async fn an_expired_token_is_fetched_again_once() {
    let server = Server::start(|address, asked, nth| {
        if asked.line.contains("/token") {
            return answer("200 OK", format!("{{\"token\":\"t-{nth}\",\"expires_in\":300}}"));
        }
        // The first token is taken once, then only the second.
        let token = asked.headers.get("authorization").map(String::as_str);
        let is_good = token == Some("Bearer t-2") || (token == Some("Bearer t-1") && nth == 2);
        if is_good {
            return manifest();
        }
        let challenge = format!("Bearer realm=\"http://{address}/token\"");
        with(answer("401 Unauthorized", "{}"), "www-authenticate", challenge)
    })
    .await;
    let repository = client().repository(&server.reference(), None, Purpose::Pull);
    repository.resolve(&server.reference()).await.unwrap();
    repository.resolve(&server.reference()).await.unwrap();
    assert_eq!(server.asked("/token").len(), 2);
}

#[tokio::test]
async fn denied_repositories_have_dockers_text() {
    let server = Server::start(|_, _, _| {
        answer(
            "403 Forbidden",
            r#"{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}"#,
        )
    })
    .await;
    let repository = client().repository(&server.reference(), None, Purpose::Pull);
    let error = repository.resolve(&server.reference()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "pull access denied for {}/app, repository does not exist or may require 'docker login': denied: requested access to the resource is denied",
            server.address
        )
    );
}

#[tokio::test]
async fn overload_is_waited_out_and_refusals_are_not() {
    let server = Server::start(|_, asked, nth| match (asked.line.contains("manifests"), nth) {
        (true, 1) => answer("503 Service Unavailable", ""),
        (true, 2) => answer("429 Too Many Requests", ""),
        _ => manifest(),
    })
    .await;
    let repository = client().repository(&server.reference(), None, Purpose::Pull);
    repository.resolve(&server.reference()).await.unwrap();
    assert_eq!(server.asked("manifests").len(), 3);
}

#[tokio::test]
async fn a_redirect_to_another_host_takes_no_credentials_along() {
    let other = Server::start(|_, _, _| answer("200 OK", "blob")).await;
    let target = format!("http://{}/storage?signature=x", other.address);
    let server = Server::start(move |_, asked, _| {
        let token = asked.headers.get("authorization").map(String::as_str);
        if token != Some("Basic bWU6cGFzcw==") {
            return with(answer("401 Unauthorized", "{}"), "www-authenticate", "Basic realm=\"x\"");
        }
        with(answer("307 Temporary Redirect", ""), "location", target.clone())
    })
    .await;
    let credentials = Credentials::from_fields("me", "pass", "", "");
    let repository = client().repository(&server.reference(), credentials, Purpose::Pull);
    let blob = oci::image::Descriptor {
        media_type: media::OCI_LAYER.into(),
        // sha256 of "blob"
        digest: "sha256:fa2c8cc4f28176bbeed4b736df569a34c79cd3723e9ec42f9674b4d46ac6b8b8"
            .parse()
            .unwrap(),
        size: 4,
        urls: None,
        annotations: None,
        platform: None,
        artifact_type: None,
    };
    assert_eq!(&repository.blob(&blob, 10).await.unwrap()[..], b"blob");
    let asked = other.asked("/storage");
    assert_eq!(asked.len(), 1);
    assert!(!asked[0].headers.contains_key("authorization"));
    let mut wrong = blob;
    wrong.digest = types::Digest::from_sha256(&[0; 32]);
    let error = repository.blob(&wrong, 10).await.unwrap_err();
    assert!(matches!(error, DistributionError::DigestMismatch { .. }));
}

#[tokio::test]
async fn oversized_manifests_are_refused() {
    let server = Server::start(|_, _, _| answer("200 OK", "x".repeat(5 * 1024 * 1024))).await;
    let repository = client().repository(&server.reference(), None, Purpose::Pull);
    let error = repository.resolve(&server.reference()).await.unwrap_err();
    assert!(matches!(error, DistributionError::TooLarge { what: "manifest", .. }), "{error}");
}

#[tokio::test]
async fn search_reads_the_index_document() {
    let server = Server::start(|_, _, _| {
        answer(
            "200 OK",
            r#"{"num_results":1,"results":[{"name":"team/app","description":null,"star_count":3,"is_official":true}]}"#,
        )
    })
    .await;
    let found = client().search(&format!("{}/app", server.address), 5, None).await.unwrap();
    assert_eq!(found[0].name, "team/app");
    assert!(found[0].is_official);
    assert_eq!(server.asked("GET /v1/search?q=app&n=5").len(), 1);
}

#[tokio::test]
async fn a_search_with_an_identity_token_says_who_asks() {
    // The index answers anybody: it never asks for a token by itself.
    let server = Server::start(|address, asked, count| {
        if !asked.line.contains("/v1/search") {
            return guarded(address, asked, count);
        }
        let is_known = asked.headers.get("authorization").is_some_and(|own| own == "Bearer t-1");
        let names = if is_known { r#"{"name":"me/private"}"# } else { "" };
        answer("200 OK", format!("{{\"results\":[{names}]}}"))
    })
    .await;
    let term = format!("{}/private", server.address);
    let token = Credentials::IdentityToken(Secret::new("refresh-1"));
    let found = client().search(&term, 5, Some(&token)).await.unwrap();
    assert_eq!(found.len(), 1);
    assert!(server.asked("POST /token")[0].body.contains("scope=registry%3Acatalog%3Asearch"));
    assert!(client().search(&term, 5, None).await.unwrap().is_empty());
}
