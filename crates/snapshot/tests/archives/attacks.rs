//! Archives that mean harm: each is refused with an error that names the entry, or confined.

use std::{fs, io::Read, os::unix::fs::MetadataExt};

use crate::support::{Archive, Store, xattrs};
use gantry_snapshot::{ArchiveError, Limits, SnapshotError, Snapshotter};
use tar::EntryType;
use types::{Classify, ErrorKind};

fn assert_refused(error: &ArchiveError, name: &str) {
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    assert!(error.to_string().contains(name), "{error} does not name {name}");
}

#[test]
fn a_path_that_climbs_out_is_refused() {
    for path in ["../evil", "a/../../evil", "./../evil", "..", "../outside"] {
        let store = Store::new();
        let error = store.refuse(&Archive::default().file(path, "evil").end());
        assert!(matches!(error, ArchiveError::Refused { .. }), "{error}");
        assert_refused(&error, path);
    }
}

#[test]
fn a_climbing_path_in_pax_and_gnu_names_is_refused() {
    let long = "../".repeat(60) + "evil";
    let pax = Archive::default().pax(&[("path", long.as_bytes())]).file("harmless", "x").end();
    let gnu = Archive::default()
        .entry(EntryType::GNULongName, "././@LongLink", "", long.as_bytes())
        .file("harmless", "x")
        .end();
    for archive in [pax, gnu] {
        assert!(matches!(Store::new().refuse(&archive), ArchiveError::Refused { .. }));
    }
}

#[test]
fn an_absolute_path_lands_below_the_layer() {
    let store = Store::new();
    let outside = store.dir.path().join("outside");
    let path = outside.to_str().unwrap();
    let diff = store.diff(&Archive::default().file(path, "inside").end());
    assert_eq!(fs::read_to_string(diff.join(&path[1..])).unwrap(), "inside");
    store.check_outside();
}

#[test]
fn a_write_through_an_absolute_link_stays_in_the_layer() {
    let store = Store::new();
    let outside = store.dir.path().to_str().unwrap();
    let archive = Archive::default()
        .dir(&outside[1..])
        .symlink("escape", outside)
        .file("escape/outside", "confined")
        .end();
    let diff = store.diff(&archive);
    store.check_outside();
    assert_eq!(fs::read_to_string(diff.join(&outside[1..]).join("outside")).unwrap(), "confined");
}

#[test]
fn a_write_through_a_climbing_link_stays_in_the_layer() {
    let store = Store::new();
    let archive = Archive::default()
        .symlink("escape", "../../../../../../..")
        .file("escape/evil", "confined")
        .end();
    let diff = store.diff(&archive);
    assert_eq!(fs::read_to_string(diff.join("evil")).unwrap(), "confined");
    store.check_outside();
}

#[test]
fn a_write_through_a_chain_of_links_stays_in_the_layer() {
    let store = Store::new();
    let archive = Archive::default()
        .symlink("a", "b/c")
        .dir("b")
        .symlink("b/c", "../..")
        .file("a/evil", "confined")
        .end();
    let diff = store.diff(&archive);
    assert_eq!(fs::read_to_string(diff.join("evil")).unwrap(), "confined");
    store.check_outside();
}

#[test]
fn a_write_through_a_dangling_link_is_refused() {
    let store = Store::new();
    let outside = store.dir.path().join("new-directory");
    let archive = Archive::default()
        .symlink("escape", outside.to_str().unwrap())
        .file("escape/evil", "x")
        .end();
    assert!(matches!(store.refuse(&archive), ArchiveError::Entry { .. }));
}

#[test]
fn a_loop_of_links_is_refused() {
    let archive = Archive::default().symlink("a", "b").symlink("b", "a").file("a/x", "").end();
    assert!(matches!(Store::new().refuse(&archive), ArchiveError::Entry { .. }));
}

#[test]
fn a_file_replaces_a_link_and_is_not_written_through_it() {
    let store = Store::new();
    let outside = store.dir.path().join("outside");
    for target in [outside.to_str().unwrap(), "../../../../outside", "inside"] {
        let archive = Archive::default()
            .file("inside", "kept")
            .symlink("file", target)
            .file("file", "new")
            .end();
        let diff = store.diff(&archive);
        assert!(fs::symlink_metadata(diff.join("file")).unwrap().is_file());
        assert_eq!(fs::read_to_string(diff.join("inside")).unwrap(), "kept");
        store.check_outside();
    }
}

#[test]
fn a_hard_link_to_the_outside_is_refused() {
    let store = Store::new();
    let outside = store.dir.path().join("outside");
    for target in [outside.to_str().unwrap(), "../../../outside", "..", "/", ""] {
        let error = store.refuse(&Archive::default().link("link", target).end());
        assert!(error.to_string().contains("link"), "{error}");
    }
}

#[test]
fn a_hard_link_through_a_link_reaches_the_layer_only() {
    let store = Store::new();
    let archive = Archive::default()
        .symlink("escape", store.dir.path().to_str().unwrap())
        .link("stolen", "escape/outside")
        .end();
    assert!(matches!(store.refuse(&archive), ArchiveError::Entry { .. }));
}

#[test]
fn a_hard_link_to_a_link_is_that_link_and_not_written_through() {
    let store = Store::new();
    let outside = store.dir.path().join("outside");
    let archive = Archive::default()
        .symlink("link", outside.to_str().unwrap())
        .link("hard", "link")
        .with(EntryType::Regular, "hard", "", b"evil", |header| header.set_mode(0o4777))
        .end();
    let diff = store.diff(&archive);
    assert!(fs::symlink_metadata(diff.join("hard")).unwrap().is_file());
    assert!(fs::symlink_metadata(diff.join("link")).unwrap().is_symlink());
    store.check_outside();
    assert_eq!(fs::metadata(&outside).unwrap().mode() & 0o7777, 0o644);
}

#[test]
fn attributes_of_a_link_do_not_reach_its_target() {
    let store = Store::new();
    let outside = store.dir.path().join("outside");
    let before = fs::metadata(&outside).unwrap();
    let archive = Archive::default()
        .pax(&[("SCHILY.xattr.trusted.evil", b"1"), ("SCHILY.xattr.user.evil", b"1")])
        .with(EntryType::Symlink, "link", outside.to_str().unwrap(), b"", |header| {
            header.set_mode(0o777);
            header.set_uid(1234);
        })
        .end();
    let diff = store.diff(&archive);
    let after = fs::metadata(&outside).unwrap();
    assert_eq!((before.mode(), before.uid()), (after.mode(), after.uid()));
    assert!(xattrs(&outside).is_empty());
    assert_eq!(fs::symlink_metadata(diff.join("link")).unwrap().uid(), 1234);
    assert_eq!(xattrs(&diff.join("link")), [(b"trusted.evil".to_vec(), b"1".to_vec())]);
}

#[test]
fn a_directory_replaced_by_a_link_takes_its_time_from_nobody() {
    let store = Store::new();
    let parent = store.dir.path().to_str().unwrap();
    let before = fs::metadata(parent).unwrap().mtime();
    let archive = Archive::default().dir("dir").symlink("dir", parent).end();
    store.diff(&archive);
    assert_eq!(fs::metadata(parent).unwrap().mtime(), before);
}

#[test]
fn whiteouts_cannot_remove_or_leave_anything() {
    for path in [".wh...", ".wh..", "a/.wh...", ".wh.", "../.wh.outside", ".wh.a/b"] {
        let error = Store::new().refuse(&Archive::default().file(path, "").end());
        assert_refused(&error, path);
    }
    let store = Store::new();
    let parent = store.dir.path().to_str().unwrap();
    let archive = Archive::default()
        .dir(&parent[1..])
        .symlink("escape", parent)
        .file("escape/.wh.outside", "")
        .file("escape/.wh..wh..opq", "")
        .end();
    store.diff(&archive);
    store.check_outside();
}

#[test]
fn a_hard_link_to_a_whiteout_name_is_refused() {
    let archive = Archive::default().file(".wh.a", "").link("b", ".wh.a").end();
    assert_refused(&Store::new().refuse(&archive), "b");
}

#[test]
fn attributes_that_steer_overlayfs_are_left_out() {
    let store = Store::new();
    let archive = Archive::default()
        .pax(&[
            ("SCHILY.xattr.trusted.overlay.redirect", b"/../../etc"),
            ("SCHILY.xattr.trusted.overlay.opaque", b"y"),
            ("SCHILY.xattr.trusted.overlay.metacopy", b""),
            ("SCHILY.xattr.user.overlay.opaque", b"y"),
            ("SCHILY.xattr.security.selinux", b"system_u:object_r:bin_t"),
            ("SCHILY.xattr.security.ima", b"1"),
            ("SCHILY.xattr.user.kept", b"1"),
        ])
        .dir("dir")
        .end();
    let diff = store.diff(&archive);
    assert_eq!(xattrs(&diff.join("dir")), [(b"user.kept".to_vec(), b"1".to_vec())]);
}

#[test]
fn a_bomb_of_devices_is_refused() {
    let mut archive = Archive::default();
    for number in 0..20 {
        archive = archive.device(EntryType::Char, &format!("d{number}"), (1, 3));
    }
    let limits = Limits { devices: 10, ..Limits::default() };
    let error = Store::new().refuse_within(&archive.end(), &limits);
    assert!(matches!(error, ArchiveError::Limit { what: "devices", limit: 10, .. }));
    assert_refused(&error, "d10");
}

#[test]
fn a_bomb_of_entries_is_refused() {
    let mut archive = Archive::default();
    for number in 0..20 {
        archive = archive.dir(&format!("d{number}"));
    }
    let limits = Limits { entries: 10, ..Limits::default() };
    let error = Store::new().refuse_within(&archive.end(), &limits);
    assert!(matches!(error, ArchiveError::Limit { what: "entries", .. }));
    assert_refused(&error, "d10");
}

#[test]
fn a_bomb_of_bytes_is_refused_while_it_is_read() {
    // A terabyte of zeros: only a reader that stops early ends.
    let header = Archive::default()
        .with(EntryType::Regular, "bomb", "", b"", |header| header.set_size(4 << 30))
        .without_end();
    let mut bomb = header.chain(std::io::repeat(0).take(1 << 40));
    let store = Store::new();
    let limits = Limits { stream_bytes: 4 << 20, ..Limits::default() };
    let error = store.store.unpack(None, &mut bomb, &limits).unwrap_err();
    let SnapshotError::Archive(error) = error else { panic!("{error}") };
    assert!(matches!(error, ArchiveError::Limit { what: "bytes", .. }));
    assert_refused(&error, "bomb");
    store.check_nothing_left();
}

#[test]
fn a_bomb_after_the_end_of_the_archive_is_refused() {
    let mut bomb = Archive::default().end();
    bomb.resize(1 << 20, 0);
    let limits = Limits { stream_bytes: 1 << 16, ..Limits::default() };
    let error = Store::new().refuse_within(&bomb, &limits);
    assert!(matches!(error, ArchiveError::Limit { what: "bytes", .. }));
}

#[test]
fn a_huge_extended_header_is_refused_before_it_is_read() {
    for kind in [EntryType::XHeader, EntryType::GNULongName, EntryType::GNULongLink] {
        let archive =
            Archive::default().with(kind, "bomb", "", b"", |header| header.set_size(8 << 30)).end();
        let error = Store::new().refuse(&archive);
        assert!(matches!(error, ArchiveError::Limit { .. }), "{error}");
    }
}

#[test]
fn a_file_of_exabytes_of_holes_is_refused() {
    let archive = Archive::default()
        .pax(&[
            ("GNU.sparse.major", b"1"),
            ("GNU.sparse.minor", b"0"),
            ("GNU.sparse.name", b"holes"),
            ("GNU.sparse.realsize", b"9000000000000000000"),
        ])
        .entry(EntryType::Regular, "holes", "", &[&b"0\n"[..], &[0; 510]].concat())
        .end();
    let error = Store::new().refuse(&archive);
    assert!(matches!(error, ArchiveError::Limit { what: "bytes in a file", .. }), "{error}");
}

#[test]
fn damaged_sparse_maps_are_refused() {
    let maps: [&[u8]; 8] = [
        b"1\n0\n1000\n",                 // more data than there is
        b"2\n5\n5\n0\n5\n",              // out of order
        b"1\n18446744073709551615\n5\n", // overflow
        b"999999999\n",                  // too many
        b"x\n",
        b"",
        b"1\n90\n20\n", // behind the end
        b"111111111111111111111111111111\n",
    ];
    for map in maps {
        let mut data = map.to_vec();
        data.resize(512, 0);
        data.extend_from_slice(b"0123456789");
        let archive = Archive::default()
            .pax(&[("GNU.sparse.major", b"1"), ("GNU.sparse.realsize", b"100")])
            .entry(EntryType::Regular, "sparse", "", &data)
            .end();
        let error = Store::new().refuse(&archive);
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    }
}

#[test]
fn paths_too_long_or_too_deep_are_refused() {
    let (long, deep) = ("x".repeat(5000), "d/".repeat(1000));
    for path in [long, deep] {
        let archive = Archive::default().pax(&[("path", path.as_bytes())]).file("x", "").end();
        assert!(matches!(Store::new().refuse(&archive), ArchiveError::Limit { .. }));
    }
    let component = "x".repeat(300);
    let archive = Archive::default().pax(&[("path", component.as_bytes())]).file("x", "").end();
    assert!(matches!(Store::new().refuse(&archive), ArchiveError::Entry { .. }));
}

#[test]
fn a_wrong_checksum_is_refused() {
    let mut archive = Archive::default().file("file", "x").end();
    archive[0] ^= 1;
    let error = Store::new().refuse(&archive);
    assert!(matches!(error, ArchiveError::Header { offset: 0, .. }));
}

#[test]
fn an_archive_cut_anywhere_within_is_refused() {
    let archive = Archive::default()
        .file("first", "x")
        .pax(&[("SCHILY.xattr.user.a", b"b")])
        .file("second", &"y".repeat(1000))
        .without_end();
    // A cut between entries is an end like any other (as for Go); everywhere else it is not.
    let ends = [0, 1024, archive.len()];
    for len in (0..archive.len()).step_by(100).chain([511, 513, 1023, 2048, archive.len() - 1]) {
        if !ends.contains(&len) {
            let error = Store::new().refuse(&archive[..len]);
            assert!(matches!(error, ArchiveError::Truncated { .. }), "{len}: {error}");
        }
    }
    let cut = &archive[..archive.len() - 600];
    assert_refused(&Store::new().refuse(cut), "second");
}

#[test]
fn a_single_block_of_zeros_does_not_hide_what_follows() {
    let mut archive = vec![0; 512];
    archive.extend(Archive::default().file("hidden", "x").end());
    assert!(matches!(Store::new().refuse(&archive), ArchiveError::Header { .. }));
}

#[test]
fn what_is_not_an_archive_is_refused() {
    let error = Store::new().refuse(&[b'x'; 2048]);
    assert!(matches!(error, ArchiveError::Header { .. }));
    let error = Store::new().refuse(b"short");
    assert!(matches!(error, ArchiveError::Truncated { .. }));
}

#[test]
fn numbers_out_of_range_are_refused() {
    let huge = |at: usize, len: usize| {
        Archive::default()
            .with(EntryType::Regular, "file", "", b"", |header| {
                let field = &mut header.as_mut_bytes()[at..at + len];
                field.fill(0xff);
                field[0] = 0x80;
            })
            .end()
    };
    for archive in [huge(108, 8), huge(116, 8), huge(124, 12), huge(136, 12)] {
        let error = Store::new().refuse(&archive);
        assert!(matches!(error, ArchiveError::Header { .. }), "{error}");
    }
    let archive = Archive::default().pax(&[("size", b"18446744073709551615")]).file("f", "").end();
    assert!(matches!(Store::new().refuse(&archive), ArchiveError::Header { .. }));
    let archive = Archive::default().device(EntryType::Char, "dev", (1 << 13, 0)).end();
    assert!(matches!(Store::new().refuse(&archive), ArchiveError::Refused { .. }));
}

#[test]
fn entries_of_unknown_type_and_a_root_that_is_a_file_are_refused() {
    let archive = Archive::default().entry(EntryType::new(b'M'), "multi", "", b"").end();
    assert_refused(&Store::new().refuse(&archive), "multi");
    for path in ["/", ".", "./", "a/.."] {
        assert_refused(&Store::new().refuse(&Archive::default().file(path, "x").end()), path);
        assert_refused(&Store::new().refuse(&Archive::default().symlink(path, "/").end()), path);
    }
}

#[test]
fn a_file_is_no_parent() {
    let archive = Archive::default().file("file", "x").file("file/below", "y").end();
    let error = Store::new().refuse(&archive);
    assert!(matches!(error, ArchiveError::Entry { .. }));
    assert!(error.to_string().contains("file/below"), "{error}");
}

#[test]
fn a_hard_link_to_itself_keeps_nothing() {
    let archive = Archive::default().file("file", "x").link("file", "./file").end();
    assert_refused(&Store::new().refuse(&archive), "file");
}
