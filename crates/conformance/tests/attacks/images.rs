//! Images as attackers make them: archives whose entries lead out, and device nodes.

use serde_json::json;
use testkit::{
    Engine, ImageTar,
    image_tar::{EntryType, Hostile, root},
};

use crate::canary::{Canary, is_leaked};

/// Archives whose entries name, or lead to, the canary.
pub fn hostile_archives(canary: &Canary) -> Vec<Vec<u8>> {
    let absolute = canary.path().into_bytes();
    let climbing = canary.climbing().into_bytes();
    let below = |dir: &[u8], name: &str| [dir, b"/", name.as_bytes()].concat();
    let mut all = Vec::new();
    for dir in [&absolute, &climbing] {
        let secret = below(dir, "secret");
        all.push(ImageTar::empty().hostile(&Hostile::file(&secret, b"overwritten")));
        all.push(ImageTar::empty().hostile(&Hostile::file(&below(dir, ".wh.secret"), b"")));
        all.push(ImageTar::empty().hostile(&Hostile::file(&below(dir, ".wh..wh..opq"), b"")));
        for kind in [EntryType::Symlink, EntryType::Link] {
            // Through a link to the directory, and over a link to the file.
            let through = ImageTar::empty().hostile(&Hostile::link(kind, b"way", dir));
            all.push(through.hostile(&Hostile::file(b"way/secret", b"overwritten")));
            let over = ImageTar::empty().hostile(&Hostile::link(kind, b"file", &secret));
            all.push(over.hostile(&Hostile::file(b"file", b"overwritten")));
        }
        let twice = ImageTar::empty()
            .hostile(&Hostile::link(EntryType::Symlink, b"way", dir))
            .hostile(&Hostile::link(EntryType::Link, b"copy", b"way/secret"))
            .hostile(&Hostile { mode: 0o777, ..Hostile::file(b"copy", b"overwritten") });
        all.push(twice);
    }
    all.into_iter().map(ImageTar::bytes).collect()
}

#[test]
fn imported_archives_stay_in_their_layer() {
    let engine = Engine::start();
    let canary = Canary::new(&engine);
    for (number, archive) in hostile_archives(&canary).into_iter().enumerate() {
        let name = format!("hostile{number}");
        // Refused or confined; both are right.
        let imported = engine.docker_with(&["import", "-", &name], &archive);
        canary.assert_untouched();
        if imported.code == 0 {
            let saved = engine.docker(&["save", &name]);
            assert!(!is_leaked(&saved.stdout), "{number}");
        }
    }
    canary.assert_untouched();
}

/// What `docker save` writes, with paths and links of the attacker's.
#[test]
fn loaded_archives_lead_nowhere() {
    let engine = Engine::start();
    let canary = Canary::new(&engine);
    let secret = format!("{}/secret", canary.path());
    let climbing = format!("{}/secret", canary.climbing());
    let manifest = |config: &str, layer: &str| {
        json!([{"Config": config, "RepoTags": ["evil:latest"], "Layers": [layer]}]).to_string()
    };
    let config = json!({
        "architecture": "amd64", "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", "0".repeat(64))]},
    });
    let plain =
        || ImageTar::empty().file("config.json", config.to_string().as_bytes(), root(0o644));
    let with = |archive: ImageTar, manifest: String| {
        archive.file("manifest.json", manifest.as_bytes(), root(0o644)).bytes()
    };
    let link =
        |kind, name, target: &str| plain().hostile(&Hostile::link(kind, name, target.as_bytes()));
    let mut archives = vec![
        with(plain(), manifest(&secret, &secret)),
        with(plain(), manifest(&climbing, "config.json")),
        with(plain(), manifest("config.json", &climbing)),
        with(plain(), manifest("config.json", "../../../etc/passwd")),
    ];
    for kind in [EntryType::Symlink, EntryType::Link] {
        for target in [&secret, &climbing] {
            archives
                .push(with(link(kind, b"layer.tar", target), manifest("config.json", "layer.tar")));
            archives.push(with(link(kind, b"other.json", target), manifest("other.json", "x")));
            archives.push(link(kind, b"manifest.json", target).bytes());
        }
    }
    for archive in archives {
        let loaded = engine.docker_with(&["load"], &archive);
        assert!(loaded.code != 0, "{loaded:?}");
        canary.assert_unread(&loaded);
    }
    canary.assert_untouched();
    assert_eq!(engine.ok(&["images", "-q"]).lines().count(), 1);
}

#[test]
fn device_nodes_of_an_image_open_nothing() {
    let engine = Engine::start();
    let archive = ImageTar::busybox()
        .hostile(&Hostile::node(EntryType::Block, b"disk", (254, 0)))
        .hostile(&Hostile::node(EntryType::Block, b"sda", (8, 0)))
        .hostile(&Hostile::node(EntryType::Char, b"mem", (1, 1)))
        .hostile(&Hostile::node(EntryType::Char, b"kmsg", (1, 11)));
    engine.import("devices", archive, &[]);
    for device in ["/disk", "/sda", "/mem", "/kmsg"] {
        let script = format!("test -b {device} -o -c {device} && head -c 1 {device} >/dev/null");
        for flags in [&[][..], &["--cap-add", "ALL"]] {
            let mut arguments = vec!["run", "--rm"];
            arguments.extend(flags);
            arguments.extend(["devices", "sh", "-c", &script]);
            engine.docker(&arguments).fails(1, "Operation not permitted");
        }
    }
    let made = "mknod /d b 254 0 && head -c 1 /d";
    crate::sh(&engine, &[], made).fails(1, "Operation not permitted");
}
