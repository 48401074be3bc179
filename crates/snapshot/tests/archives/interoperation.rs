//! GNU tar and the `tar` crate read what we write, and we read what they write.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom, Write},
    os::{
        fd::AsFd,
        unix::fs::{FileExt, MetadataExt, symlink},
    },
    path::Path,
    process::Command,
};

use gantry_snapshot::Snapshotter;
use sys::xattr::{self, Target};

use crate::support::{Store, describe};

fn run(program: &str, args: &[&str]) -> Vec<u8> {
    let output = Command::new(program).args(args).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {args:?}: {errors}");
    output.stdout
}

/// A directory with one of everything that GNU tar keeps.
fn make_tree(dir: &Path) {
    fs::create_dir_all(dir.join("etc/deep")).unwrap();
    fs::write(dir.join("etc/conf"), "x=1\n").unwrap();
    fs::write(dir.join("n".repeat(180)), "long").unwrap();
    symlink("../".repeat(50) + "t", dir.join("etc/long-link")).unwrap();
    fs::hard_link(dir.join("etc/conf"), dir.join("etc/deep/same")).unwrap();
    let null = dir.join("null");
    run("mknod", &["-m", "666", null.to_str().unwrap(), "c", "1", "3"]);
    let conf = File::open(dir.join("etc/conf")).unwrap();
    xattr::set(Target::Open(conf.as_fd()), OsStr::new("user.note"), b"remember").unwrap();
    let mut sparse = File::create(dir.join("sparse")).unwrap();
    for position in [0_u64, 8 << 20, 20 << 20, 33 << 20, 50 << 20, 61 << 20, 90 << 20] {
        sparse.seek(SeekFrom::Start(position)).unwrap();
        sparse.write_all(format!("at {position}").as_bytes()).unwrap();
    }
    sparse.set_len(100 << 20).unwrap();
    run("chown", &["123:456", dir.join("etc/deep").to_str().unwrap()]);
}

#[test]
fn archives_of_gnu_tar_in_every_format_are_unpacked_equal() {
    let source = tempfile::tempdir().unwrap();
    make_tree(source.path());
    let expected = describe(source.path());
    for format in [
        &["--format=posix", "--xattrs", "--sparse", "--sparse-version=1.0"][..],
        &["--format=posix", "--xattrs", "--sparse", "--sparse-version=0.1"],
        &["--format=posix", "--xattrs", "--sparse", "--sparse-version=0.0"],
        &["--format=posix", "--xattrs"],
        &["--format=gnu", "--sparse"],
        &["--format=gnu"],
    ] {
        let archive = source.path().with_extension("tar");
        let mut args = vec!["-c", "-f", archive.to_str().unwrap(), "--sort=name"];
        args.extend(format);
        args.extend(["-C", source.path().to_str().unwrap(), "."]);
        run("tar", &args);
        let bytes = fs::read(&archive).unwrap();
        fs::remove_file(&archive).unwrap();
        let store = Store::new();
        let diff = store.diff(&bytes);
        let mut actual = describe(&diff);
        // GNU's own format keeps neither attributes nor parts of a second.
        for (actual, expected) in actual.iter_mut().zip(&expected) {
            if format[0] == "--format=gnu" {
                assert_eq!(actual.mtime, (expected.mtime.0, 0));
                actual.mtime = expected.mtime;
                actual.xattrs.clone_from(&expected.xattrs);
            }
            assert!(actual == expected, "{format:?}: {:?}", actual.path);
        }
        assert_eq!(actual.len(), expected.len());
        if format.contains(&"--sparse") {
            let blocks = fs::metadata(diff.join("sparse")).unwrap().blocks();
            assert!(blocks < 1000, "{format:?}: the holes stay holes, not {blocks} blocks");
        }
    }
}

#[test]
fn gnu_tar_lists_and_extracts_what_we_export() {
    let source = tempfile::tempdir().unwrap();
    make_tree(source.path());
    let store = Store::new();
    let key = "c".parse().unwrap();
    store.store.create(&key, &[]).unwrap();
    let upper = store.path().join("rw/c/upper");
    run("cp", &["-a", "--", &format!("{}/.", source.path().display()), upper.to_str().unwrap()]);
    let archive = store.path().join("export.tar");
    store.store.export_upper(&key, &mut File::create(&archive).unwrap()).unwrap();
    assert!(fs::metadata(&archive).unwrap().len() < 1 << 20, "holes are not written out");
    let archive = archive.to_str().unwrap();
    let listing = String::from_utf8(run("tar", &["tvf", archive])).unwrap();
    for line in
        ["etc/deep/same link to etc/conf", "123/456", "1,3", "104857600", "etc/long-link -> ../../"]
    {
        assert!(listing.contains(line), "{line} is not in\n{listing}");
    }
    let target = tempfile::tempdir().unwrap();
    let to = target.path().to_str().unwrap();
    run("tar", &["-x", "-p", "--xattrs", "--xattrs-include=*", "-f", archive, "-C", to]);
    let (extracted, exported) = (describe(target.path()), describe(&upper));
    assert_eq!(extracted.len(), exported.len());
    for (extracted, exported) in extracted.iter().zip(&exported) {
        if extracted != exported {
            let differs = extracted.content.iter().zip(&exported.content).position(|(a, b)| a != b);
            let lengths = (extracted.content.len(), exported.content.len());
            panic!("{:?} differs at {differs:?} of {lengths:?}", exported.path);
        }
    }
}

#[test]
fn the_tar_crate_reads_what_we_export() {
    let store = Store::new();
    let key = "c".parse().unwrap();
    store.store.create(&key, &[]).unwrap();
    let upper = store.path().join("rw/c/upper");
    let long = "l".repeat(90) + "/" + &"m".repeat(120);
    fs::create_dir(upper.join("l".repeat(90))).unwrap();
    fs::write(upper.join(&long), "long name").unwrap();
    fs::write(upper.join("plain"), "plain").unwrap();
    let mut bytes = Vec::new();
    store.store.export_upper(&key, &mut bytes).unwrap();
    let mut found = BTreeMap::new();
    for entry in tar::Archive::new(&bytes[..]).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_str().unwrap().to_owned();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        found.insert(path, text);
    }
    assert_eq!(found[&long], "long name");
    assert_eq!(found["plain"], "plain");
    assert_eq!(found.len(), 3);
}

#[test]
fn what_the_tar_crate_writes_is_unpacked() {
    let mut builder = tar::Builder::new(Vec::new());
    let long = "x".repeat(40) + &"/yyyyyyyyy".repeat(20);
    let mut header = tar::Header::new_gnu();
    header.set_size(4);
    header.set_mode(0o640);
    header.set_mtime(1);
    header.set_uid(0);
    header.set_gid(0);
    header.set_entry_type(tar::EntryType::Regular);
    builder.append_data(&mut header, &long, &b"data"[..]).unwrap();
    let store = Store::new();
    let diff = store.diff(&builder.into_inner().unwrap());
    assert_eq!(fs::read_to_string(diff.join(&long)).unwrap(), "data");
}

#[test]
fn a_file_with_holes_is_exported_sparse_and_comes_back() {
    let store = Store::new();
    let key = "c".parse().unwrap();
    store.store.create(&key, &[]).unwrap();
    let path = store.path().join("rw/c/upper/sparse");
    let file = File::create(&path).unwrap();
    for index in 0..200_u64 {
        file.write_all_at(format!("region {index}").as_bytes(), index << 20).unwrap();
    }
    file.set_len(300 << 20).unwrap();
    let hole = File::create(store.path().join("rw/c/upper/only-hole")).unwrap();
    hole.set_len(10 << 20).unwrap();
    let mut bytes = Vec::new();
    store.store.export_upper(&key, &mut bytes).unwrap();
    assert!(bytes.len() < 2 << 20);
    let diff = store.diff(&bytes);
    let back = File::open(diff.join("sparse")).unwrap();
    assert_eq!(back.metadata().unwrap().len(), 300 << 20);
    let mut text = [0; 10];
    back.read_exact_at(&mut text, 199 << 20).unwrap();
    assert_eq!(&text, b"region 199");
    let all: u64 = io::copy(&mut &back, &mut io::sink()).unwrap();
    assert_eq!(all, 300 << 20);
    assert_eq!(fs::metadata(diff.join("only-hole")).unwrap().blocks(), 0);
}
