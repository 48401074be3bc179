//! A full disk under the data root: told clearly, nothing half, and well again with space.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, in its helpers too")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use testkit::{Engine, ImageTar, Options, client, image_tar::root};

/// A small file system on a temporary directory; unmounted when dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(size: &str) -> Self {
        let dir = tempfile::Builder::new().prefix("gantry-small-").tempdir().unwrap();
        let options = format!("size={size},mode=755");
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
    let before = [
        engine.data_root().join("content"),
        engine.data_root().join("snapshot"),
        engine.data_root().join("tmp"),
    ]
    .map(|dir| bytes(&dir));
    let filler = disk.fill();
    // Room for a part of it.
    fs::File::options()
        .write(true)
        .open(&filler)
        .unwrap()
        .set_len(fs::metadata(&filler).unwrap().len() - (3 << 20))
        .unwrap();
    for (what, archive) in [(["import", "-", "large"].as_slice(), &large), (&["load"], &saved)] {
        let output = engine.docker_with(what, archive);
        assert!(
            output.code != 0 && output.stderr.to_lowercase().contains("no space left"),
            "{output:?}"
        );
        assert_eq!(engine.docker(&["image", "inspect", "large"]).code, 1);
        let after = [
            engine.data_root().join("content"),
            engine.data_root().join("snapshot"),
            engine.data_root().join("tmp"),
        ]
        .map(|dir| bytes(&dir));
        assert_eq!(after, before, "{what:?} left something of what did not fit");
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
