//! The distribution API of the running program: what the specification's own suite does not ask.
#![allow(clippy::unwrap_used)] // Helpers outside of test functions are tests too.

mod support;

use std::{
    io::Write,
    net::TcpStream,
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use support::{Hub, MANIFEST, PASSWORD, digest, eventually, manifest};

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

fn scope(name: &str) -> String {
    format!("repository:{name}:pull,push,delete")
}

#[test]
fn a_chunked_upload_goes_on_after_kill_9() {
    let mut hub = Hub::start();
    let bytes = pattern(3_000_000);
    let token = hub.token(Some("alice"), &[&scope("alice/web")]);
    let begun = hub.request("POST", "/v2/alice/web/blobs/uploads/").bearer(&token).send();
    assert_eq!(begun.status, 202);
    let location = begun.location().to_owned();
    let chunk = |hub: &Hub, from: usize, to: usize| {
        hub.request("PATCH", &location)
            .bearer(&token)
            .header("Content-Range", format!("{from}-{}", to - 1))
            .body(&bytes[from..to])
            .send()
    };
    assert_eq!(chunk(&hub, 0, 1_000_000).headers["range"], "0-999999");
    hub.kill();
    hub.restart();
    let status = hub.request("GET", &location).bearer(&token).send();
    assert_eq!((status.status, status.headers["range"].as_str()), (204, "0-999999"));
    let early = chunk(&hub, 2_000_000, 3_000_000);
    assert_eq!((early.status, early.headers["range"].as_str()), (416, "0-999999"));
    assert_eq!(chunk(&hub, 1_000_000, 2_000_000).status, 202);
    hub.kill();
    hub.restart();
    let path = format!("{location}?digest={}", digest(&bytes));
    let last = hub.request("PUT", &path).bearer(&token).body(&bytes[2_000_000..]).send();
    assert_eq!(last.status, 201, "{last:?}");
    let blob = format!("/v2/alice/web/blobs/{}", digest(&bytes));
    assert!(hub.request("GET", &blob).bearer(&token).send().body == bytes);
    assert_eq!(hub.request("GET", &location).bearer(&token).send().status, 404);
}

#[test]
fn what_arrived_before_a_client_broke_off_is_kept() {
    let hub = Hub::start();
    let bytes = pattern(2_000_000);
    let token = hub.token(Some("alice"), &[&scope("alice/web")]);
    let begun = hub.request("POST", "/v2/alice/web/blobs/uploads/").bearer(&token).send();
    let location = begun.location().to_owned();
    let mut stream = TcpStream::connect(hub.address()).unwrap();
    let head = format!(
        "PATCH {location} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: 2000000\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&bytes[..1_200_000]).unwrap();
    drop(stream);
    let offset = || {
        let status = hub.request("GET", &location).bearer(&token).send();
        let (_, last) = status.headers["range"].split_once('-').unwrap().to_owned();
        last.parse::<usize>().unwrap() + 1
    };
    // The disconnect may discard what was still in the socket, never what is acknowledged here.
    let mut kept = 0;
    eventually("bytes are kept", || {
        let (before, now) = (kept, offset());
        kept = now;
        now > 1 && now == before
    });
    assert!(kept <= 1_200_000, "{kept}");
    let path = format!("{location}?digest={}", digest(&bytes));
    let done = hub.request("PUT", &path).bearer(&token).body(&bytes[kept..]).send();
    assert_eq!(done.status, 201, "{done:?}");
}

#[test]
fn ranges_and_conditions() {
    let hub = Hub::start();
    let bytes = pattern(700_000);
    let blob = hub.push_blob("alice/web", &bytes);
    let path = format!("/v2/alice/web/blobs/{blob}");
    let token = hub.token(Some("alice"), &[&scope("alice/web")]);
    let get = |range: &str| hub.request("GET", &path).bearer(&token).header("Range", range).send();
    let piece = get("bytes=100000-599999");
    assert_eq!(piece.status, 206);
    assert_eq!(piece.headers["content-range"], "bytes 100000-599999/700000");
    assert!(piece.body == bytes[100_000..600_000]);
    assert!(get("bytes=-5").body == bytes[699_995..]);
    let outside = get("bytes=700000-");
    assert_eq!(outside.status, 416);
    assert_eq!(outside.headers["content-range"], "bytes */700000");
    let tag = format!("\"{blob}\"");
    let known = hub.request("GET", &path).bearer(&token).header("If-None-Match", &tag).send();
    assert_eq!((known.status, known.body.len()), (304, 0));
    let changed = hub.request("GET", &path).bearer(&token);
    let changed = changed.header("Range", "bytes=0-0").header("If-Range", "\"other\"").send();
    assert_eq!((changed.status, changed.body.len()), (200, 700_000));
    let head = hub.request("HEAD", &path).bearer(&token).send();
    assert_eq!(head.headers["content-length"], "700000");
    assert_eq!(head.headers["docker-content-digest"], blob);
}

#[test]
fn concurrent_pushes_of_one_blob_all_succeed() {
    let hub = Hub::start();
    let bytes = pattern(2_000_000);
    thread::scope(|threads| {
        for n in 0..16 {
            let (hub, bytes) = (&hub, &bytes);
            threads.spawn(move || hub.push_blob(&format!("alice/app{}", n % 4), bytes));
        }
    });
    let token = hub.token(Some("alice"), &[&scope("alice/app3")]);
    let path = format!("/v2/alice/app3/blobs/{}", digest(&bytes));
    assert!(hub.request("GET", &path).bearer(&token).send().body == bytes);
    let ingests = hub.data().join("blobs/ingest");
    assert_eq!(std::fs::read_dir(ingests).unwrap().count(), 0);
}

#[test]
fn refuses_what_does_not_fit() {
    let hub = Hub::start_with(&[], r#"{"max-blob-bytes": 1000000}"#);
    hub.push_blob("alice/web", b"{}");
    let token = hub.token(Some("alice"), &[&scope("alice/web")]);
    let put = |reference: &str, kind: &str, body: &[u8]| {
        let path = format!("/v2/alice/web/manifests/{reference}");
        hub.request("PUT", &path).bearer(&token).header("Content-Type", kind).body(body).send()
    };
    let code = |answer: support::Answer| (answer.status, answer.code());
    let absent = manifest(&digest(b"{}"), &digest(b"absent"), 6);
    assert_eq!(
        code(put("v1", MANIFEST, absent.as_bytes())),
        (404, "MANIFEST_BLOB_UNKNOWN".to_owned())
    );
    let whole = manifest(&digest(b"{}"), &digest(b"{}"), 2);
    let wrong = digest(b"another");
    let invalid = |status, code: &str| (status, code.to_owned());
    assert_eq!(code(put(&wrong, MANIFEST, whole.as_bytes())), invalid(400, "DIGEST_INVALID"));
    assert_eq!(code(put("v1", "text/plain", b"{}")), invalid(400, "MANIFEST_INVALID"));
    assert_eq!(code(put("v1", MANIFEST, b"[1,")), invalid(400, "MANIFEST_INVALID"));
    let huge = vec![b' '; 4 * 1024 * 1024 + 1];
    assert_eq!(code(put("v1", MANIFEST, &huge)), invalid(413, "MANIFEST_INVALID"));
    assert_eq!(code(put("..", MANIFEST, whole.as_bytes())), invalid(400, "TAG_INVALID"));

    let post = |digest: &str, body: &[u8]| {
        let path = format!("/v2/alice/web/blobs/uploads/?digest={digest}");
        hub.request("POST", &path).bearer(&token).body(body).send()
    };
    assert_eq!(code(post(&digest(b"a"), b"b")), invalid(400, "DIGEST_INVALID"));
    assert_eq!(code(post("md5:abc", b"b")), invalid(400, "DIGEST_INVALID"));
    let large = pattern(1_000_001);
    assert_eq!(code(post(&digest(&large), &large)), invalid(413, "SIZE_INVALID"));
    let ingests = hub.data().join("blobs/ingest");
    assert_eq!(std::fs::read_dir(ingests).unwrap().count(), 0);

    for path in
        ["/v2/../../etc/tags/list", "/v2/alice%2f..%2f..%2fetc/tags/list", "/v2/A/tags/list"]
    {
        let answer = hub.request("GET", path).bearer(&token).send();
        assert!(matches!(answer.status, 400 | 404), "{path}: {}", answer.status);
    }
    let method = hub.request("POST", "/v2/alice/web/tags/list").bearer(&token).send();
    assert_eq!(code(method), invalid(405, "UNSUPPORTED"));
}

#[test]
fn tags_come_in_pages() {
    let hub = Hub::start();
    let config = hub.push_blob("alice/web", b"{}");
    let document = manifest(&config, &config, 2);
    let token = hub.token(Some("alice"), &[&scope("alice/web")]);
    for n in 0..7 {
        let path = format!("/v2/alice/web/manifests/v{n}");
        let put = hub.request("PUT", &path).bearer(&token).header("Content-Type", MANIFEST);
        assert_eq!(put.body(document.as_bytes()).send().status, 201);
    }
    let mut next = Some("/v2/alice/web/tags/list?n=3".to_owned());
    let mut pages = Vec::new();
    while let Some(path) = next {
        let answer = hub.request("GET", &path).bearer(&token).send();
        let tags = answer.json()["tags"].clone();
        pages.push(tags.as_array().unwrap().len());
        next = answer
            .headers
            .get("link")
            .map(|link| link.strip_prefix('<').unwrap().split_once('>').unwrap().0.to_owned());
    }
    assert_eq!(pages, [3, 3, 1]);
    let none = hub.request("GET", "/v2/alice/web/tags/list?n=0").bearer(&token).send();
    assert_eq!(none.json()["tags"], serde_json::json!([]));
    let bad = hub.request("GET", "/v2/alice/web/tags/list?n=x").bearer(&token).send();
    assert_eq!(bad.status, 400);
}

#[test]
fn what_is_in_use_is_not_deleted_and_what_is_not_is_collected() {
    let config = r#"{"gc-interval-seconds": 1, "gc-grace-seconds": 0}"#;
    // A grace period of nothing would race with the push itself.
    let mut hub = Hub::start();
    let (image, layer) = hub.push_image("alice/web", "v1", &pattern(100_000));
    let token = hub.token(Some("alice"), &[&scope("alice/web")]);
    let delete = |hub: &Hub, what: &str| {
        hub.request("DELETE", &format!("/v2/alice/web/{what}")).bearer(&token).send().status
    };
    assert_eq!(delete(&hub, &format!("blobs/{layer}")), 409);
    assert_eq!(delete(&hub, "manifests/v1"), 202);
    assert_eq!(delete(&hub, "manifests/v1"), 404);
    assert_eq!(delete(&hub, &format!("manifests/{image}")), 202);
    let hex = layer.strip_prefix("sha256:").unwrap();
    let file = hub.data().join("blobs/blobs/sha256").join(&hex[..2]).join(hex);
    assert!(file.exists());
    hub.kill();
    std::fs::write(hub.dir.path().join("hub.json"), config).unwrap();
    hub.restart();
    eventually("the layer's file goes", || !file.exists());
    let blob = format!("/v2/alice/web/blobs/{layer}");
    assert_eq!(hub.request("GET", &blob).bearer(&token).send().status, 404);
}

#[test]
fn acknowledged_pushes_survive_kill_9() {
    let mut hub = Hub::start();
    let mut acknowledged: Vec<(String, String, Vec<u8>)> = Vec::new();
    for round in 0..6_usize {
        let count = AtomicUsize::new(0);
        let pushed = thread::scope(|threads| {
            let (hub, count) = (&hub, &count);
            let workers: Vec<_> = (0..4_usize)
                .map(|worker| threads.spawn(move || push_until_killed(hub, (round, worker), count)))
                .collect();
            // One push has been acknowledged; the others are somewhere in the middle.
            eventually("pushes", || count.load(Ordering::Relaxed) > round);
            let pid = hub.pid().to_string();
            let killed = Command::new("kill").args(["-9", &pid]).status().unwrap();
            assert!(killed.success());
            workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect::<Vec<_>>()
        });
        acknowledged.extend(pushed);
        hub.wait();
        hub.restart();
    }
    assert!(acknowledged.len() >= 6, "only {} pushes", acknowledged.len());
    let scopes: Vec<_> = (0..4).map(|n| scope(&format!("alice/app{n}"))).collect();
    let scopes: Vec<_> = scopes.iter().map(String::as_str).collect();
    let token = hub.token(Some("alice"), &scopes);
    for (name, tag, layer) in &acknowledged {
        let get = |path: String| hub.request("GET", &path).bearer(&token).send();
        let document = get(format!("/v2/{name}/manifests/{tag}"));
        assert_eq!(document.status, 200, "{name}:{tag}");
        let blob = document.json()["layers"][0]["digest"].as_str().unwrap().to_owned();
        assert!(get(format!("/v2/{name}/blobs/{blob}")).body == *layer, "{name}:{tag}");
    }
}

/// Pushes images until the hub is gone; returns those that were acknowledged.
fn push_until_killed(
    hub: &Hub,
    (round, worker): (usize, usize),
    count: &AtomicUsize,
) -> Vec<(String, String, Vec<u8>)> {
    let name = format!("alice/app{worker}");
    let token_path = format!("/token?scope=repository:{name}:pull,push");
    let Ok(answer) = hub.request("GET", &token_path).basic("alice", PASSWORD).try_send() else {
        return vec![];
    };
    let token = answer.json()["token"].as_str().unwrap().to_owned();
    let mut done = Vec::new();
    for n in 0_usize.. {
        let layer = pattern(200_000 + round * 10_000 + worker * 1000 + n);
        let blob = |bytes: &[u8]| {
            let path = format!("/v2/{name}/blobs/uploads/?digest={}", digest(bytes));
            hub.request("POST", &path).bearer(&token).body(bytes).try_send()
        };
        let tag = format!("r{round}-{n}");
        let document = manifest(&digest(b"{}"), &digest(&layer), layer.len());
        let put = hub.request("PUT", &format!("/v2/{name}/manifests/{tag}")).bearer(&token);
        let put = put.header("Content-Type", MANIFEST).body(document.as_bytes());
        let (Ok(config), Ok(body)) = (blob(b"{}"), blob(&layer)) else { break };
        assert_eq!((config.status, body.status), (201, 201));
        let Ok(stored) = put.try_send() else { break };
        assert_eq!(stored.status, 201);
        done.push((name.clone(), tag, layer));
        count.fetch_add(1, Ordering::Relaxed);
    }
    done
}
