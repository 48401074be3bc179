//! `cp` and the archive endpoints against a container that changes its files meanwhile
//! (CVE-2018-15664), and names that break what carries them.

use testkit::{
    Engine, ImageTar,
    image_tar::{EntryType, Hostile, root},
};

use crate::{
    attacker,
    canary::{Canary, is_leaked},
};

const ROUNDS: usize = 60;

/// `/w/x` is by turns a directory and a link to `/`, which on the host has the canary below it.
fn swapping(canary: &Canary) -> String {
    let path = canary.path();
    format!(
        "mkdir -p /w/x{path} {path}; echo inside > /w/x{path}/secret; echo inside > {path}/secret; \
         ln -s / /w/link; while :; do mv /w/x /w/dir; mv /w/link /w/x; mv /w/x /w/link; \
         mv /w/dir /w/x; done"
    )
}

#[test]
fn a_swapped_directory_leads_cp_nowhere_else() {
    let engine = Engine::start();
    let canary = Canary::new(&engine);
    attacker(&engine, &[], &swapping(&canary));
    let dir = format!("/w/x{}", canary.path());
    let path = format!("/containers/attacker/archive?path={dir}");
    let archive = ImageTar::empty()
        .file("secret", b"written", root(0o4777))
        .hostile(&Hostile::node(EntryType::Fifo, b"pipe", (0, 0)))
        .bytes();
    let mut done = 0;
    for _ in 0..ROUNDS {
        let read = engine.request("GET", &format!("{path}/secret"), &serde_json::Value::Null);
        let read = read.unwrap();
        assert!(!is_leaked(&read.body), "{read:?}");
        let written = engine.send_archive("PUT", &path, &archive).unwrap();
        done += usize::from(read.status == 200 && written.status == 200);
    }
    assert!(done > 0, "not one round met the files in place");
    let to = engine.root().join("out").display().to_string();
    for _ in 0..3 {
        let read = engine.docker(&["cp", &format!("attacker:{dir}/secret"), &to]);
        assert!(!is_leaked(&std::fs::read(&to).unwrap_or_default()), "{read:?}");
        let written = engine.docker(&["cp", &to, &format!("attacker:{dir}/copied")]);
        canary.assert_unread(&written);
    }
    canary.assert_untouched();
    engine.remove_all_containers();
    engine.assert_nothing_leaked();
}

/// What was made a moment ago is a link by the time that its mode is set; what was a file is a
/// pipe or a device by the time that it is opened.
#[test]
fn a_swapped_file_is_neither_opened_nor_changed() {
    let engine = Engine::start();
    let canary = Canary::new(&engine);
    let script = format!(
        "mkdir /w; cd /w; head -c 70000 /dev/zero > /plain; while :; do rm -rf node; \
         ln -s {secret} node; rm -f file; ln -s {secret} file; rm -f file; mkfifo file; \
         rm -f file; mknod file c 1 5; rm -f file; cp /plain file; done",
        secret = format_args!("{}/secret", canary.path()),
    );
    attacker(&engine, &[], &script);
    let archive = ImageTar::empty()
        .hostile(&Hostile { mode: 0o4777, ..Hostile::node(EntryType::Fifo, b"node", (0, 0)) })
        .bytes();
    let (write, read) =
        ("/containers/attacker/archive?path=/w", "/containers/attacker/archive?path=/w/file");
    for _ in 0..ROUNDS {
        // The container may win the race for the name: then the answer is an error.
        engine.send_archive("PUT", write, &archive).unwrap();
        // An archive is cut off when a link is none any more by the time that it is read.
        match engine.request("GET", read, &serde_json::Value::Null) {
            Ok(found) => assert!(!is_leaked(&found.body), "{found:?}"),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof),
        }
    }
    canary.assert_untouched();
    engine.remove_all_containers();
}

#[test]
fn archives_for_a_container_stay_in_it() {
    let engine = Engine::start();
    let canary = Canary::new(&engine);
    engine.ok(&["run", "-d", "--name", "c1", "busybox", "sleep", "600"]);
    for archive in crate::images::hostile_archives(&canary) {
        for path in ["/", "/tmp", "/proc/1/root", "/proc/1/cwd"] {
            let path = format!("/containers/c1/archive?path={path}");
            engine.send_archive("PUT", &path, &archive).unwrap();
        }
        canary.assert_untouched();
    }
    let all = engine.request("GET", "/containers/c1/export", &serde_json::Value::Null).unwrap();
    assert!(!is_leaked(&all.body));
    for path in ["/proc/1/root", "/proc/self/root", "/proc/1/cwd", "/proc/self/exe"] {
        let read = engine.docker(&["cp", "-L", &format!("c1:{path}{}", canary.path()), "-"]);
        assert_ne!(read.code, 0, "{read:?}");
    }
    engine.remove_all_containers();
    canary.assert_untouched();
}

#[test]
fn names_that_are_no_text_survive_diff_export_and_commit() {
    let engine = Engine::start();
    let script = r#"mkdir /h; cd /h; for n in "$(printf 'a\nb')" "$(printf '\377\376')" \
        "$(printf '\033[2Jx')" "$(printf '"\\')" '-rf' '..x'; do echo y > "./$n" || exit 1; done"#;
    let made = engine.docker(&["run", "--name", "c1", "busybox", "sh", "-c", script]);
    assert_eq!(made.code, 0, "{made:?}");
    let changes = engine.get("/containers/c1/changes");
    let below_h = changes
        .as_array()
        .unwrap()
        .iter()
        .filter(|change| change["Path"].as_str().is_some_and(|path| path.starts_with("/h/")));
    assert_eq!(below_h.count(), 6, "{changes}");
    let export = engine.docker(&["export", "c1"]);
    assert_eq!(export.code, 0);
    for name in [&b"h/a\nb"[..], b"h/\xff\xfe", b"h/\x1b[2Jx", b"h/\"\\"] {
        assert!(export.stdout.windows(name.len()).any(|w| w == name), "{name:?}");
    }
    engine.ok(&["diff", "c1"]);
    engine.ok(&["commit", "-m", "\u{1b}[2J\"", "c1", "copy"]);
    let listed = engine.ok(&["run", "--rm", "copy", "sh", "-c", "cd /h; set -- * ..x; echo $#"]);
    assert_eq!(listed, "6");
    // What would be a whiteout in a layer is refused, not lost.
    engine.ok(&["run", "--name", "c2", "busybox", "touch", "/.wh.bin"]);
    engine.docker(&["commit", "c2", "copy"]).fails(1, "reserved for whiteouts");
    assert_eq!(engine.docker(&["export", "c2"]).code, 0);
    engine.remove_all_containers();
}
