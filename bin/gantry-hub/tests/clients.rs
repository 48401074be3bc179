//! The clients that people have: skopeo and docker, over TLS and plain.
#![allow(clippy::unwrap_used)] // Helpers outside of test functions are tests too.

mod support;

use std::{
    path::Path,
    process::{Command, Output},
};

use support::{Hub, MANIFEST, PASSWORD, digest, eventually};

/// An OCI layout `layout:v1` with busybox as its one layer, not compressed.
fn make_layout(dir: &Path) -> Vec<u8> {
    let blobs = dir.join("layout/blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    let put = |bytes: &[u8]| {
        let digest = digest(bytes);
        std::fs::write(blobs.join(digest.strip_prefix("sha256:").unwrap()), bytes).unwrap();
        digest
    };
    let layer_file = dir.join("layer.tar");
    let mut tar = Command::new("tar");
    tar.args(["-C", "/bin", "-cf"]).arg(&layer_file).arg("busybox");
    assert!(tar.status().unwrap().success());
    let layer = std::fs::read(layer_file).unwrap();
    let layer_digest = put(&layer);
    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","config":{{}},"rootfs":{{"type":"layers","diff_ids":["{layer_digest}"]}}}}"#
    );
    let manifest = support::manifest(&put(config.as_bytes()), &layer_digest, layer.len());
    let manifest = manifest.replace("\"size\":2}", &format!("\"size\":{}}}", config.len()));
    let index = format!(
        r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"{MANIFEST}","digest":"{}","size":{},"annotations":{{"org.opencontainers.image.ref.name":"v1"}}}}]}}"#,
        put(manifest.as_bytes()),
        manifest.len()
    );
    std::fs::write(dir.join("layout/index.json"), index).unwrap();
    std::fs::write(dir.join("layout/oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    layer
}

fn skopeo(arguments: &[&str]) -> Output {
    Command::new("skopeo").arg("--insecure-policy").args(arguments).output().unwrap()
}

fn must(output: Output) -> Output {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

#[test]
fn skopeo_pushes_inspects_pulls_and_deletes() {
    let hub = Hub::start();
    let dir = hub.dir.path().to_owned();
    let layer = make_layout(&dir);
    let source = format!("oci:{}:v1", dir.join("layout").display());
    let image = format!("docker://{}/alice/busybox:v1", hub.address());
    let credentials = format!("alice:{PASSWORD}");
    let push = |user: &str, to: &str| {
        let credentials = format!("{user}:{PASSWORD}");
        let target = ["--dest-tls-verify=false", "--dest-creds", &credentials];
        skopeo(&[&["copy"], &target[..], &[&source, to]].concat())
    };
    must(push("alice", &image));
    must(push("alice", &image));
    assert!(!push("bob", &image).status.success());
    assert!(!skopeo(&["inspect", "--tls-verify=false", &image]).status.success());
    let pulled = format!("dir:{}", dir.join("pulled").display());
    // skopeo compressed the layer on its way here.
    let from = ["copy", "--dest-decompress", "--src-tls-verify=false", "--src-creds", &credentials];
    must(skopeo(&[&from[..], &[&image, &pulled]].concat()));
    let name = digest(&layer).strip_prefix("sha256:").unwrap().to_owned();
    assert!(std::fs::read(dir.join("pulled").join(name)).unwrap() == layer);
    let logged_in = ["--tls-verify=false", "--creds", &credentials];
    must(skopeo(&[&["delete"], &logged_in[..], &[&image]].concat()));
    let gone = skopeo(&[&["inspect"], &logged_in[..], &[&image]].concat());
    assert!(!gone.status.success());
}

#[test]
fn docker_logs_in_and_is_refused_with_a_wrong_password() {
    let hub = Hub::start();
    let login = |password: &str| {
        Command::new("docker")
            .args(["login", "-u", "alice", "-p", password, &hub.address()])
            // No engine there: the client logs in by itself.
            .env("DOCKER_HOST", format!("unix://{}", hub.dir.path().join("none").display()))
            .env("DOCKER_CONFIG", hub.dir.path().join("docker"))
            .output()
            .unwrap()
    };
    let done = must(login(PASSWORD));
    assert!(String::from_utf8_lossy(&done.stdout).contains("Login Succeeded"));
    let refused = login("wrong password");
    assert!(!refused.status.success());
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(text.contains("incorrect username or password"), "{text}");
}

#[test]
fn serves_tls_and_stops_in_good_order() {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let keys = tempfile::tempdir().unwrap();
    let (certificate, key) = (keys.path().join("ca.crt"), keys.path().join("key.pem"));
    std::fs::write(&certificate, certified.cert.pem()).unwrap();
    std::fs::write(&key, certified.signing_key.serialize_pem()).unwrap();
    let (certificate, key) = (certificate.display().to_string(), key.display().to_string());
    let mut hub = Hub::start_with(&["--tls-cert", &certificate, "--tls-key", &key], "{}");
    make_layout(hub.dir.path());
    let source = format!("oci:{}:v1", hub.dir.path().join("layout").display());
    let image = format!("docker://localhost:{}/alice/busybox:v1", hub.port);
    let certificates = keys.path().display().to_string();
    let credentials = format!("alice:{PASSWORD}");
    let target = ["--dest-cert-dir", &certificates, "--dest-creds", &credentials];
    must(skopeo(&[&["copy"], &target[..], &[&source, &image]].concat()));
    let pid = hub.pid().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert!(hub.wait().success());
}

#[test]
fn one_process_serves_a_directory_and_configuration_is_checked() {
    let hub = Hub::start();
    let second = hub.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert!(!second.status.success());
    assert!(String::from_utf8_lossy(&second.stderr).contains("another gantry-hub serves"));
    let config = hub.dir.path().join("bad.json");
    std::fs::write(&config, r#"{"signup": "maybe"}"#).unwrap();
    let path = config.display().to_string();
    let checked = hub.run(&["check-config", "--config", &path]);
    assert!(!checked.status.success());
    assert!(String::from_utf8_lossy(&checked.stderr).contains("signup"));
    std::fs::write(&config, r#"{"signup": "open"}"#).unwrap();
    must(hub.run(&["check-config", "--config", &path]));
    let listed = must(hub.run(&["user", "ls"]));
    assert_eq!(String::from_utf8_lossy(&listed.stdout), "alice\tuser\nbob\tuser\nroot\tadmin\n");
    let health = |path| hub.request("GET", path).send().status;
    eventually("ready", || health("/readyz") == 200);
    assert_eq!(health("/healthz"), 200);
}
