//! Valid archives with bytes changed at random: never a panic, never a trace outside.

use gantry_snapshot::{Limits, Snapshotter};
use proptest::prelude::*;
use tar::EntryType;

use crate::support::{Archive, Store};

fn sample() -> Vec<u8> {
    Archive::default()
        .dir("dir/")
        .pax(&[("path", b"dir/pax"), ("SCHILY.xattr.user.a", b"b"), ("mtime", b"1.5")])
        .file("short", "content")
        .entry(EntryType::GNULongName, "././@LongLink", "", b"dir/gnu-long-name\0")
        .file("short", "more content")
        .symlink("link", "dir")
        .file("link/through", "x")
        .link("hard", "dir/pax")
        .file("dir/.wh.gone", "")
        .file("dir/.wh..wh..opq", "")
        .device(EntryType::Char, "null", (1, 3))
        .pax(&[("GNU.sparse.major", b"1"), ("GNU.sparse.realsize", b"100")])
        .entry(EntryType::Regular, "sparse", "", &[&b"1\n50\n4\n"[..], &[0; 505], b"data"].concat())
        .pax(&[("GNU.sparse.map", b"0,2,10,2"), ("GNU.sparse.size", b"20")])
        .file("sparse-0.1", "abcd")
        .end()
}

/// What is done to one place of an archive.
#[derive(Debug, Clone)]
enum Change {
    Byte(u8),
    Bit(u8),
    /// Text that means something to a reader of archives.
    Text(&'static str),
    Remove(usize),
    Repeat(usize),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        any::<u8>().prop_map(Change::Byte),
        (0_u8..8).prop_map(Change::Bit),
        prop::sample::select(vec![
            "../",
            "/",
            "..",
            ".wh.",
            ".wh..wh..opq",
            "\0",
            "7777777",
            "path=",
            "=\n",
            "1",
            "99999",
        ])
        .prop_map(Change::Text),
        (1_usize..1500).prop_map(Change::Remove),
        (1_usize..1500).prop_map(Change::Repeat),
    ]
}

fn mutate(bytes: &mut Vec<u8>, at: usize, change: &Change) {
    let at = at % bytes.len().max(1);
    let end = |len: usize| (at + len).min(bytes.len());
    match change {
        Change::Byte(byte) => bytes[at] = *byte,
        Change::Bit(bit) => bytes[at] ^= 1 << bit,
        Change::Text(text) => {
            let end = end(text.len());
            bytes[at..end].copy_from_slice(&text.as_bytes()[..end - at]);
        }
        Change::Remove(len) => drop(bytes.drain(at..end(*len))),
        Change::Repeat(len) => {
            let copy = bytes[at..end(*len)].to_vec();
            bytes.splice(at..at, copy);
        }
    }
}

/// Makes the checksums right again, so that changes get past them.
fn fix_checksums(bytes: &mut [u8]) {
    for block in bytes.chunks_exact_mut(512) {
        if block[257..262] == *b"ustar" {
            block[148..156].fill(b' ');
            let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
            block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    #[test]
    fn changed_archives_are_unpacked_or_refused_and_nothing_else(
        changes in prop::collection::vec((any::<usize>(), change()), 1..6),
        fixes in any::<bool>(),
    ) {
        let mut bytes = sample();
        for (at, change) in &changes {
            if !bytes.is_empty() {
                mutate(&mut bytes, *at, change);
            }
        }
        if fixes {
            fix_checksums(&mut bytes);
        }
        let store = Store::new();
        let limits = Limits { stream_bytes: 1 << 20, file_bytes: 1 << 20, ..Limits::default() };
        match store.store.unpack(None, &mut &bytes[..], &limits) {
            Err(_) => store.check_nothing_left(),
            Ok(unpacked) => {
                store.check_outside();
                // Whatever was accepted can be exported, unless a name is reserved.
                let mut exported = Vec::new();
                if store.store.export_layer(&unpacked.diff_id, &mut exported).is_ok() {
                    store.unpack(&exported).unwrap();
                }
                store.store.remove_layer(&unpacked.diff_id).unwrap();
            }
        }
    }

    #[test]
    fn random_bytes_are_refused_or_empty(bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
        let store = Store::new();
        if store.unpack(&bytes).is_err() {
            store.check_nothing_left();
        }
        store.check_outside();
    }
}

#[test]
fn the_sample_itself_is_unpacked() {
    let store = Store::new();
    let diff = store.diff(&sample());
    assert_eq!(std::fs::read(diff.join("sparse")).unwrap()[50..54], *b"data");
    assert_eq!(std::fs::read_to_string(diff.join("dir/through")).unwrap(), "x");
    assert_eq!(std::fs::read(diff.join("sparse-0.1")).unwrap()[10..12], *b"cd");
}
