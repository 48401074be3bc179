//! Events: what is told, to whom, and for how long it is kept.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, in its helpers too")]

use testkit::{Engine, eventually};

/// With nanoseconds; the clients' `0s` means the beginning of this second.
fn now() -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    format!("{}.{:09}", since.as_secs(), since.subsec_nanos())
}

/// Type and action of everything between two times.
fn between(engine: &Engine, since: &str, until: &str, filters: &[&str]) -> Vec<String> {
    let mut arguments =
        vec!["events", "--since", since, "--until", until, "--format", "{{.Type}} {{.Action}}"];
    for filter in filters {
        arguments.extend(["--filter", filter]);
    }
    engine.ok(&arguments).lines().map(str::to_owned).collect()
}

fn all(engine: &Engine, filters: &[&str]) -> Vec<String> {
    between(engine, "0", &now(), filters)
}

/// The attributes of the last event that the filters admit.
fn attributes(engine: &Engine, filters: &[&str]) -> serde_json::Value {
    let until = now();
    let mut arguments = vec!["events", "--since", "0", "--until", &until, "--format", "{{json .}}"];
    for filter in filters {
        arguments.extend(["--filter", filter]);
    }
    let lines = engine.ok(&arguments);
    let last = lines.lines().last().unwrap_or_else(|| panic!("no event: {filters:?}"));
    serde_json::from_str::<serde_json::Value>(last).unwrap()["Actor"]["Attributes"].clone()
}

#[test]
fn a_container_s_life_is_told_with_docker_s_attributes() {
    let engine = Engine::start();
    let run = ["run", "-d", "--name", "c1", "-l", "own=label", "-v", "vol:/data", "busybox"];
    engine.ok(&[&run[..], &["sh", "-c", "trap 'exit 9' TERM; while :; do sleep 0.02; done"]].concat());
    engine.ok(&["exec", "c1", "true"]);
    engine.ok(&["top", "c1"]);
    engine.ok(&["pause", "c1"]);
    engine.ok(&["unpause", "c1"]);
    engine.ok(&["rename", "c1", "c2"]);
    engine.ok(&["cp", "c2:/etc/passwd", "passwd"]);
    engine.ok(&["stop", "c2"]);
    engine.ok(&["commit", "-m", "why", "c2", "made:1"]);
    engine.ok(&["rm", "c2"]);
    engine.ok(&["volume", "rm", "vol"]);
    let told = all(&engine, &[]);
    let expected = [
        "volume create",
        "container create",
        "volume mount",
        "network connect",
        "container start",
        "container exec_create: true ",
        "container exec_start: true ",
        "container exec_die",
        "container top",
        "container pause",
        "container unpause",
        "container rename",
        "container archive-path",
        "container kill",
        "network disconnect",
        "volume unmount",
        "container die",
        "container stop",
        "container commit",
        "container destroy",
        "volume destroy",
    ];
    let mut rest = told.iter();
    for event in expected {
        assert!(rest.any(|told| told == event), "{event} is missing, or out of order: {told:#?}");
    }
    let of = |event: &str| attributes(&engine, &[&format!("event={event}")]);
    let die = of("die");
    assert_eq!(
        (&die["exitCode"], &die["name"], &die["image"]),
        (&"9".into(), &"c2".into(), &"busybox".into())
    );
    assert_eq!(die["own"], "label");
    assert!(die["execDuration"].as_str().unwrap().parse::<u32>().is_ok(), "{die}");
    assert_eq!(of("kill")["signal"], "15");
    assert_eq!(of("rename")["oldName"], "/c1");
    let commit = of("commit");
    assert_eq!((&commit["imageRef"], &commit["comment"]), (&"made:1".into(), &"why".into()));
    let mount = of("mount");
    assert_eq!((&mount["destination"], &mount["read/write"]), (&"/data".into(), &"true".into()));
    assert_eq!(of("connect")["name"], "bridge");
    assert_eq!(of("exec_die")["exitCode"], "0");
    engine.ok(&["rmi", "made:1"]);
    let gone = attributes(&engine, &["type=image", "event=untag"]);
    assert!(gone["name"].as_str().unwrap().starts_with("sha256:"), "{gone}");
    assert_eq!(all(&engine, &["type=image", "event=delete"]), ["image delete"]);
    engine.assert_nothing_leaked();
}

#[test]
fn events_are_kept_over_a_kill_of_the_engine_and_found_by_time() {
    let engine = Engine::start();
    engine.ok(&["create", "--name", "c1", "busybox"]);
    let between_the_two = now();
    engine.ok(&["create", "--name", "c2", "busybox"]);
    let before = all(&engine, &["event=create"]);
    // An event is on the disk some milliseconds after it was told.
    let log = engine.data_root().join("events");
    eventually("the log has all", || {
        let files = std::fs::read_dir(&log).unwrap();
        let texts = files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
        texts.collect::<String>().matches("\"create\"").count() == before.len()
    });
    engine.kill();
    engine.start_again();
    assert_eq!(all(&engine, &["event=create"]), before);
    assert_eq!(between(&engine, &between_the_two, &now(), &["container=c1"]), [] as [&str; 0]);
    assert_eq!(between(&engine, &between_the_two, &now(), &["container=c2"]), ["container create"]);
    assert_eq!(between(&engine, "0", &between_the_two, &["container=c2"]), [] as [&str; 0]);
    assert_eq!(between(&engine, "10m", &now(), &["container=c1"]), ["container create"]);
    let mut follower = engine.docker_session(&[
        "events",
        "--since",
        &between_the_two,
        "--filter",
        "type=container",
    ]);
    engine.ok(&["rm", "c1"]);
    follower.expect("container destroy");
    let seen = follower.so_far();
    assert!(seen.contains("container create") && seen.contains("name=c2"), "{seen}");
    follower.kill();
    engine.remove_all_containers();
    engine.assert_nothing_leaked();
}

#[test]
fn a_reload_is_an_event_of_the_daemon() {
    let engine = Engine::start();
    testkit::process::signal(engine.pid(), rustix::process::Signal::HUP);
    eventually("the reload is told", || all(&engine, &["type=daemon"]) == ["daemon reload"]);
    let said = attributes(&engine, &["type=daemon"]);
    assert_eq!((&said["debug"], said["name"].is_string()), (&"false".into(), true), "{said}");
}
