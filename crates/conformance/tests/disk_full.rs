//! A full disk under the data root: told clearly, nothing half, and well again with space.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, in its helpers too")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use testkit::{
    Engine, Hub, ImageTar, Options, Output, accounting::names, client, eventually, image_tar::root,
    process,
};

/// A small file system on a temporary directory; unmounted when dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(size: &str) -> Self {
        let dir = tempfile::Builder::new().prefix("gantry-small-").tempdir().unwrap();
        let options = format!("size={size},nr_inodes=4000,mode=755");
        let status = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(dir.path())
            .status();
        assert!(status.unwrap().success());
        Self(dir)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Fills what is free; the file is the space to give back.
    fn fill(&self) -> PathBuf {
        let path = self.path().join("filler");
        let mut file = fs::File::create(&path).unwrap();
        let block = vec![1; 4096];
        while std::io::Write::write_all(&mut file, &block).is_ok() {}
        path
    }

    /// Fills it up to a few bytes.
    fn fill_but(&self, bytes: u64) -> PathBuf {
        let filler = self.fill();
        let file = fs::File::options().write(true).open(&filler).unwrap();
        file.set_len(file.metadata().unwrap().len() - bytes).unwrap();
        filler
    }

    /// Takes every inode that is free; the directory is what to give back.
    fn take_inodes(&self) -> PathBuf {
        let dir = self.path().join("inodes");
        fs::create_dir(&dir).unwrap();
        for number in 0.. {
            if fs::File::create(dir.join(number.to_string())).is_err() {
                break;
            }
        }
        dir
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let status = Command::new("umount").arg(self.path()).status();
        assert!(status.unwrap().success(), "{} stays mounted", self.path().display());
    }
}

/// Bytes of regular files below a directory.
fn bytes(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => bytes(&entry.path()),
        Ok(meta) => meta.len(),
        Err(_) => 0,
    };
    entries.map(size).sum()
}

/// Bytes of blobs, layers and spool files.
fn stored(engine: &Engine) -> [u64; 3] {
    ["content", "snapshot", "tmp"].map(|dir| bytes(&engine.data_root().join(dir)))
}

#[track_caller]
fn assert_says_full(output: &Output) {
    let text = output.stderr.to_lowercase();
    assert!(output.code != 0 && text.contains("no space left"), "{output:?}");
}

fn noise(size: usize) -> Vec<u8> {
    let mut random = testkit::Random::announced();
    (0..size).map(|_| u8::try_from(random.below(256)).unwrap()).collect()
}

fn engine_on(disk: &SmallDisk) -> Engine {
    Engine::with(Options { data_root: Some(disk.path().join("data")), ..Options::default() })
}

#[test]
fn an_import_and_a_load_that_do_not_fit_leave_nothing() {
    let disk = SmallDisk::mount("48m");
    let engine = engine_on(&disk);
    let large = ImageTar::busybox().file("noise", &noise(8 << 20), root(0o644)).bytes();
    let saved = {
        let _id = engine.docker_with(&["import", "-", "large"], &large).ok();
        let saved = client::run(engine.command("docker", &["save", "large"]), &[]);
        engine.ok(&["rmi", "large"]);
        saved.stdout
    };
    let before = stored(&engine);
    // Room for a part of it.
    let filler = disk.fill_but(3 << 20);
    for (what, archive) in [(["import", "-", "large"].as_slice(), &large), (&["load"], &saved)] {
        let output = engine.docker_with(what, archive);
        assert_says_full(&output);
        assert_eq!(engine.docker(&["image", "inspect", "large"]).code, 1);
        assert_eq!(stored(&engine), before, "{what:?} left something of what did not fit");
    }
    fs::remove_file(filler).unwrap();
    let load = engine.docker_with(&["load"], &saved);
    assert!(load.ok().contains("Loaded image"), "{load:?}");
    assert_eq!(engine.ok(&["run", "--rm", "large", "echo", "well"]), "well");
    engine.assert_nothing_leaked();
    drop(engine);
}

#[test]
fn containers_on_a_full_disk_fail_clearly_and_work_again_with_space() {
    let disk = SmallDisk::mount("32m");
    let engine = engine_on(&disk);
    engine.ok(&["run", "-d", "--name", "before", "busybox", "sleep", "1000"]);
    engine.ok(&[
        "run",
        "-d",
        "--name",
        "talker",
        "busybox",
        "sh",
        "-c",
        "while :; do echo 0123456789; done",
    ]);
    engine.ok(&["create", "--name", "made", "busybox", "echo", "started"]);
    let filler = disk.fill();
    let run = engine.docker(&["run", "--rm", "--name", "during", "busybox", "true"]);
    // The rows may still fit into pages that are there; what counts is a true answer.
    if run.code != 0 {
        let text = run.stderr.to_lowercase();
        assert!(text.contains("no space left") || text.contains("full"), "{run:?}");
    }
    let start = engine.docker(&["start", "-a", "made"]);
    if start.code != 0 {
        let text = start.stderr.to_lowercase();
        assert!(text.contains("no space left") || text.contains("full"), "{start:?}");
    }
    assert_eq!(engine.inspect("before", "{{.State.Status}}"), "running");
    assert_eq!(engine.inspect("talker", "{{.State.Status}}"), "running");
    let removal = engine.docker(&["rm", "-f", "talker"]);
    fs::remove_file(filler).unwrap();
    if removal.code != 0 {
        engine.ok(&["rm", "-f", "talker"]);
    }
    assert_eq!(engine.ok(&["run", "--rm", "busybox", "echo", "well"]), "well");
    assert_eq!(engine.ok(&["start", "-a", "made"]), "started");
    engine.remove_all_containers();
    engine.assert_nothing_leaked();
    drop(engine);
}

#[test]
fn a_pull_that_does_not_fit_gives_the_space_back() {
    let disk = SmallDisk::mount("64m");
    let engine = engine_on(&disk);
    let hub = Hub::start();
    let large = ImageTar::busybox().file("noise", &noise(8 << 20), root(0o644));
    engine.import("large", large, &["CMD [\"sh\"]"]);
    let remote = hub.take(&engine, "large", "large");
    engine.ok(&["rmi", "large"]);
    let before = stored(&engine);
    // Not even the blob, and the blob but not the layer.
    for free in [3 << 20, 12 << 20] {
        let filler = disk.fill_but(free);
        assert_says_full(&engine.docker(&["pull", &remote]));
        assert_eq!(engine.docker(&["image", "inspect", &remote]).code, 1);
        assert_eq!(stored(&engine), before, "{free} bytes were free");
        assert!(names(&engine.data_root().join("content/ingest")).is_empty());
        // With nothing at all left it still answers.
        fs::remove_file(filler).unwrap();
        let filler = disk.fill();
        assert_says_full(&engine.docker(&["pull", &remote]));
        engine.ok(&["ps"]);
        fs::remove_file(filler).unwrap();
    }
    engine.ok(&["pull", &remote]);
    assert_eq!(
        engine.ok(&["run", "--rm", &remote, "wc", "-c", "/noise"]),
        format!("{} /noise", 8 << 20)
    );
    engine.assert_nothing_leaked();
    drop(engine);
}

#[test]
fn a_commit_that_does_not_fit_leaves_nothing() {
    let disk = SmallDisk::mount("64m");
    let engine = engine_on(&disk);
    let write = "head -c 8000000 /dev/urandom > /noise";
    engine.ok(&["run", "--name", "writer", "busybox", "sh", "-c", write]);
    let before = stored(&engine);
    let filler = disk.fill_but(3 << 20);
    assert_says_full(&engine.docker(&["commit", "writer", "written"]));
    assert_eq!(engine.docker(&["image", "inspect", "written"]).code, 1);
    assert_eq!(stored(&engine), before);
    fs::remove_file(filler).unwrap();
    engine.ok(&["commit", "writer", "written"]);
    assert_eq!(engine.ok(&["run", "--rm", "written", "wc", "-c", "/noise"]), "8000000 /noise");
    engine.remove_all_containers();
    engine.assert_nothing_leaked();
    drop(engine);
}

#[test]
fn without_inodes_nothing_is_made_and_nothing_is_left() {
    let disk = SmallDisk::mount("32m");
    let engine = engine_on(&disk);
    engine.ok(&["create", "--name", "made", "busybox", "echo", "started"]);
    let taken = disk.take_inodes();
    for run in [
        ["run", "--name", "during", "busybox", "true"].as_slice(),
        &["run", "--rm", "-v", "/data", "busybox", "true"],
        &["run", "-d", "-v", "named:/data", "-p", "127.0.0.1::80", "busybox", "sleep", "9"],
        &["start", "-a", "made"],
        &["volume", "create", "another"],
    ] {
        assert_says_full(&engine.docker(run));
    }
    assert_eq!(engine.ok(&["ps", "-a", "--format", "{{.Names}}"]), "made");
    assert_eq!(engine.ok(&["volume", "ls", "-q"]), "");
    fs::remove_dir_all(taken).unwrap();
    assert_eq!(engine.ok(&["start", "-a", "made"]), "started");
    assert_eq!(engine.ok(&["run", "--rm", "-v", "/data", "busybox", "echo", "well"]), "well");
    engine.remove_all_containers();
    engine.assert_nothing_leaked();
    drop(engine);
}

#[test]
fn logs_that_do_not_fit_do_not_stop_the_container_and_go_on_with_space() {
    let disk = SmallDisk::mount("32m");
    let engine = engine_on(&disk);
    let count = "i=0; while :; do i=$((i+1)); echo line $i; usleep 2000; done";
    engine.ok(&["run", "-d", "--name", "talker", "busybox", "sh", "-c", count]);
    let last = || -> u64 {
        let lines = engine.ok(&["logs", "--tail", "1", "talker"]);
        lines.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
    };
    eventually("it talks", || last() > 10);
    let pid = engine.inspect("talker", "{{.State.Pid}}").parse().unwrap();
    let filler = disk.fill();
    // A block of the log may still have room; then no line can be added.
    let mut stuck = (0, 0);
    eventually("the log is full", || {
        let now = last();
        stuck = if stuck.0 == now { (now, stuck.1 + 1) } else { (now, 0) };
        stuck.1 > 5
    });
    assert!(process::is_alive(pid));
    assert_eq!(engine.inspect("talker", "{{.State.Status}}"), "running");
    fs::remove_file(filler).unwrap();
    eventually("the log goes on", || last() > stuck.0 + 10);
    let bad = engine.ok(&["logs", "talker"]);
    let bad: Vec<_> = bad.lines().filter(|line| !line.starts_with("line ")).collect();
    assert!(bad.is_empty(), "{bad:?}");
    assert!(process::is_alive(pid));
    engine.ok(&["rm", "-f", "talker"]);
    engine.assert_nothing_leaked();
    drop(engine);
}
