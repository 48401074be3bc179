//! Images: in, out, named, unnamed, in use.

use testkit::{Engine, ImageTar, client, image_tar::root};

#[test]
fn save_and_load_keep_names_and_ids() {
    let engine = Engine::start();
    engine.ok(&["tag", "busybox", "example.test/team/tool:v1"]);
    let id = engine.inspect("busybox", "{{.Id}}");
    let saved = client::run(
        engine.command("docker", &["save", "busybox", "example.test/team/tool:v1"]),
        &[],
    );
    assert_eq!(saved.code, 0, "{saved:?}");
    engine.ok(&["rmi", "busybox", "example.test/team/tool:v1"]);
    assert_eq!(engine.ok(&["images", "-aq"]), "");
    let loaded = engine.docker_with(&["load"], &saved.stdout).ok();
    assert!(loaded.contains("Loaded image: busybox:latest"), "{loaded}");
    assert!(loaded.contains("Loaded image: example.test/team/tool:v1"), "{loaded}");
    assert_eq!(engine.inspect("example.test/team/tool:v1", "{{.Id}}"), id);
    assert_eq!(engine.ok(&["run", "--rm", "example.test/team/tool:v1", "echo", "runs"]), "runs");
}

#[test]
fn what_is_no_image_is_refused_and_leaves_nothing() {
    let engine = Engine::with(testkit::Options { has_no_image: true, ..Default::default() });
    let bad = engine.docker_with(&["load"], b"no archive at all");
    assert_ne!(bad.code, 0, "{bad:?}");
    assert_eq!(engine.ok(&["images", "-aq"]), "");
    engine
        .docker(&["run", "--rm", "--pull", "never", "absent"])
        .fails(125, "No such image: absent:latest");
    engine.docker(&["inspect", "--type", "image", "absent"]).fails(1, "No such image: absent");
}

#[test]
fn an_image_in_use_is_kept_a_name_is_not() {
    let engine = Engine::start();
    let container = engine.ok(&["create", "busybox"]);
    engine
        .docker(&["rmi", "busybox"])
        .fails(1, "conflict: unable to remove repository reference \"busybox\" (must force)");
    engine.ok(&["tag", "busybox", "other"]);
    assert_eq!(engine.ok(&["rmi", "busybox"]), "Untagged: busybox:latest");
    let id = engine.inspect("other", "{{.Id}}");
    engine.docker(&["rmi", &id]).fails(1, "conflict: unable to delete");
    engine.ok(&["start", "-a", &container]);
    engine.ok(&["rm", &container]);
    let removed = engine.ok(&["rmi", &id]);
    assert!(
        removed.contains("Untagged: other:latest") && removed.contains(&format!("Deleted: {id}")),
        "{removed}"
    );
    assert_eq!(engine.ok(&["images", "-aq"]), "");
}

#[test]
fn tagging_moves_a_name_and_leaves_a_dangling_image() {
    let engine = Engine::start();
    engine.import(
        "second",
        ImageTar::busybox().file("mark", b"2", root(0o644)),
        &["CMD [\"cat\", \"/mark\"]", "LABEL kind=second", "ENV MODE=x"],
    );
    assert_eq!(engine.ok(&["run", "--rm", "second"]), "2");
    assert_eq!(
        engine.inspect("second", "{{.Config.Labels.kind}} {{index .Config.Env 0}}"),
        "second MODE=x"
    );
    engine.ok(&["tag", "second", "busybox"]);
    assert_eq!(engine.ok(&["run", "--rm", "busybox"]), "2");
    assert_eq!(engine.ok(&["images", "-f", "dangling=true", "-q"]).lines().count(), 1);
    let labelled = engine.ok(&["images", "-f", "label=kind=second", "--format", "{{.Repository}}"]);
    let mut names: Vec<_> = labelled.lines().collect();
    names.sort_unstable();
    assert_eq!(names, ["busybox", "second"]);
    let pruned = engine.ok(&["image", "prune", "-f"]);
    assert!(pruned.contains("Total reclaimed space"), "{pruned}");
    assert_eq!(engine.ok(&["images", "-f", "dangling=true", "-q"]), "");
    let history = engine.ok(&["history", "--format", "{{.Comment}}", "second"]);
    assert!(history.contains("Imported from -"), "{history}");
}

#[test]
fn the_room_that_things_take_is_told() {
    let engine = Engine::start();
    engine.ok(&["run", "-d", "-v", "data:/data", "busybox", "sleep", "1000"]);
    engine.ok(&["run", "busybox", "sh", "-c", "dd if=/dev/zero of=/file bs=1024 count=1024"]);
    let lines =
        engine.ok(&["system", "df", "--format", "{{.Type}} {{.TotalCount}} {{.Active}} {{.Size}}"]);
    let lines: Vec<&str> = lines.lines().collect();
    assert!(lines[0].starts_with("Images 1 1 ") && !lines[0].ends_with(" 0B"), "{lines:?}");
    assert!(lines[1].starts_with("Containers 2 1 1.0"), "{lines:?}");
    assert_eq!(lines[2], "Local Volumes 1 1 0B");
    let images = engine.ok(&["system", "df", "--format", "{{.Reclaimable}}"]);
    assert_eq!(images.lines().next(), Some("0B (0%)"));
}

#[test]
fn pruning_all_leaves_an_image_in_use_its_last_name() {
    let engine = Engine::start();
    for tag in ["busybox:b", "busybox:a", "busybox:z"] {
        engine.ok(&["tag", "busybox", tag]);
    }
    engine.ok(&["create", "busybox:a", "true"]);
    let pruned = engine.ok(&["image", "prune", "-af"]);
    for gone in ["untagged: busybox:a", "untagged: busybox:b", "untagged: busybox:latest"] {
        assert!(pruned.lines().any(|line| line == gone), "{gone} is not in {pruned}");
    }
    assert_eq!(engine.ok(&["image", "ls", "--format", "{{.Repository}}:{{.Tag}}"]), "busybox:z");
}
