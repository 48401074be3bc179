//! What archives can say, and that it arrives.

use std::{
    fs,
    os::unix::fs::{FileTypeExt, MetadataExt},
    process::Command,
};

use gantry_snapshot::Snapshotter;
use tar::EntryType;

use crate::support::{Archive, Store, describe, xattrs};

/// A v2 file capability: `cap_net_bind_service=ep`.
const CAPABILITY: [u8; 20] = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// One of everything.
fn everything() -> Vec<u8> {
    let long_name = "directory/".repeat(30) + &"n".repeat(200);
    let long_target = "../".repeat(60) + "target";
    Archive::default()
        .pax(&[("mtime", b"1234567890.123456789"), ("SCHILY.xattr.user.d", b"dir")])
        .with(EntryType::Directory, "dir/", "", b"", |header| {
            header.set_mode(0o3775);
            header.set_uid(1);
            header.set_gid(2);
        })
        .pax(&[
            ("uid", b"3000000000"),
            ("gid", b"4000000000"),
            ("mtime", b"-5.25"),
            ("SCHILY.xattr.user.a", b"b\0c\n=d"),
            ("SCHILY.xattr.user.empty", b""),
            ("SCHILY.xattr.trusted.t", b"t"),
            ("SCHILY.xattr.security.capability", &CAPABILITY),
        ])
        .with(EntryType::Regular, "dir/file", "", b"content", |header| header.set_mode(0o6755))
        .link("dir/hard", "dir/file")
        .link("hard-above", "./dir/hard")
        .symlink("link", "/no/where")
        .device(EntryType::Char, "dir/null", (1, 3))
        .device(EntryType::Block, "dir/disk", (259, 1_048_575))
        .entry(EntryType::Fifo, "pipe", "", b"")
        .pax(&[("path", long_name.as_bytes()), ("linkpath", long_target.as_bytes())])
        .symlink("short", "short")
        .file("gone/.wh.below", "")
        .dir("opaque/")
        .file("opaque/.wh..wh..opq", "")
        .file("empty", "")
        .file("large", &"large ".repeat(300_000))
        .end()
}

#[test]
fn everything_arrives_as_it_is_said() {
    let store = Store::new();
    let diff = store.diff(&everything());
    let dir = fs::metadata(diff.join("dir")).unwrap();
    assert_eq!((dir.mode(), dir.uid(), dir.gid()), (0o043_775, 1, 2));
    assert_eq!((dir.mtime(), dir.mtime_nsec()), (1_234_567_890, 123_456_789));
    let file = fs::metadata(diff.join("dir/file")).unwrap();
    assert_eq!((file.mode(), file.uid(), file.gid()), (0o106_755, 3_000_000_000, 4_000_000_000));
    assert_eq!((file.mtime(), file.mtime_nsec(), file.nlink()), (-6, 750_000_000, 3));
    let expected: [(&[u8], &[u8]); 4] = [
        (b"security.capability", &CAPABILITY),
        (b"trusted.t", b"t"),
        (b"user.a", b"b\0c\n=d"),
        (b"user.empty", b""),
    ];
    let expected = expected.map(|(name, value)| (name.to_vec(), value.to_vec()));
    assert_eq!(xattrs(&diff.join("dir/file")), expected);
    assert_eq!(fs::metadata(diff.join("hard-above")).unwrap().ino(), file.ino());
    assert_eq!(fs::read_link(diff.join("link")).unwrap().to_str(), Some("/no/where"));
    let null = fs::metadata(diff.join("dir/null")).unwrap();
    assert!(null.file_type().is_char_device());
    assert_eq!(null.rdev(), rustix::fs::makedev(1, 3));
    let disk = fs::metadata(diff.join("dir/disk")).unwrap();
    assert_eq!(disk.rdev(), rustix::fs::makedev(259, 1_048_575));
    assert!(fs::metadata(diff.join("pipe")).unwrap().file_type().is_fifo());
    let whiteout = fs::symlink_metadata(diff.join("gone/below")).unwrap();
    assert!(whiteout.file_type().is_char_device() && whiteout.rdev() == 0);
    assert_eq!(fs::metadata(diff.join("gone")).unwrap().mode() & 0o7777, 0o755);
    assert_eq!(xattrs(&diff.join("opaque"))[0].0, b"trusted.overlay.opaque");
    assert_eq!(fs::metadata(diff.join("large")).unwrap().len(), 1_800_000);
}

#[test]
fn unpacking_what_was_exported_gives_the_same_files() {
    let store = Store::new();
    let first = store.unpack(&everything()).unwrap();
    let mut exported = Vec::new();
    store.store.export_layer(&first.diff_id, &mut exported).unwrap();
    let second = store.unpack(&exported).unwrap();
    assert_ne!(first.diff_id, second.diff_id);
    assert_eq!(first.size_bytes, second.size_bytes);
    let path = |hex: &str| store.path().join("layers").join(hex).join("diff");
    let (mut before, mut after) =
        (describe(&path(first.diff_id.hex())), describe(&path(second.diff_id.hex())));
    for made_up in ["gone", &"directory/".repeat(30)] {
        // Parents that the first archive did not mention have the time of its unpacking, which
        // goes into the second with everything else.
        let is_made_up = |path: &std::path::Path| std::path::Path::new(made_up).starts_with(path);
        before.iter_mut().filter(|f| is_made_up(&f.path)).for_each(|f| f.mtime = (0, 0));
        after.iter_mut().filter(|f| is_made_up(&f.path)).for_each(|f| f.mtime = (0, 0));
    }
    assert!(before.len() > 40, "{}", before.len());
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before, after);
    }
    assert_eq!(before.len(), after.len());
    let mut again = Vec::new();
    store.store.export_layer(&second.diff_id, &mut again).unwrap();
    assert!(exported == again, "an export of the same files has the same bytes");
}

#[test]
fn of_entries_with_one_path_the_later_wins() {
    let store = Store::new();
    let archive = Archive::default()
        .file("a", "first, and longer")
        .file("a", "second")
        .dir("dir-to-file/")
        .file("dir-to-file/below", "12345")
        .file("dir-to-file", "file")
        .file("file-to-dir", "1234567")
        .dir("file-to-dir/")
        .file("file-to-dir/below", "x")
        .symlink("link-to-dir", "dir")
        .dir("dir/")
        .dir("link-to-dir/")
        .file("link-to-dir/below", "y")
        .dir("stays/")
        .file("stays/below", "z")
        .with(EntryType::Directory, "stays/", "", b"", |header| header.set_mode(0o700))
        .end();
    let unpacked = store.unpack(&archive).unwrap();
    assert_eq!(unpacked.size_bytes, 6 + 4 + 1 + 1 + 1, "what was replaced is not counted");
    let diff = store.path().join("layers").join(unpacked.diff_id.hex()).join("diff");
    let read = |path: &str| fs::read_to_string(diff.join(path)).unwrap();
    assert_eq!(read("a"), "second");
    assert_eq!(read("dir-to-file"), "file");
    assert_eq!(read("file-to-dir/below"), "x");
    assert_eq!(read("stays/below"), "z");
    assert_eq!(fs::metadata(diff.join("stays")).unwrap().mode() & 0o7777, 0o700);
    assert!(fs::symlink_metadata(diff.join("link-to-dir")).unwrap().is_dir());
    assert_eq!(fs::read_dir(diff.join("dir")).unwrap().count(), 0);
}

#[test]
fn a_whiteout_and_a_file_of_one_layer_do_not_meet() {
    let store = Store::new();
    let archive = Archive::default()
        .file(".wh.file", "")
        .file("file", "new")
        .file("late", "new")
        .file(".wh.late", "")
        .file(".wh.dir", "")
        .dir("dir/")
        .dir("late-dir/")
        .file(".wh.late-dir", "")
        .file(".wh.implied", "")
        .file("implied/below", "x")
        .file(".wh.gone", "")
        .file(".wh.gone", "")
        .end();
    let diff = store.diff(&archive);
    for file in ["file", "late"] {
        assert_eq!(fs::read_to_string(diff.join(file)).unwrap(), "new");
    }
    for dir in ["dir", "late-dir", "implied"] {
        let opaque = (b"trusted.overlay.opaque".to_vec(), b"y".to_vec());
        assert_eq!(xattrs(&diff.join(dir)), [opaque], "{dir} hides the layers below");
    }
    assert_eq!(fs::symlink_metadata(diff.join("gone")).unwrap().rdev(), 0);
}

#[test]
fn files_of_aufs_are_skipped() {
    let archive = Archive::default()
        .dir(".wh..wh.plnk/")
        .file(".wh..wh.plnk/1.2", "x")
        .file(".wh..wh.aufs", "")
        .file("kept", "")
        .end();
    let store = Store::new();
    let names = describe(&store.diff(&archive));
    assert_eq!(names.len(), 1);
    assert_eq!(names[0].path.to_str(), Some("kept"));
}

#[test]
fn old_headers_and_missing_ends_are_read() {
    let store = Store::new();
    let v7 = |header: &mut tar::Header| {
        header.as_mut_bytes()[257..].fill(0);
        header.as_mut_bytes()[156] = 0;
    };
    let archive = Archive::default()
        .with(EntryType::Regular, "v7-dir/", "", b"", v7)
        .with(EntryType::Regular, "v7-dir/file", "", b"old", v7)
        .with(EntryType::new(b'7'), "contiguous", "", b"x", |_| {})
        .entry(EntryType::XGlobalHeader, "pax_global_header", "", b"20 comment=something")
        .with(EntryType::Directory, "sized-dir/", "", b"", |header| header.set_size(12345))
        .without_end();
    let diff = store.diff(&archive);
    assert!(diff.join("v7-dir").is_dir() && diff.join("sized-dir").is_dir());
    assert_eq!(fs::read_to_string(diff.join("v7-dir/file")).unwrap(), "old");
    assert!(store.diff(b"").is_dir(), "no bytes are an empty archive");
}

#[test]
fn a_reserved_name_cannot_be_exported() {
    let store = Store::new();
    let key = "c".parse().unwrap();
    store.store.create(&key, &[]).unwrap();
    fs::write(store.path().join("rw/c/upper/.wh.mine"), "x").unwrap();
    let error = store.store.export_upper(&key, &mut Vec::new()).unwrap_err();
    assert!(types::error::chain(&error).contains(".wh.mine"));
}

#[test]
fn the_umask_does_not_matter() {
    // A child process of this test has the umask: it is common to all tests of a process.
    const MARK: &str = "GANTRY_SNAPSHOT_TEST_UMASK";
    if std::env::var_os(MARK).is_none() {
        let status = Command::new("sh")
            .args(["-c", "umask 077; exec \"$0\" --exact formats::the_umask_does_not_matter"])
            .arg(std::env::current_exe().unwrap())
            .env(MARK, "1")
            .status();
        return assert!(status.unwrap().success());
    }
    let store = Store::new();
    let archive =
        Archive::default().file("implied/file", "x").device(EntryType::Char, "dev", (1, 3)).end();
    let diff = store.diff(&archive);
    let mode = |path: &str| fs::metadata(diff.join(path)).unwrap().mode() & 0o7777;
    assert_eq!((mode(""), mode("implied")), (0o755, 0o755));
    assert_eq!((mode("implied/file"), mode("dev")), (0o644, 0o644));
}
