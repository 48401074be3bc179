//! Requests over a real socket against in-memory backends.
#![allow(clippy::unwrap_used)] // Helpers of tests, not only tests.

mod fake;

use fake::Fixture;
use serde_json::json;

#[tokio::test]
async fn every_answer_carries_the_fixed_headers_and_ping_its_own() {
    let fixture = Fixture::start().await;
    for path in ["/_ping", "/v1.24/_ping", "/nowhere"] {
        let reply = fixture.ask("GET", path, "").await;
        assert_eq!(reply.header("Api-Version"), Some("1.55"), "{reply:?}");
        assert_eq!(reply.header("Docker-Experimental"), Some("false"));
        assert_eq!(reply.header("Ostype"), Some("linux"));
        assert!(reply.header("Server").unwrap().starts_with("Gantry/"));
    }
    let reply = fixture.ask("GET", "/_ping", "").await;
    assert_eq!(reply.body, "OK");
    assert_eq!(reply.header("Swarm"), Some("inactive"));
    assert!(reply.header("Builder-Version").is_some());
    assert_eq!(reply.header("Cache-Control"), Some("no-cache, no-store, must-revalidate"));
    let head = fixture.ask("HEAD", "/_ping", "").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}

#[tokio::test]
async fn versions_outside_the_range_are_refused_with_dockers_text() {
    let fixture = Fixture::start().await;
    let old = fixture.ask("GET", "/v1.23/info", "").await;
    assert_eq!(old.status, 400);
    assert_eq!(
        old.message(),
        "client version 1.23 is too old. Minimum supported API version is 1.24, please upgrade \
         your client to a newer version"
    );
    let new = fixture.ask("GET", "/v1.99/info", "").await;
    assert_eq!(
        new.message(),
        "client version 1.99 is too new. Maximum supported API version is 1.55"
    );
    assert_eq!(fixture.ask("GET", "/v1.55/info", "").await.status, 200);
}

#[tokio::test]
async fn unknown_paths_and_methods_are_not_found_and_known_gaps_say_so() {
    let fixture = Fixture::start().await;
    for (method, path) in [
        ("GET", "/nowhere"),
        ("PUT", "/version"),
        ("GET", "/v1.41/x/y"),
        ("PATCH", "/images/a/json"),
        ("POST", "/images/a/b/c"),
    ] {
        let reply = fixture.ask(method, path, "").await;
        assert_eq!((reply.status, reply.message().as_str()), (404, "page not found"), "{path}");
    }
    let build = fixture.ask("POST", "/v1.41/build?t=x", "").await;
    assert_eq!(build.status, 501);
    assert_eq!(build.message(), "building images is not implemented by Gantry yet");
    assert_eq!(fixture.ask("GET", "/volumes", "").await.status, 501);
    for path in ["/swarm", "/nodes", "/services/x", "/tasks/a/logs"] {
        let reply = fixture.ask("GET", path, "").await;
        assert_eq!(reply.status, 503);
        assert!(reply.message().starts_with("This node is not a swarm manager"));
    }
}

#[tokio::test]
async fn a_list_parses_its_query_and_is_lowered_for_old_clients() {
    let fixture = Fixture::start().await;
    let query = "?all=1&limit=2&size=0&filters=%7B%22label%22%3A%7B%22a%3Db%22%3Atrue%7D%7D";
    let reply = fixture.ask("GET", &format!("/containers/json{query}"), "").await;
    assert_eq!(reply.json()[0]["Names"], json!(["/web"]));
    let call = fixture.fake.last();
    assert!(call.contains("all: true, limit: Some(2), size: false"), "{call}");
    assert!(call.contains(r#""label": ["a=b"]"#), "{call}");
    let bad = fixture.ask("GET", "/containers/json?filters=x", "").await;
    assert_eq!((bad.status, bad.message().as_str()), (400, "invalid filter"));
    let bad = fixture.ask("GET", "/containers/json?limit=x", "").await;
    assert_eq!(bad.message(), "strconv.Atoi: parsing \"x\": invalid syntax");
}

#[tokio::test]
async fn create_reads_any_case_and_refuses_what_is_no_document() {
    let fixture = Fixture::start().await;
    let reply = fixture
        .ask(
            "POST",
            "/v1.41/containers/create?name=/web",
            r#"{"image":"a","cmd":"x","HOSTCONFIG":{"memory":5}}"#,
        )
        .await;
    assert_eq!((reply.status, reply.json()["Id"].clone()), (201, json!("new")));
    let call = fixture.fake.last();
    assert!(call.contains(r#"name: Some("web")"#), "{call}");
    assert!(call.contains(r#"cmd: Some(["x"])"#) && call.contains("memory: 5"), "{call}");
    assert!(call.contains(r#"network_mode: "bridge""#), "{call}");

    let empty = fixture.ask("POST", "/containers/create", "").await;
    assert_eq!(empty.message(), "invalid JSON: EOF");
    let broken = fixture.ask("POST", "/containers/create", "{").await;
    assert_eq!(broken.message(), "invalid JSON: unexpected EOF");
    let more = fixture.ask("POST", "/containers/create", r#"{"Image":"a"} more"#).await;
    assert_eq!(more.message(), "unexpected content after JSON");
    let typed = fixture
        .exchange("POST /containers/create HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}")
        .await;
    assert!(typed.contains("unsupported Content-Type header (text/plain)"), "{typed}");
}

#[tokio::test]
async fn statuses_follow_the_error_kind() {
    let fixture = Fixture::start().await;
    let missing = fixture.ask("GET", "/containers/missing/json", "").await;
    assert_eq!((missing.status, missing.message().as_str()), (404, "No such container: missing"));
    let started = fixture.ask("POST", "/containers/started/start", "").await;
    assert_eq!((started.status, started.body.as_str()), (304, ""));
    assert_eq!(fixture.ask("POST", "/containers/a/start", "").await.status, 204);
    assert_eq!(
        fixture.ask("POST", "/containers/a/start", r#"{"Binds":["/a:/a"]}"#).await.status,
        400
    );
    let killed = fixture.ask("POST", "/containers/missing/kill", "").await;
    assert_eq!(killed.message(), "cannot kill container: missing: No such container: missing");
    let signal = fixture.ask("POST", "/containers/a/kill?signal=NOPE", "").await;
    assert_eq!(signal.message(), "cannot kill container: a: invalid signal: NOPE");
}

#[tokio::test]
async fn a_panic_is_an_answer_and_the_connection_goes_on() {
    let fixture = Fixture::start().await;
    for method in ["GET /containers/panics/json", "POST /containers/panics/start"] {
        let text = fixture
            .exchange(&format!(
                "{method} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\nGET /_ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            ))
            .await;
        assert!(text.starts_with("HTTP/1.1 500"), "{text}");
        assert!(text.contains("the request's handler panicked: on purpose"), "{text}");
        assert!(text.ends_with("OK"), "{text}");
    }
}

#[tokio::test]
async fn image_names_may_contain_slashes_and_words_of_the_api() {
    let fixture = Fixture::start().await;
    let reply = fixture.ask("GET", "/images/hub.example:5000/a/b/json/json", "").await;
    assert_eq!(reply.json()["Id"], "hub.example:5000/a/b/json");
    fixture.ask("DELETE", "/images/search?force=1", "").await;
    assert_eq!(fixture.fake.last(), r#"("search", true)"#);
    fixture.ask("DELETE", "/images/json", "").await;
    assert_eq!(fixture.fake.last(), r#"("json", false)"#);
    fixture.ask("POST", "/images/a/b/tag?repo=hub.example/c&tag=1", "").await;
    assert_eq!(fixture.fake.last(), r#"("a/b", "hub.example/c:1")"#);
    assert_eq!(fixture.ask("POST", "/images/a/tag", "").await.status, 400);
    fixture.ask("GET", "/images/get?names=a&names=b", "").await;
    assert_eq!(fixture.fake.last(), r#"["a", "b"]"#);
    fixture.ask("GET", "/distribution/a/b/json", "").await;
    assert_eq!(fixture.fake.last(), r#""a/b:latest""#);
}

#[tokio::test]
async fn progress_fails_by_status_before_the_first_line_and_by_line_after_it() {
    let fixture = Fixture::start().await;
    let good = fixture.ask("POST", "/images/create?fromImage=busybox&tag=1", "").await;
    assert_eq!(good.header("Content-Type"), Some("application/json"));
    assert_eq!(good.body.matches("\r\n").count(), 2);
    let absent = fixture.ask("POST", "/images/create?fromImage=absent&tag=1", "").await;
    assert_eq!((absent.status, absent.message().as_str()), (404, "manifest unknown"));
    let breaks = fixture.ask("POST", "/images/create?fromImage=breaks&tag=1", "").await;
    assert_eq!(breaks.status, 200);
    let last: serde_json::Value =
        serde_json::from_str(breaks.body.trim().lines().last().unwrap()).unwrap();
    assert_eq!(last, json!({"error": "blob lost", "errorDetail": {"message": "blob lost"}}));
    let import = fixture
        .exchange("POST /images/create?fromSrc=-&repo=a HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 5\r\n\r\n12345")
        .await;
    assert!(import.starts_with("HTTP/1.1 200"));
    assert_eq!(fixture.fake.last(), r#"("5 bytes", "Imported from -", [])"#);
}

#[tokio::test]
async fn logs_need_a_stream_and_name_their_framing() {
    let fixture = Fixture::start().await;
    assert_eq!(fixture.ask("GET", "/containers/a/logs", "").await.status, 400);
    let reply =
        fixture.ask("GET", "/containers/a/logs?stdout=1&since=5.5&until=0&tail=7", "").await;
    assert_eq!(reply.header("Content-Type"), Some("application/vnd.docker.multiplexed-stream"));
    let call = fixture.fake.last();
    assert!(
        call.contains("since: Some(Timestamp { seconds: 5, nanoseconds: 500000000 })"),
        "{call}"
    );
    assert!(call.contains("until: None") && call.contains("tail: Lines(7)"), "{call}");
    let old = fixture.ask("GET", "/v1.41/containers/a/logs?stdout=1&tail=all", "").await;
    assert_eq!(old.header("Content-Type"), Some("application/vnd.docker.raw-stream"));
}

#[tokio::test]
async fn the_head_of_a_wait_comes_before_its_end_and_a_gone_client_ends_it() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let fixture = Fixture::start().await;
    assert_eq!(
        fixture.ask("POST", "/containers/a/wait", "").await.json(),
        json!({"StatusCode": 3})
    );
    assert_eq!(fixture.ask("POST", "/containers/a/wait?condition=x", "").await.status, 400);
    let mut stream = fixture.connect().await;
    stream
        .write_all(b"POST /containers/waits/wait?condition=removed HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        .await
        .unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    assert!(!fixture.fake.wait_dropped.is_cancelled());
    drop(stream);
    tokio::time::timeout(std::time::Duration::from_secs(60), fixture.fake.wait_dropped.cancelled())
        .await
        .expect("the wait ends when its client is gone");
}

#[tokio::test]
async fn large_heads_and_large_documents_are_refused() {
    let fixture = Fixture::start().await;
    let long = "x".repeat(600 * 1024);
    let mut stream = fixture.connect().await;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    // The server answers and closes before it has read everything.
    let _ = stream
        .write_all(format!("GET /_ping HTTP/1.1\r\nHost: x\r\nA: {long}\r\n\r\n").as_bytes())
        .await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    assert!(!answer.contains("200 OK"));

    let many: String = (0..300).map(|n| format!("A{n}: b\r\n")).collect();
    let answer = fixture.exchange(&format!("GET /_ping HTTP/1.1\r\nHost: x\r\n{many}\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");

    let body = format!(r#"{{"Image":"{}"}}"#, "x".repeat(9 * 1024 * 1024));
    let reply = fixture.ask("POST", "/containers/create", &body).await;
    assert_eq!(reply.status, 413, "{reply:?}");
}

#[tokio::test]
async fn an_early_answer_drains_the_body_so_that_the_client_can_read_it() {
    let fixture = Fixture::start().await;
    let body = "x".repeat(4 * 1024 * 1024);
    let reply = fixture.ask("PUT", "/containers/a/archive?path=/refused", &body).await;
    assert_eq!((reply.status, reply.message().as_str()), (404, "no such directory"));
    let reply = fixture.ask("PUT", "/containers/a/archive?path=/x", &body).await;
    assert_eq!(reply.status, 200);
    assert!(fixture.fake.last().ends_with(&format!("{})", body.len())), "{}", fixture.fake.last());
}

#[tokio::test]
async fn events_and_disk_usage_check_their_parameters() {
    let fixture = Fixture::start().await;
    let events = fixture.ask("GET", "/v1.51/events?since=1&until=2", "").await;
    assert_eq!(events.header("Content-Type"), Some("application/json"));
    assert_eq!(events.json()["status"], "start");
    let events = fixture.ask("GET", "/events", "").await;
    assert_eq!(events.header("Content-Type"), Some("application/jsonl"));
    assert_eq!(fixture.ask("GET", "/events?since=3&until=2", "").await.status, 400);
    assert_eq!(fixture.ask("GET", "/system/df?type=nope", "").await.status, 400);
    fixture.ask("GET", "/system/df?type=image", "").await;
    assert!(fixture.fake.last().contains("containers: false, images: true"));
}

#[tokio::test]
async fn a_stop_ends_idle_connections_and_removes_the_socket() {
    use tokio::io::AsyncReadExt;
    let fixture = Fixture::start().await;
    let mut idle = fixture.connect().await;
    fixture.ask("GET", "/_ping", "").await;
    fixture.stop.cancel();
    fixture.task.await.unwrap();
    assert_eq!(idle.read(&mut [0; 1]).await.unwrap_or(0), 0);
    assert!(!fixture.directory.path().join("api.sock").exists());
}

#[tokio::test]
async fn a_load_that_fails_says_so_in_its_stream() {
    let fixture = Fixture::start().await;
    let loaded = fixture.ask("POST", "/images/load", "x").await;
    assert!(loaded.body.contains("Loaded"), "{loaded:?}");
    let failed = fixture.ask("POST", "/images/load?quiet=0", "x").await;
    assert_eq!(failed.status, 200);
    assert!(failed.body.contains(r#""error":"no archive""#), "{failed:?}");
}
