//! What every [`Snapshotter`] does, as a test to be run by each implementation.
//!
//! Needs root: it mounts what the snapshotter describes, detached, in the way of the runtime.

use std::{
    fs,
    io::{self, Read},
    os::fd::{AsRawFd, OwnedFd},
    path::PathBuf,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use sys::overlay::{self, Overlay};
use types::{Digest, RootFilesystem};

use crate::{
    Change, ChangeKind, Key, Limits, SnapshotError, Snapshotter, Usage,
    tar::{Entry, Kind, Timestamp, Writer},
};

/// Runs the suite; `make` returns a fresh, empty snapshotter each time.
///
/// # Panics
/// When the snapshotter does not do what the contract says.
pub fn run<S: Snapshotter>(make: impl Fn() -> S) {
    a_layer_is_unpacked_once_and_removed(&make());
    an_unexpected_archive_leaves_nothing(&make());
    a_failing_source_leaves_nothing(&make());
    concurrent_unpacks_of_a_layer_are_one(&make());
    a_snapshot_shows_its_layers_and_keeps_writes(&make());
    layers_hide_what_is_below(&make());
    changes_are_those_of_docker_diff(&make());
    a_commit_shows_the_same_as_the_container(&make());
    names_are_taken_once(&make());
    a_snapshot_without_layers_is_empty(&make());
}

/// One file of a made-up layer: a path, with content, or a directory if it ends in a slash.
type Files<'a> = &'a [(&'a str, &'a str)];

fn archive(files: Files<'_>) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for (path, content) in files {
        let kind = if path.ends_with('/') { Kind::Directory } else { Kind::File };
        let entry = Entry {
            path: path.as_bytes().to_vec(),
            link: Vec::new(),
            kind,
            mode: if kind == Kind::Directory { 0o755 } else { 0o644 },
            uid: 7,
            gid: 8,
            mtime: Timestamp { seconds: 1_600_000_000, nanoseconds: 5 },
            size: content.len() as u64,
            sparse: None,
            xattrs: Vec::new(),
        };
        writer.append(&entry, &mut content.as_bytes()).expect("memory takes all");
    }
    writer.finish().expect("memory takes all")
}

fn unpack(store: &impl Snapshotter, files: Files<'_>) -> Digest {
    let archive = archive(files);
    let unpacked = store.unpack(None, &mut &archive[..], &Limits::default());
    unpacked.expect("a sound archive is unpacked").diff_id
}

fn key(text: &str) -> Key {
    text.parse().expect("the suite's keys are valid")
}

/// A root file system mounted nowhere.
struct Mounted(OwnedFd);

impl Mounted {
    fn new(root: &RootFilesystem) -> Self {
        let RootFilesystem::Overlay { lower, upper, work, is_volatile } = root else {
            panic!("the suite knows overlays only");
        };
        let (upper, work) = (upper.as_deref(), work.as_deref());
        let overlay = Overlay { lower, upper, work, is_volatile: *is_volatile };
        Self(overlay::mount(&overlay).expect("the description can be mounted"))
    }

    fn path(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}/{path}", self.0.as_raw_fd()))
    }

    fn read(&self, path: &str) -> io::Result<String> {
        fs::read_to_string(self.path(path))
    }

    fn names(&self, path: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(path)).expect("the directory is there");
        let name = |entry: io::Result<fs::DirEntry>| {
            entry.expect("it can be listed").file_name().to_string_lossy().into_owned()
        };
        let mut names: Vec<String> = entries.map(name).collect();
        names.sort();
        names
    }
}

fn a_layer_is_unpacked_once_and_removed(store: &impl Snapshotter) {
    let archive = archive(&[("dir/", ""), ("dir/file", "12345"), ("other", "678")]);
    let first = store.unpack(None, &mut &archive[..], &Limits::default()).expect("unpacks");
    assert_eq!(first.size_bytes, 8);
    assert_eq!(store.layer_size(&first.diff_id).expect("is there"), 8);
    assert_eq!(store.layers().expect("lists"), std::slice::from_ref(&first.diff_id));
    let mut unread = Counting { read: 0 };
    let again = store.unpack(Some(&first.diff_id), &mut unread, &Limits::default());
    assert_eq!(again.expect("is there"), first);
    assert_eq!(unread.read, 0, "a layer that stands is not read again");
    let second = store.unpack(None, &mut &archive[..], &Limits::default()).expect("unpacks");
    assert_eq!(second, first);
    let layers = [first.diff_id.clone()];
    store.sync(&layers).expect("syncs");
    store.sync(&layers).expect("syncs again");
    store.remove_layer(&first.diff_id).expect("removes");
    assert!(!store.contains(&first.diff_id).expect("looks"));
    let missing = store.remove_layer(&first.diff_id);
    assert!(matches!(missing, Err(SnapshotError::LayerNotFound { .. })));
    assert!(matches!(store.sync(&layers), Err(SnapshotError::LayerNotFound { .. })));
}

struct Counting {
    read: usize,
}

impl Read for Counting {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.read += 1;
        Ok(0)
    }
}

fn an_unexpected_archive_leaves_nothing(store: &impl Snapshotter) {
    let expected = content::Hasher::digest(types::digest::Algorithm::Sha256, b"else");
    let archive = archive(&[("file", "x")]);
    let error = store.unpack(Some(&expected), &mut &archive[..], &Limits::default());
    assert!(matches!(error, Err(SnapshotError::DiffIdMismatch { .. })));
    assert!(store.layers().expect("lists").is_empty());
}

fn a_failing_source_leaves_nothing(store: &impl Snapshotter) {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }
    let start = archive(&[("dir/", ""), ("dir/file", "x")]);
    let mut source = start[..1000].chain(Failing);
    let error = store.unpack(None, &mut source, &Limits::default());
    assert!(matches!(error, Err(SnapshotError::Archive(_))));
    assert!(store.layers().expect("lists").is_empty());
}

fn concurrent_unpacks_of_a_layer_are_one(store: &impl Snapshotter) {
    let archive = archive(&[("file", &"x".repeat(1 << 20))]);
    let diff_id = content::Hasher::digest(types::digest::Algorithm::Sha256, &archive);
    let readers = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut source = io::Cursor::new(&archive);
                let unpacked = store.unpack(Some(&diff_id), &mut source, &Limits::default());
                assert_eq!(unpacked.expect("unpacks").diff_id, diff_id);
                readers.fetch_add(usize::from(source.position() > 0), Ordering::Relaxed);
            });
        }
    });
    assert_eq!(readers.into_inner(), 1);
    assert_eq!(store.layers().expect("lists"), [diff_id]);
}

fn a_snapshot_shows_its_layers_and_keeps_writes(store: &impl Snapshotter) {
    let lower = unpack(store, &[("both", "lower"), ("low", "1")]);
    let upper = unpack(store, &[("both", "upper"), ("dir/", ""), ("dir/high", "2")]);
    let stack = [lower, upper];
    store.create(&key("c"), &stack).expect("creates");
    let root = store.rootfs(&key("c")).expect("describes");
    {
        let mounted = Mounted::new(&root);
        assert_eq!(mounted.read("both").expect("reads"), "upper");
        assert_eq!(mounted.read("low").expect("reads"), "1");
        fs::write(mounted.path("dir/new"), "12345").expect("writes");
        fs::hard_link(mounted.path("dir/new"), mounted.path("dir/same")).expect("links");
    }
    assert_eq!(Mounted::new(&root).read("dir/same").expect("is kept"), "12345");
    let usage = store.usage(&key("c")).expect("measures");
    assert_eq!(usage, Usage { size_bytes: 5, inodes: 2 }, "a directory and a file of two names");
    let view = Mounted::new(&store.view(&stack).expect("describes"));
    assert_eq!(view.names("dir"), ["high"], "layers are not written to");
    assert!(fs::write(view.path("x"), "").is_err());
}

fn layers_hide_what_is_below(store: &impl Snapshotter) {
    let lower = unpack(
        store,
        &[
            ("gone", ""),
            ("dir/", ""),
            ("dir/a", ""),
            ("dir/b", ""),
            ("opaque/", ""),
            ("opaque/old", ""),
            ("again/", ""),
            ("again/old", ""),
        ],
    );
    let upper = unpack(
        store,
        &[
            (".wh.gone", ""),
            ("dir/.wh.a", ""),
            ("opaque/", ""),
            ("opaque/new", ""),
            ("opaque/.wh..wh..opq", ""),
            (".wh.again", ""),
            ("again/", ""),
            ("again/new", ""),
        ],
    );
    let view = Mounted::new(&store.view(&[lower, upper]).expect("describes"));
    assert_eq!(view.names(""), ["again", "dir", "opaque"]);
    assert_eq!(view.names("dir"), ["b"]);
    assert_eq!(view.names("opaque"), ["new"]);
    assert_eq!(view.names("again"), ["new"]);
}

fn changes_are_those_of_docker_diff(store: &impl Snapshotter) {
    let layer = unpack(
        store,
        &[
            ("etc/", ""),
            ("etc/conf", "old"),
            ("etc/deep/", ""),
            ("etc/deep/er/", ""),
            ("etc/deep/er/file", "old"),
            ("rm/", ""),
            ("rm/a", ""),
            ("re/", ""),
            ("re/old", ""),
            ("re/same", ""),
        ],
    );
    store.create(&key("c"), &[layer]).expect("creates");
    assert!(store.changes(&key("c")).expect("compares").is_empty());
    {
        let mounted = Mounted::new(&store.rootfs(&key("c")).expect("describes"));
        fs::write(mounted.path("etc/deep/er/file"), "new").expect("writes");
        fs::write(mounted.path("etc/new"), "new").expect("writes");
        fs::create_dir_all(mounted.path("made/deep")).expect("makes");
        fs::remove_dir_all(mounted.path("rm")).expect("removes");
        fs::remove_dir_all(mounted.path("re")).expect("removes");
        fs::create_dir(mounted.path("re")).expect("makes");
        fs::write(mounted.path("re/same"), "").expect("writes");
    }
    use ChangeKind::{Added, Deleted, Modified};
    let expected = [
        ("/etc", Modified),
        ("/etc/deep/er/file", Modified),
        ("/etc/new", Added),
        ("/made", Added),
        ("/made/deep", Added),
        ("/re", Modified),
        ("/re/old", Deleted),
        ("/re/same", Modified),
        ("/rm", Deleted),
    ]
    .map(|(path, kind)| Change { path: path.into(), kind });
    assert_eq!(store.changes(&key("c")).expect("compares"), expected);
}

fn a_commit_shows_the_same_as_the_container(store: &impl Snapshotter) {
    let base =
        unpack(store, &[("dir/", ""), ("dir/a", "a"), ("dir/b", "b"), ("re/", ""), ("re/x", "")]);
    store.create(&key("c"), std::slice::from_ref(&base)).expect("creates");
    let mounted = Mounted::new(&store.rootfs(&key("c")).expect("describes"));
    fs::remove_file(mounted.path("dir/a")).expect("removes");
    fs::write(mounted.path("dir/b"), "changed").expect("writes");
    fs::remove_dir_all(mounted.path("re")).expect("removes");
    fs::create_dir(mounted.path("re")).expect("makes");
    let mut first = Vec::new();
    store.export_upper(&key("c"), &mut first).expect("exports");
    let top = store.unpack(None, &mut &first[..], &Limits::default()).expect("unpacks");
    let view = Mounted::new(&store.view(&[base, top.diff_id.clone()]).expect("describes"));
    for dir in ["", "dir", "re"] {
        assert_eq!(view.names(dir), mounted.names(dir));
    }
    assert_eq!(view.read("dir/b").expect("reads"), "changed");
    let mut second = Vec::new();
    store.export_layer(&top.diff_id, &mut second).expect("exports");
    assert!(first == second, "an exported layer exports to the same bytes");
}

fn names_are_taken_once(store: &impl Snapshotter) {
    let layer = unpack(store, &[("file", "")]);
    let absent = content::Hasher::digest(types::digest::Algorithm::Sha256, b"else");
    let error = store.create(&key("c"), &[layer.clone(), absent]);
    assert!(matches!(error, Err(SnapshotError::LayerNotFound { .. })));
    assert!(store.snapshots().expect("lists").is_empty());
    store.create(&key("c"), std::slice::from_ref(&layer)).expect("creates");
    let again = store.create(&key("c"), &[]);
    assert!(matches!(again, Err(SnapshotError::Exists { .. })));
    assert_eq!(store.snapshots().expect("lists"), [key("c")]);
    let too_many = vec![layer; 501];
    let error = store.create(&key("d"), &too_many);
    assert!(matches!(error, Err(SnapshotError::TooManyLayers { count: 501, .. })));
    store.remove(&key("c")).expect("removes");
    assert!(matches!(store.remove(&key("c")), Err(SnapshotError::NotFound { .. })));
    assert!(matches!(store.rootfs(&key("c")), Err(SnapshotError::NotFound { .. })));
    assert!(matches!(store.usage(&key("c")), Err(SnapshotError::NotFound { .. })));
}

fn a_snapshot_without_layers_is_empty(store: &impl Snapshotter) {
    store.create(&key("scratch"), &[]).expect("creates");
    let mounted = Mounted::new(&store.rootfs(&key("scratch")).expect("describes"));
    assert!(mounted.names("").is_empty());
    fs::write(mounted.path("file"), "x").expect("writes");
    assert!(Mounted::new(&store.view(&[]).expect("describes")).names("").is_empty());
}
