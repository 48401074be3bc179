//! Texts of a container's or client's that break what shows them.

use serde_json::{Value, json};
use testkit::Engine;

const ESCAPES: &str = "\u{1b}[2J\u{1b}]0;owned\u{7}\"\\\n\u{0}\u{9b}31m\u{202e}";

#[test]
fn escapes_in_labels_and_environment_stay_json() {
    let engine = Engine::start();
    let config = json!({
        "Image": "busybox", "Cmd": ["sleep", "600"], "Labels": {ESCAPES: ESCAPES},
        "Env": [format!("X={}", ESCAPES.replace('\0', ""))],
    });
    let made = engine.request("POST", "/containers/create?name=c1", &config).unwrap();
    assert_eq!(made.status, 201, "{made:?}");
    let id = made.json()["Id"].as_str().unwrap().to_owned();
    assert!(engine.request("POST", "/containers/c1/start", &Value::Null).unwrap().is_done());
    assert_eq!(engine.get("/containers/c1/json")["Config"]["Labels"][ESCAPES], json!(ESCAPES));
    let listed = engine.get("/containers/json");
    assert_eq!(listed[0]["Labels"][ESCAPES], json!(ESCAPES));
    for line in engine.ok(&["ps", "--no-trunc", "--format", "{{json .}}"]).lines() {
        assert_eq!(serde_json::from_str::<Value>(line).unwrap()["ID"], json!(id));
    }
    engine.ok(&["inspect", "c1"]);
    for name in ["%1b%5b2J", "a%0ab", "..%2f..%2fx", "%ff%fe", "a%00"] {
        let path = format!("/containers/create?name={name}");
        let refused = engine.request("POST", &path, &json!({"Image": "busybox"})).unwrap();
        assert_eq!(refused.status, 400, "{name}: {refused:?}");
        assert!(refused.json()["message"].is_string(), "{refused:?}");
        let path = format!("/containers/c1/rename?name={name}");
        let refused = engine.request("POST", &path, &Value::Null).unwrap();
        assert_eq!(refused.status, 400, "{name}: {refused:?}");
    }
    engine.remove_all_containers();
}

#[test]
fn logs_give_back_the_bytes_that_were_written() {
    let engine = Engine::start();
    let script = r#"printf '\033[2J\377\376\000"\\{"log":"x"}\n\303\050\n\r\tend\n'"#;
    let bytes = b"\x1b[2J\xff\xfe\0\"\\{\"log\":\"x\"}\n\xc3\x28\n\r\tend\n";
    for driver in ["json-file", "local"] {
        let run = engine.docker(&[
            "run",
            "--log-driver",
            driver,
            "--name",
            driver,
            "busybox",
            "sh",
            "-c",
            script,
        ]);
        assert_eq!((run.code, &run.stdout[..]), (0, &bytes[..]), "{driver}: {run:?}");
        let logs = engine.docker(&["logs", driver]);
        // The JSON file holds text: Docker's client shows the replacement character there.
        let expected = match driver {
            "json-file" => String::from_utf8_lossy(bytes).into_owned().into_bytes(),
            _ => bytes.to_vec(),
        };
        assert_eq!(String::from_utf8_lossy(&logs.stdout), String::from_utf8_lossy(&expected));
        assert_eq!(
            String::from_utf8_lossy(&logs.stdout).split_terminator('\n').count(),
            3,
            "{logs:?}"
        );
        engine.ok(&["logs", "--tail", "1", "-t", driver]);
    }
    let path = engine.inspect("json-file", "{{.LogPath}}");
    for line in std::fs::read_to_string(path).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert!(line["log"].is_string() && line["time"].is_string(), "{line}");
    }
    let exec = ["run", "--rm", "busybox", "sh", "-c", "printf '\\377' >&2; exit 3"];
    assert_eq!(engine.docker(&exec).code, 3);
}
