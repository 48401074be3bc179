//! What the engine tells: ps, inspect, events.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, in its helpers too")]

use testkit::Engine;

#[test]
fn ps_filters_and_formats() {
    let engine = Engine::start();
    engine.ok(&["run", "-d", "--name", "up", "--label", "tier=front", "busybox", "sleep", "1000"]);
    engine
        .docker(&["run", "--name", "down", "--label", "tier=back", "busybox", "sh", "-c", "exit 3"])
        .fails(3, "");
    engine.ok(&["create", "--name", "fresh", "-v", "vol:/data", "busybox"]);
    let names =
        |filter: &str| engine.ok(&["ps", "-a", "--filter", filter, "--format", "{{.Names}}"]);
    assert_eq!(engine.ok(&["ps", "--format", "{{.Names}}"]), "up");
    assert_eq!(engine.ok(&["ps", "-a", "--format", "{{.Names}}"]), "fresh\ndown\nup");
    assert_eq!(names("status=exited"), "down");
    assert_eq!(names("status=created"), "fresh");
    assert_eq!(names("exited=3"), "down");
    assert_eq!(names("label=tier=front"), "up");
    assert_eq!(names("label=tier"), "down\nup");
    assert_eq!(names("name=^/up$"), "up");
    assert_eq!(names("volume=vol"), "fresh");
    assert_eq!(names("ancestor=busybox"), "fresh\ndown\nup");
    assert_eq!(names("before=down"), "up");
    assert_eq!(names("since=down"), "fresh");
    assert_eq!(engine.ok(&["ps", "-l", "--format", "{{.Names}}"]), "fresh");
    assert_eq!(engine.ok(&["ps", "-n", "2", "--format", "{{.Names}}"]), "fresh\ndown");
    engine.docker(&["ps", "--filter", "nosuch=1"]).fails(1, "invalid filter 'nosuch'");
    let line = engine.ok(&[
        "ps",
        "-a",
        "--filter",
        "name=down",
        "--format",
        "{{.Image}}|{{.Command}}|{{.State}}|{{.Status}}",
    ]);
    assert!(line.starts_with("busybox|\"sh -c 'exit 3'\"|exited|Exited (3) "), "{line}");
    let sizes = engine.ok(&["ps", "-as", "--format", "{{.Size}}"]);
    assert!(sizes.contains("virtual"), "{sizes}");
}

#[test]
fn events_tell_the_story_in_order() {
    let engine = Engine::start();
    let follow = engine.docker_session(&[
        "events",
        // It may be there only after the first of them.
        "--since",
        "10m",
        "--filter",
        "container=story",
        "--format",
        "{{.Action}}",
    ]);
    engine.ok(&["create", "--name", "story", "busybox", "sleep", "1000"]);
    engine.ok(&["start", "story"]);
    engine.ok(&["pause", "story"]);
    engine.ok(&["unpause", "story"]);
    engine.ok(&["rename", "story", "tale"]);
    engine.ok(&["rename", "tale", "story"]);
    engine.ok(&["stop", "-t", "0", "story"]);
    engine.ok(&["rm", "story"]);
    follow.expect("destroy");
    let told: Vec<_> = follow.so_far().lines().map(str::to_owned).collect();
    let expected =
        ["create", "start", "pause", "unpause", "rename", "kill", "die", "stop", "destroy"];
    let mut rest = told.iter();
    for action in expected {
        assert!(rest.any(|told| told == action), "{action} in order in {told:?}");
    }
    // Clients cut relative times to whole seconds, so this one is absolute.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let until = format!("{}.{:09}", now.as_secs(), now.subsec_nanos());
    let past = engine.ok(&[
        "events",
        "--since",
        "10m",
        "--until",
        &until,
        "--filter",
        "event=die",
        "--format",
        "{{.Actor.Attributes.name}} {{.Actor.Attributes.exitCode}}",
    ]);
    assert_eq!(past, "story 137");
}

#[test]
fn inspect_tells_what_was_asked_for() {
    let engine = Engine::start();
    engine.ok(&[
        "create",
        "--name",
        "told",
        "-p",
        "127.0.0.1:0:80",
        "-e",
        "A=1",
        "--restart",
        "on-failure:3",
        "--label",
        "k=v",
        "-v",
        "vol:/data:ro",
        "--hostname",
        "called",
        "-u",
        "7:8",
        "-w",
        "/tmp",
        "busybox",
        "sleep",
        "5",
    ]);
    let tell = |template: &str| engine.inspect("told", template);
    assert_eq!(
        tell("{{.Config.Hostname}} {{.Config.User}} {{.Config.WorkingDir}} {{.Path}} {{.Args}}"),
        "called 7:8 /tmp sleep [5]"
    );
    assert_eq!(
        tell("{{.HostConfig.RestartPolicy.Name}} {{.HostConfig.RestartPolicy.MaximumRetryCount}}"),
        "on-failure 3"
    );
    assert_eq!(
        tell("{{range .Mounts}}{{.Type}} {{.Name}} {{.Destination}} {{.RW}}{{end}}"),
        "volume vol /data false"
    );
    assert_eq!(tell("{{.Config.Labels.k}} {{.Config.Image}} {{.Driver}}"), "v busybox overlay2");
    assert_eq!(tell("{{.HostConfig.NetworkMode}}"), "bridge");
    let short = &engine.ok(&["ps", "-aq"])[..6];
    assert_eq!(engine.inspect(short, "{{.Name}}"), "/told");
    assert_eq!(
        engine.ok(&["info", "--format", "{{.Containers}} {{.ContainersRunning}} {{.Images}}"]),
        "1 0 1"
    );
    let df = engine.ok(&["system", "df"]);
    assert!(df.contains("Local Volumes"), "{df}");
    let sums = engine.ok(&["system", "df", "--format", "{{.Type}} {{.TotalCount}} {{.Size}}"]);
    assert!(sums.contains("Containers 1 ") && sums.contains("Local Volumes 1 "), "{sums}");
    let images = sums.lines().find(|line| line.starts_with("Images 1 ")).unwrap_or_default();
    assert!(!images.is_empty() && !images.ends_with(" 0B"), "{sums}");
}
