//! Volumes and binds: content, ownership, and who keeps what alive.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, in its helpers too")]

use std::fs;

use testkit::{
    Engine, ImageTar,
    image_tar::{Owner, root},
};

const OWNED: Owner = Owner { uid: 1000, gid: 50, mode: 0o750 };

fn with_data_image() -> Engine {
    let engine = Engine::start();
    let file = Owner { mode: 0o640, ..OWNED };
    let archive = ImageTar::busybox()
        .directory("data", OWNED)
        .file("data/seed", b"seed", file)
        .directory("data/deep", root(0o700))
        .file("data/deep/more", b"more", root(0o600));
    engine.import("data", archive, &["CMD [\"sh\"]", "VOLUME /data"]);
    engine
}

#[test]
fn a_new_volume_gets_the_image_s_content_with_its_owners() {
    let engine = with_data_image();
    let list = "stat -c '%u:%g %a %n' /data /data/seed /data/deep/more; cat /data/seed";
    let listing = engine.ok(&["run", "--rm", "-v", "filled:/data", "data", "sh", "-c", list]);
    assert_eq!(listing, "1000:50 750 /data\n1000:50 640 /data/seed\n0:0 600 /data/deep/more\nseed");
    engine.ok(&[
        "run",
        "--rm",
        "-v",
        "filled:/data",
        "data",
        "sh",
        "-c",
        "echo changed > /data/seed; rm -r /data/deep",
    ]);
    let again = engine.ok(&[
        "run",
        "--rm",
        "-v",
        "filled:/data",
        "data",
        "sh",
        "-c",
        "cat /data/seed; ls /data",
    ]);
    assert_eq!(again, "changed\nseed");
    let bare = engine.ok(&[
        "run",
        "--rm",
        "--mount",
        "type=volume,source=bare,target=/data,volume-nocopy",
        "data",
        "ls",
        "/data",
    ]);
    assert_eq!(bare, "");
}

#[test]
fn read_only_means_it() {
    let engine = with_data_image();
    engine.ok(&["volume", "create", "vol"]);
    let write = engine.docker(&["run", "--rm", "-v", "vol:/data:ro", "data", "touch", "/data/x"]);
    write.fails(1, "Read-only file system");
    let dir = engine.root().join("bound");
    fs::create_dir(&dir).unwrap();
    let bind = format!("{}:/mnt:ro", dir.display());
    engine
        .docker(&["run", "--rm", "-v", &bind, "data", "touch", "/mnt/x"])
        .fails(1, "Read-only file system");
    let bind = format!("{}:/mnt", dir.display());
    engine.ok(&["run", "--rm", "-v", &bind, "data", "sh", "-c", "echo here > /mnt/x"]);
    assert_eq!(fs::read_to_string(dir.join("x")).unwrap(), "here\n");
}

#[test]
fn a_missing_bind_source_is_made_by_v_and_refused_by_mount() {
    let engine = Engine::start();
    let made = engine.root().join("made/deep");
    engine.ok(&["run", "--rm", "-v", &format!("{}:/mnt", made.display()), "busybox", "true"]);
    assert!(made.is_dir());
    let absent = engine.root().join("absent");
    let mount = format!("type=bind,source={},target=/mnt", absent.display());
    engine
        .docker(&["run", "--rm", "--mount", &mount, "busybox", "true"])
        .fails(125, "bind source path does not exist");
    assert!(!absent.exists());
    engine.assert_nothing_leaked();
}

#[test]
fn anonymous_volumes_go_with_rm_v_and_with_run_rm_and_stay_otherwise() {
    let engine = with_data_image();
    let volumes = || engine.ok(&["volume", "ls", "-q"]);
    engine.ok(&["run", "--rm", "data", "true"]);
    assert_eq!(volumes(), "");
    engine.ok(&["run", "--name", "one", "-v", "named:/other", "data", "true"]);
    assert_eq!(volumes().lines().count(), 2);
    engine.ok(&["rm", "-v", "one"]);
    assert_eq!(volumes(), "named");
    engine.ok(&["run", "--name", "two", "data", "true"]);
    engine.ok(&["rm", "two"]);
    let left = volumes();
    assert_eq!(left.lines().count(), 2);
    engine.ok(&["volume", "prune", "-f"]);
    assert_eq!(volumes(), "named", "prune takes anonymous ones only; there were {left}");
    engine.ok(&["volume", "prune", "-af"]);
    assert_eq!(volumes(), "");
}

#[test]
fn a_volume_in_use_is_kept_and_its_user_named() {
    let engine = Engine::start();
    let id = engine.ok(&["create", "-v", "vol:/data", "busybox"]);
    engine.docker(&["volume", "rm", "vol"]).fails(1, &format!("volume is in use - [{id}]"));
    engine.ok(&["volume", "prune", "-af"]);
    assert_eq!(engine.ok(&["volume", "ls", "-q"]), "vol");
    engine.ok(&["rm", "-v", &id]);
    engine.ok(&["volume", "rm", "vol"]);
    engine.docker(&["volume", "inspect", "vol"]).fails(1, "no such volume");
}

#[test]
fn volumes_from_and_tmpfs() {
    let engine = with_data_image();
    engine.ok(&["create", "--name", "owner", "data"]);
    engine.ok(&[
        "run",
        "--rm",
        "--volumes-from",
        "owner",
        "busybox",
        "sh",
        "-c",
        "echo left > /data/left",
    ]);
    assert_eq!(
        engine.ok(&["run", "--rm", "--volumes-from", "owner:ro", "busybox", "cat", "/data/left"]),
        "left"
    );
    let tmpfs = engine.ok(&[
        "run",
        "--rm",
        "--tmpfs",
        "/scratch:size=1m,mode=700",
        "busybox",
        "sh",
        "-c",
        "stat -c %a /scratch; df -k /scratch | tail -1",
    ]);
    assert!(tmpfs.starts_with("700\ntmpfs") && tmpfs.contains(" 1024 "), "{tmpfs}");
}

#[test]
fn a_part_of_a_volume_is_mounted_and_stays_inside() {
    let engine = Engine::start();
    let make = "mkdir -p /v/dir /v/bin; echo text > /v/dir/file; ln -s dir /v/in; ln -s ../../.. /v/out; ln -s /etc /v/root";
    engine.ok(&["run", "--rm", "-v", "data:/v", "busybox", "sh", "-c", make]);
    let mount = |subpath: &str, target: &str| {
        format!("type=volume,source=data,target={target},volume-subpath={subpath}")
    };
    let run = |subpath: &str, target: &str, command: &[&str]| {
        let mount = mount(subpath, target);
        let mut arguments = vec!["run", "--rm", "--mount", &mount, "busybox"];
        arguments.extend(command);
        engine.docker(&arguments)
    };
    assert_eq!(run("dir", "/v", &["cat", "/v/file"]).ok(), "text");
    assert_eq!(run("in", "/v", &["cat", "/v/file"]).ok(), "text");
    assert_eq!(run("dir/file", "/f", &["cat", "/f"]).ok(), "text");
    assert_eq!(run("bin", "/bin", &["ls", "/bin/busybox"]).ok(), "/bin/busybox");
    run("missing", "/v", &["true"]).fails(125, "cannot access path ");
    run("out", "/v", &["true"]).fails(125, "path concatenation escapes the base directory");
    run("root", "/v", &["true"]).fails(125, "path concatenation escapes the base directory");
    assert_eq!(testkit::accounting::mounts(&engine.data_root()).len(), 0);
}
