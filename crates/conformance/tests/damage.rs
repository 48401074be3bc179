//! Blobs that a disk or a hand has damaged: found, never served, fetched anew.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, in its helpers too")]

use std::{collections::BTreeSet, fs, os::unix::fs::FileExt, path::PathBuf};

use testkit::{Engine, Hub, ImageTar, accounting::names, image_tar::root};

/// An engine that has pulled an image of one layer from a hub.
struct Pulled {
    engine: Engine,
    hub: Hub,
    image: String,
    blob: PathBuf,
    layer: PathBuf,
}

impl Pulled {
    fn new() -> Self {
        let engine = Engine::start();
        let hub = Hub::start();
        let noise: Vec<u8> = (0..300_000u32).flat_map(u32::to_le_bytes).collect();
        let before = blobs(&engine);
        let layer = ImageTar::busybox().file("noise", &noise, root(0o644));
        engine.import("large", layer, &["CMD [\"sh\"]"]);
        let image = hub.take(&engine, "large", "large");
        engine.ok(&["rmi", "large"]);
        engine.ok(&["pull", "-q", &image]);
        let new: Vec<_> = blobs(&engine).difference(&before).cloned().collect();
        assert_eq!(new.len(), 1, "{new:?}");
        let blob = engine.data_root().join("content/blobs/sha256").join(&new[0]);
        let diff_id = engine.inspect(&image, "{{index .RootFS.Layers 0}}");
        let hex = diff_id.trim_start_matches("sha256:");
        let layer = engine.data_root().join("snapshot/layers").join(hex);
        Self { engine, hub, image, blob, layer }
    }

    fn truncate(&self) {
        let file = fs::File::options().write(true).open(&self.blob).unwrap();
        file.set_len(file.metadata().unwrap().len() / 2).unwrap();
    }

    /// Changes one byte and keeps the length.
    fn corrupt(&self) {
        let file = fs::File::options().read(true).write(true).open(&self.blob).unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, 5000).unwrap();
        file.write_all_at(&[!byte[0]], 5000).unwrap();
    }

    /// The image runs, is pulled anew, and then leaves the engine as it should.
    fn heal(&self) {
        let (engine, image) = (&self.engine, &self.image);
        let size = ["run", "--rm", image, "wc", "-c", "/noise"];
        assert_eq!(engine.ok(&size), "1200000 /noise");
        assert!(!self.blob.exists(), "the damaged blob is kept");
        let pulled = engine.ok(&["pull", image]);
        assert!(pulled.contains("Pull complete"), "{pulled}");
        assert!(self.blob.exists());
        let saved = engine.docker(&["save", image]);
        assert_eq!(saved.code, 0);
        engine.ok(&["rmi", image]);
        assert!(engine.docker_with(&["load"], &saved.stdout).ok().contains("Loaded image"));
        assert_eq!(engine.ok(&size), "1200000 /noise");
    }
}

fn blobs(engine: &Engine) -> BTreeSet<String> {
    names(&engine.data_root().join("content/blobs/sha256"))
}

#[test]
fn a_blob_that_was_cut_is_found_at_the_start() {
    let pulled = Pulled::new();
    pulled.engine.stop();
    pulled.truncate();
    pulled.engine.start_again();
    let saved = pulled.engine.docker(&["save", &pulled.image]);
    assert_ne!(saved.code, 0, "half a blob was served");
    pulled.heal();
}

#[test]
fn a_blob_that_was_cut_under_a_running_engine_does_not_stand() {
    let pulled = Pulled::new();
    pulled.truncate();
    let again = pulled.engine.ok(&["pull", &pulled.image]);
    assert!(again.contains("Pull complete"), "{again}");
    assert_eq!(pulled.engine.docker(&["save", &pulled.image]).code, 0);
}

#[test]
fn a_layer_that_is_gone_is_unpacked_again() {
    let pulled = Pulled::new();
    let engine = &pulled.engine;
    engine.ok(&["create", "--name", "made", &pulled.image, "wc", "-c", "/noise"]);
    engine.stop();
    fs::remove_dir_all(&pulled.layer).unwrap();
    engine.start_again();
    assert_eq!(engine.ok(&["start", "-a", "made"]), "1200000 /noise");
    engine.remove_all_containers();
    engine.assert_nothing_leaked();
}

#[test]
fn an_image_without_layer_and_blob_is_none_and_can_be_pulled_again() {
    let pulled = Pulled::new();
    let (engine, image) = (&pulled.engine, &pulled.image);
    engine.ok(&["create", "--name", "made", image, "wc", "-c", "/noise"]);
    engine.stop();
    fs::remove_dir_all(&pulled.layer).unwrap();
    fs::remove_file(&pulled.blob).unwrap();
    engine.start_again();
    assert_eq!(engine.docker(&["image", "inspect", image]).code, 1);
    assert_ne!(engine.docker(&["start", "-a", "made"]).code, 0);
    engine.ok(&["pull", "-q", image]);
    assert_eq!(engine.ok(&["start", "-a", "made"]), "1200000 /noise");
    engine.ok(&["rm", "made"]);
    engine.ok(&["rmi", image]);
    assert!(!pulled.blob.exists() && !pulled.layer.exists());
    engine.assert_nothing_leaked();
}

#[test]
fn a_damaged_blob_is_not_saved() {
    let pulled = Pulled::new();
    pulled.corrupt();
    let saved = pulled.engine.docker(&["save", &pulled.image]);
    assert_ne!(saved.code, 0, "a damaged blob was served");
    assert!(pulled.engine.log().contains("damaged on disk"), "{}", pulled.engine.log());
    pulled.heal();
}

#[test]
fn a_damaged_blob_is_not_pushed() {
    let pulled = Pulled::new();
    pulled.corrupt();
    let other = Hub::start();
    let target = other.repository("elsewhere");
    let engine = &pulled.engine;
    engine.ok(&["tag", &pulled.image, &target]);
    let push = other.push(engine, &target);
    assert!(push.code != 0 && push.stderr.contains("was damaged on disk"), "{push:?}");
    engine.ok(&["pull", "-q", &pulled.image]);
    assert_eq!(other.push(engine, &target).code, 0);
    engine.ok(&["rmi", &target, &pulled.image]);
    engine.ok(&["pull", "-q", &target]);
    drop(pulled.hub);
}
