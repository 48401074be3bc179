//! Mount points and working directories that an image or a volume makes lead to the host.

use serde_json::{Value, json};
use testkit::{Engine, ImageTar};

use crate::{
    canary::{Canary, is_leaked},
    sh,
};

#[test]
fn links_in_the_place_of_directories_lead_around_within_the_image() {
    let engine = Engine::start();
    let canary = Canary::new(&engine);
    for target in [canary.path(), canary.climbing(), "/proc/1/root".to_owned()] {
        for name in ["etc", "dev", "sys", "proc", "work", "data", "sbin"] {
            let archive = ImageTar::busybox_without(&[name]).link(name, &target);
            engine.import("linked", archive, &[]);
            let read = format!("cat {}/secret /{name}/secret; true", canary.path());
            let run = engine.docker(&[
                "run",
                "--rm",
                "--init",
                "-t",
                "-w",
                "/work",
                "-v",
                "vol:/data",
                "linked",
                "/bin/sh",
                "-c",
                &read,
            ]);
            canary.assert_unread(&run);
            canary.assert_untouched();
        }
        for file in ["etc/hosts", "etc/resolv.conf", "etc/hostname", "dev/console", "dev/shm"] {
            let target = format!("{target}/secret");
            engine.import("linked", ImageTar::busybox().link(file, &target), &[]);
            let read = format!("cat {}/secret; echo written > /{file}; true", canary.path());
            let run = engine.docker(&["run", "--rm", "-t", "linked", "/bin/sh", "-c", &read]);
            canary.assert_unread(&run);
            canary.assert_untouched();
        }
    }
    engine.assert_nothing_leaked();
}

#[test]
fn destinations_that_climb_stay_in_the_container() {
    let engine = Engine::start();
    let canary = Canary::new(&engine);
    let source = engine.root().join("source");
    std::fs::create_dir(&source).unwrap();
    let climb = format!("/x/../../../../../..{}/sub", canary.path());
    let config = json!({
        "Image": "busybox", "Cmd": ["sh", "-c", format!("echo in > {}/sub/made", canary.path())],
        "HostConfig": {"Binds": [format!("{}:{climb}", source.display())]},
    });
    let made = engine.request("POST", "/containers/create?name=c1", &config).unwrap();
    assert_eq!(made.status, 201, "{made:?}");
    engine.request("POST", "/containers/c1/start", &Value::Null).unwrap();
    assert_eq!(engine.ok(&["wait", "c1"]), "0");
    assert_eq!(std::fs::read_to_string(source.join("made")).unwrap(), "in\n");
    canary.assert_untouched();
    for destination in ["/..", "/", "/a/..", "../x", "."] {
        let config = json!({
            "Image": "busybox",
            "HostConfig": {"Binds": [format!("{}:{destination}", source.display())]},
        });
        let refused = engine.request("POST", "/containers/create", &config).unwrap();
        assert_eq!(refused.status, 400, "{destination}: {refused:?}");
    }
    engine.remove_all_containers();
}

/// As CVE-2021-25741: the part of a volume that is mounted is a link, or becomes one.
#[test]
fn a_part_of_a_volume_is_never_a_part_of_the_host() {
    let engine = Engine::start();
    let canary = Canary::new(&engine);
    let links = format!(
        "mkdir -p /v/good/deep; echo fine > /v/good/deep/file; ln -s good /v/near; ln -s / /v/root; \
         ln -s {} /v/up; ln -s {} /v/good/absolute; ln -s ../../.. /v/good/climb",
        canary.climbing(),
        canary.path()
    );
    let _ = sh(&engine, &["-v", "shared:/v"], &links).ok();
    let mount = |part: &str| format!("type=volume,src=shared,dst=/m,volume-subpath={part}");
    for part in ["good", "near"] {
        let run = sh(&engine, &["--mount", &mount(part)], "cat /m/deep/file");
        assert_eq!(run.ok(), "fine", "{part}");
    }
    let read = format!("cat /m/secret /m{}/secret; ls /m", canary.path());
    for part in ["root", "root/etc", "up", "good/absolute", "good/climb", "near/climb", "absent"] {
        let run = sh(&engine, &["--mount", &mount(part)], &read);
        canary.assert_unread(&run);
        assert!(run.code >= 125, "{part}: {run:?}");
        engine.ok(&["create", "--name", "c1", "--mount", &mount(part), "busybox"]);
        for path in [format!("c1:/m{}/secret", canary.path()), "c1:/m/secret".to_owned()] {
            let copy = engine.docker(&["cp", &path, "-"]);
            assert!(copy.code != 0 && !is_leaked(&copy.stdout), "{part}: {copy:?}");
        }
        engine.ok(&["rm", "c1"]);
    }
    let swap = "cd /v; while :; do mv good keep; mv root good; mv good root; mv keep good; done";
    crate::attacker(&engine, &["-v", "shared:/v"], swap);
    for _ in 0..8 {
        canary.assert_unread(&sh(&engine, &["--mount", &mount("good/")], &read));
    }
    engine.remove_all_containers();
    canary.assert_untouched();
}
