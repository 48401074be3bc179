//! Behaviour of the volume service on a real directory and database.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use gantry_volume::{NewVolume, VolumeError, Volumes};
use metadata::Database;
use types::ContainerId;

fn volumes() -> (tempfile::TempDir, Volumes) {
    let dir = tempfile::tempdir().unwrap();
    let database = Database::open(&dir.path().join("engine.db")).unwrap();
    let volumes = Volumes::open(dir.path().join("volumes"), database).unwrap();
    (dir, volumes)
}

fn named(name: &str) -> NewVolume {
    NewVolume { name: Some(name.parse().unwrap()), ..NewVolume::default() }
}

#[test]
fn create_is_idempotent_and_keeps_content() {
    let (_dir, volumes) = volumes();
    let (first, is_new) = volumes.create(named("data")).unwrap();
    assert!(is_new);
    std::fs::write(first.mountpoint.join("file"), "kept").unwrap();
    let (second, is_new) = volumes.create(named("data")).unwrap();
    assert!(!is_new);
    assert_eq!(first, second);
    assert_eq!(std::fs::read_to_string(second.mountpoint.join("file")).unwrap(), "kept");
}

#[test]
fn a_used_volume_is_not_removed() {
    let (_dir, volumes) = volumes();
    volumes.create(named("data")).unwrap();
    let user = ContainerId::random();
    volumes.acquire("data", &user).unwrap();
    let error = volumes.remove("data").unwrap_err();
    assert!(matches!(&error, VolumeError::InUse { users, .. } if users == &[user.to_string()]));
    assert_eq!(volumes.prune(|_| true).unwrap().removed, Vec::<String>::new());
    volumes.release(&user).unwrap();
    volumes.remove("data").unwrap();
    assert!(matches!(volumes.remove("data"), Err(VolumeError::NotFound(_))));
}

#[test]
fn prune_counts_what_it_frees() {
    let (_dir, volumes) = volumes();
    let (volume, _) = volumes.create(NewVolume::default()).unwrap();
    assert!(volume.is_anonymous);
    std::fs::write(volume.mountpoint.join("file"), [0u8; 5000]).unwrap();
    let pruned = volumes.prune(|v| v.is_anonymous).unwrap();
    assert_eq!(pruned.removed, [volume.name]);
    assert!(pruned.reclaimed_bytes >= 5000);
}

#[test]
fn reconcile_keeps_data_without_a_row() {
    let (dir, volumes) = volumes();
    let root = dir.path().join("volumes");
    std::fs::create_dir_all(root.join("empty/_data")).unwrap();
    std::fs::create_dir_all(root.join("full/_data")).unwrap();
    std::fs::write(root.join("full/_data/x"), "x").unwrap();
    assert_eq!(volumes.reconcile().unwrap(), [root.join("full")]);
    assert!(!root.join("empty").exists());
}

#[test]
fn unknown_drivers_and_options_are_refused() {
    let (_dir, volumes) = volumes();
    let driver = NewVolume { driver: "nosuch".into(), ..named("data") };
    assert!(matches!(volumes.create(driver), Err(VolumeError::Driver(_))));
    let mut option = named("data");
    option.options.insert("colour".into(), "red".into());
    assert!(matches!(volumes.create(option), Err(VolumeError::Option { .. })));
    assert!(volumes.list().unwrap().is_empty());
}
