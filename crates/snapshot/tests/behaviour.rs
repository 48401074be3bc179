//! The behaviour suite, run by the overlay snapshotter, and what is particular to it.

use std::{
    cell::RefCell,
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
};

use gantry_snapshot::{Key, Limits, OverlaySnapshotter, SnapshotError, Snapshotter};

const EMPTY: [u8; 1024] = [0; 1024];

#[test]
fn overlay_keeps_the_contract() {
    let dirs = RefCell::new(Vec::new());
    gantry_snapshot::testsuite::run(|| {
        let dir = tempfile::tempdir().unwrap();
        let store = OverlaySnapshotter::open(dir.path()).unwrap();
        dirs.borrow_mut().push(dir);
        store
    });
    for dir in dirs.borrow().iter() {
        for part in ["layers", "rw"] {
            let unfinished = fs::read_dir(dir.path().join(part))
                .unwrap()
                .filter(|entry| {
                    entry.as_ref().unwrap().file_name().to_str().unwrap().starts_with('.')
                })
                .count();
            assert_eq!(unfinished, 0, "nothing unfinished is left in {part}");
        }
    }
}

#[test]
fn opening_sweeps_unfinished_and_untrusted_layers_but_keeps_synced_ones() {
    let dir = tempfile::tempdir().unwrap();
    let layers = dir.path().join("layers");
    let (synced, current, old);
    {
        let store = OverlaySnapshotter::open(dir.path()).unwrap();
        let unpack = |size: usize| {
            let archive = vec![0; size];
            store.unpack(None, &mut &archive[..], &Limits::default()).unwrap().diff_id
        };
        (synced, current, old) = (unpack(1024), unpack(2048), unpack(4096));
        store.sync(std::slice::from_ref(&synced)).unwrap();
    }
    for diff_id in [&synced, &old] {
        let record = layers.join(diff_id.hex()).join("record");
        fs::write(record, "gantry-layer 1\nsize_bytes 0\nboot another\n").unwrap();
    }
    fs::create_dir_all(layers.join(".tmp-1-1/diff/x")).unwrap();
    fs::create_dir_all(dir.path().join("rw/.tmp-1-1/upper")).unwrap();
    let store = OverlaySnapshotter::open(dir.path()).unwrap();
    let mut expected = [synced, current];
    expected.sort();
    assert_eq!(store.layers().unwrap(), expected);
    assert_eq!(fs::read_dir(&layers).unwrap().count(), 2);
    assert!(store.snapshots().unwrap().is_empty());
    assert_eq!(fs::read_dir(dir.path().join("rw")).unwrap().count(), 0);
}

#[test]
fn a_second_process_does_not_sweep_what_the_first_is_unpacking() {
    let dir = tempfile::tempdir().unwrap();
    let first = OverlaySnapshotter::open(dir.path()).unwrap();
    let unfinished = dir.path().join("layers/.tmp-1-1");
    fs::create_dir(&unfinished).unwrap();
    let second = OverlaySnapshotter::open(dir.path()).unwrap();
    assert!(unfinished.exists());
    drop((first, second));
    OverlaySnapshotter::open(dir.path()).unwrap();
    assert!(!unfinished.exists());
}

#[test]
fn a_damaged_record_of_layers_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    let store = OverlaySnapshotter::open(dir.path()).unwrap();
    let key: Key = "c".parse().unwrap();
    store.create(&key, &[]).unwrap();
    fs::write(dir.path().join("rw/c/layers"), "\0\0\0").unwrap();
    assert!(matches!(store.rootfs(&key), Err(SnapshotError::Damaged { .. })));
    store.remove(&key).unwrap();
}

#[test]
fn the_root_of_a_snapshot_has_the_owner_and_mode_of_its_topmost_layer() {
    let dir = tempfile::tempdir().unwrap();
    let store = OverlaySnapshotter::open(dir.path()).unwrap();
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(tar::EntryType::Directory);
    header.set_mode(0o1770);
    header.set_uid(12);
    header.set_gid(34);
    header.set_mtime(1);
    header.set_size(0);
    builder.append_data(&mut header, "./", &[][..]).unwrap();
    let archive = builder.into_inner().unwrap();
    let layer = store.unpack(None, &mut &archive[..], &Limits::default()).unwrap();
    let diff = fs::metadata(dir.path().join("layers").join(layer.diff_id.hex()).join("diff"));
    assert_eq!(diff.unwrap().mtime(), 1);
    let key: Key = "c".parse().unwrap();
    store.create(&key, &[layer.diff_id]).unwrap();
    let upper = fs::metadata(dir.path().join("rw/c/upper")).unwrap();
    assert_eq!((upper.uid(), upper.gid(), upper.permissions().mode() & 0o7777), (12, 34, 0o1770));
    let empty = store.unpack(None, &mut &EMPTY[..], &Limits::default()).unwrap();
    assert_eq!(empty.size_bytes, 0);
}
