//! The store on a real disk.

#![allow(clippy::unwrap_used, reason = "a test may end in a panic")]

use std::{
    fs::{self, File},
    io::{Read, Write},
    os::{fd::AsFd, unix::fs::PermissionsExt},
    path::Path,
    process::Command,
    sync::{
        Barrier,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use gantry_content::{ContentError, Hasher, Options, Store};
use proptest::prelude::*;
use types::{Classify, Digest, ErrorKind, digest::Algorithm};

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    (dir, store)
}

fn sha256(bytes: &[u8]) -> Digest {
    Hasher::digest(Algorithm::Sha256, bytes)
}

fn is_empty(dir: &Path) -> bool {
    fs::read_dir(dir).unwrap().next().is_none()
}

#[test]
fn a_blob_is_written_verified_listed_read_and_deleted() {
    let (dir, store) = store();
    let digest = sha256(b"hello world");
    let mut ingest = store.ingest("layer-1").unwrap();
    ingest.write_all(b"hello ").unwrap();
    ingest.write_all(b"world").unwrap();
    assert!(!store.contains(&digest).unwrap());
    ingest.commit(&digest, Some(11)).unwrap();
    assert!(store.contains(&digest).unwrap());
    assert_eq!(store.size(&digest).unwrap(), 11);
    assert_eq!(store.read(&digest, 11).unwrap(), b"hello world");
    assert_eq!(store.verify(&digest).unwrap(), 11);
    let mut text = String::new();
    store.open_blob(&digest).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "hello world");
    assert_eq!(store.digests().unwrap(), std::slice::from_ref(&digest));
    assert!(is_empty(&dir.path().join("ingest")));
    let path = dir.path().join("blobs/sha256").join(digest.hex());
    assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o7777, 0o444);
    store.delete(&digest).unwrap();
    assert_eq!(store.delete(&digest).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(store.open_blob(&digest).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(store.size(&digest).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn blobs_by_sha512_are_kept_apart() {
    let (_dir, store) = store();
    let digest = Hasher::digest(Algorithm::Sha512, b"abc");
    let mut ingest = store.ingest("k").unwrap();
    ingest.write_all(b"abc").unwrap();
    ingest.commit(&digest, None).unwrap();
    assert_eq!(store.read(&digest, 3).unwrap(), b"abc");
    assert_eq!(store.put(b"abc").unwrap(), sha256(b"abc"));
    assert_eq!(store.put(b"abc").unwrap(), sha256(b"abc"));
    assert_eq!(store.digests().unwrap().len(), 2);
}

#[test]
fn an_ingest_is_resumed_where_it_stopped_also_by_another_store() {
    let (dir, store) = store();
    let mut ingest = store.ingest("some key/with: characters").unwrap();
    ingest.write_all(b"first ").unwrap();
    drop(ingest);
    let listed = store.ingests().unwrap();
    assert_eq!((listed[0].key.as_str(), listed[0].offset), ("some key/with: characters", 6));
    drop(store);
    let store = Store::open(dir.path()).unwrap();
    let mut ingest = store.ingest("some key/with: characters").unwrap();
    assert_eq!(ingest.offset(), 6);
    ingest.write_all(b"second").unwrap();
    ingest.commit(&sha256(b"first second"), Some(12)).unwrap();
    assert!(store.ingests().unwrap().is_empty());
}

#[test]
fn an_ingest_has_one_writer_until_it_is_dropped() {
    let (dir, store) = store();
    let ingest = store.ingest("k").unwrap();
    assert!(matches!(store.ingest("k"), Err(ContentError::Locked { .. })));
    let other = Store::open(dir.path()).unwrap();
    assert_eq!(other.ingest("k").unwrap_err().kind(), ErrorKind::Conflict);
    assert!(other.ingest("l").is_ok());
    drop(ingest);
    assert!(other.ingest("k").is_ok());
}

#[test]
fn wrong_bytes_are_refused_and_removed() {
    let (dir, store) = store();
    let mut ingest = store.ingest("k").unwrap();
    ingest.write_all(b"evil").unwrap();
    let error = ingest.commit(&sha256(b"good"), Some(4)).unwrap_err();
    assert!(matches!(error, ContentError::DigestMismatch { .. }));
    assert_eq!(error.kind(), ErrorKind::DataLoss);
    assert!(is_empty(&dir.path().join("ingest")));
    assert!(store.blobs().unwrap().is_empty());
}

#[test]
fn too_few_bytes_stay_to_be_resumed_and_too_many_are_removed() {
    let (dir, store) = store();
    let digest = sha256(b"good");
    let mut ingest = store.ingest("k").unwrap();
    ingest.write_all(b"goo").unwrap();
    let error = ingest.commit(&digest, Some(4)).unwrap_err();
    assert!(matches!(error, ContentError::SizeMismatch { actual_bytes: 3, .. }));
    let mut ingest = store.ingest("k").unwrap();
    assert_eq!(ingest.offset(), 3);
    ingest.write_all(b"d!").unwrap();
    assert!(ingest.commit(&digest, Some(4)).is_err());
    assert!(is_empty(&dir.path().join("ingest")));
}

#[test]
fn restart_and_abort_throw_away_what_there_is() {
    let (dir, store) = store();
    let mut ingest = store.ingest("k").unwrap();
    ingest.write_all(b"wrong").unwrap();
    ingest.restart().unwrap();
    assert_eq!(ingest.offset(), 0);
    ingest.write_all(b"right").unwrap();
    ingest.commit(&sha256(b"right"), Some(5)).unwrap();
    let mut ingest = store.ingest("k").unwrap();
    ingest.write_all(b"x").unwrap();
    ingest.abort().unwrap();
    assert!(is_empty(&dir.path().join("ingest")));
}

#[test]
fn bounds_hold_for_ingests_keys_and_reads() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { max_blob_bytes: 10, ..Options::default() };
    let store = Store::open_with(dir.path(), options).unwrap();
    let mut ingest = store.ingest("k").unwrap();
    ingest.limit(100);
    ingest.write_all(&[0; 10]).unwrap();
    assert!(ingest.write_all(&[0]).is_err());
    assert_eq!(ingest.offset(), 10);
    ingest.commit(&sha256(&[0; 10]), None).unwrap();
    let error = store.read(&sha256(&[0; 10]), 9).unwrap_err();
    assert!(matches!(error, ContentError::TooLarge { limit_bytes: 9, .. }));
    assert!(store.put(&[0; 11]).is_err());
    assert!(is_empty(&dir.path().join("ingest")));
    assert!(store.ingest(&"k".repeat(5000)).is_err());
}

#[test]
fn a_damaged_blob_is_noticed_and_healed_by_a_new_commit() {
    let (dir, store) = store();
    let digest = store.put(b"precious").unwrap();
    let path = dir.path().join("blobs/sha256").join(digest.hex());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&path, b"pretious").unwrap();
    assert_eq!(store.read(&digest, 100).unwrap_err().kind(), ErrorKind::DataLoss);
    assert!(matches!(store.verify(&digest), Err(ContentError::DigestMismatch { .. })));
    let mut ingest = store.ingest("again").unwrap();
    ingest.write_all(b"precious").unwrap();
    ingest.commit(&digest, Some(8)).unwrap();
    assert_eq!(store.read(&digest, 100).unwrap(), b"precious");
}

#[test]
fn stale_ingests_are_removed_unless_somebody_writes_them() {
    let (dir, store) = store();
    for key in ["old", "busy", "fresh"] {
        store.ingest(key).unwrap().write_all(b"x").unwrap();
    }
    for key in ["old", "busy"] {
        let name = sha256(key.as_bytes());
        let data = File::open(dir.path().join("ingest").join(name.hex()).join("data")).unwrap();
        data.set_modified(std::time::SystemTime::now() - Duration::from_secs(7200)).unwrap();
    }
    let busy = store.ingest("busy").unwrap();
    let removed = store.remove_stale_ingests(Duration::from_secs(3600)).unwrap();
    assert_eq!(removed, ["old"]);
    drop(busy);
    let keys: Vec<String> = store.ingests().unwrap().into_iter().map(|i| i.key).collect();
    assert_eq!(keys, ["busy", "fresh"]);
}

#[test]
fn racing_writers_of_one_key_never_mix_their_bytes() {
    let (dir, store) = store();
    let start = Barrier::new(8);
    let commits = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                start.wait();
                for round in 0..50_u32 {
                    let Ok(mut ingest) = store.ingest("shared") else { continue };
                    ingest.restart().unwrap();
                    let bytes = round.to_le_bytes().repeat(64);
                    ingest.write_all(&bytes).unwrap();
                    ingest.commit(&sha256(&bytes), Some(256)).unwrap();
                    commits.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert!(commits.into_inner() > 0);
    for digest in store.digests().unwrap() {
        assert_eq!(store.verify(&digest).unwrap(), 256);
    }
    store.remove_stale_ingests(Duration::ZERO).unwrap();
    assert!(is_empty(&dir.path().join("ingest")));
}

/// A small file system of its own, gone with the value.
struct SmallDisk {
    dir: tempfile::TempDir,
}

impl SmallDisk {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mount = ["-t", "tmpfs", "-o", "size=256k", "tmpfs"];
        assert!(Command::new("mount").args(mount).arg(dir.path()).status().unwrap().success());
        Self { dir }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(self.dir.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()) || thread::panicking());
    }
}

#[test]
fn a_full_disk_gives_the_space_back() {
    let disk = SmallDisk::new();
    let store = Store::open(disk.dir.path()).unwrap();
    let mut ingest = store.ingest("big").unwrap();
    let error = ingest.write_all(&vec![1; 1 << 20]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    drop(ingest);
    assert!(is_empty(&disk.dir.path().join("ingest")));
    assert_eq!(store.put(&vec![1; 1 << 20]).unwrap_err().kind(), ErrorKind::Unavailable);
    assert!(is_empty(&disk.dir.path().join("ingest")));
    store.put(&vec![1; 100 << 10]).unwrap();
    let root = File::open(disk.dir.path()).unwrap();
    assert!(rustix::fs::fstatvfs(root.as_fd()).unwrap().f_bfree > 0);
}

#[test]
fn a_killed_writer_leaves_a_resumable_ingest() {
    // A child process of this test takes the lock, writes, and dies without unwinding.
    if let Ok(root) = std::env::var("GANTRY_CONTENT_TEST_ROOT") {
        let store = Store::open(root).unwrap();
        let mut ingest = store.ingest("killed").unwrap();
        ingest.write_all(b"before ").unwrap();
        std::process::abort();
    }
    let (dir, store) = store();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_killed_writer_leaves_a_resumable_ingest"])
        .env("GANTRY_CONTENT_TEST_ROOT", dir.path())
        .output()
        .unwrap()
        .status;
    assert!(!status.success());
    let mut ingest = store.ingest("killed").unwrap();
    assert_eq!(ingest.offset(), 7);
    ingest.write_all(b"after").unwrap();
    ingest.commit(&sha256(b"before after"), Some(12)).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn any_bytes_in_any_pieces_with_any_resumes_are_kept(
        pieces in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..300), any::<bool>()), 0..12),
        key in "\\PC{0,40}",
    ) {
        let (_dir, store) = store();
        let all: Vec<u8> = pieces.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
        let mut ingest = store.ingest(&key).unwrap();
        for (bytes, resumes) in &pieces {
            ingest.write_all(bytes).unwrap();
            if *resumes {
                let offset = ingest.offset();
                drop(ingest);
                ingest = store.ingest(&key).unwrap();
                prop_assert_eq!(ingest.offset(), offset);
            }
        }
        ingest.commit(&sha256(&all), Some(all.len() as u64)).unwrap();
        prop_assert_eq!(store.read(&sha256(&all), u64::MAX).unwrap(), all);
    }
}
