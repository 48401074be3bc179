//! Account files of the container's making: `/etc/passwd` is read by the engine and by init.

use testkit::Engine;

use crate::{canary::Canary, sh};

/// Ways to put something else in the place of the file, by a shell.
fn forgeries(canary: &Canary) -> Vec<String> {
    vec![
        "mkfifo passwd".to_owned(),
        "mknod passwd c 1 5".to_owned(),
        "mkdir passwd".to_owned(),
        "ln -s /proc/self/fd/0 passwd".to_owned(),
        "ln -s passwd passwd".to_owned(),
        "head -c 6000000 /dev/zero > passwd".to_owned(),
        format!("ln -s {}/passwd passwd", canary.path()),
        format!("ln -s {}/passwd passwd", canary.climbing()),
        format!("ln -s /proc/1/root{}/passwd passwd", canary.path()),
    ]
}

#[test]
fn a_forged_account_file_neither_stalls_nor_leads_to_the_host_s() {
    let engine = Engine::start();
    let canary = Canary::new(&engine);
    engine.ok(&["run", "-d", "--name", "c1", "-u", "0", "busybox", "sleep", "600"]);
    for forgery in forgeries(&canary) {
        // This exec finds the forgery of the round before.
        let script = format!("cd /etc; rm -rf passwd; {forgery}");
        let forge = engine.docker(&["exec", "-e", "HOME=/", "c1", "sh", "-c", &script]);
        assert_eq!(forge.code, 0, "{forge:?}");
        let named = engine.docker(&["exec", "-u", "hostonly", "c1", "id"]);
        assert_ne!(named.code, 0, "{forgery}: {named:?}");
        canary.assert_unread(&named);
        let home = engine.docker(&["exec", "-u", "4242", "c1", "sh", "-c", "echo $HOME"]);
        assert_eq!((home.code, home.text().as_str()), (0, "/"), "{forgery}: {home:?}");
    }
    let pipe = "rm -rf /etc/passwd; mkfifo /etc/passwd";
    engine.ok(&["exec", "-e", "HOME=/", "c1", "sh", "-c", pipe]);
    engine.ok(&["restart", "-t", "0", "c1"]);
    assert_eq!(engine.inspect("c1", "{{.State.Status}}"), "running");
    let copy =
        engine.docker_with(&["cp", "-a", "-", "c1:/tmp"], &testkit::ImageTar::empty().bytes());
    assert_eq!(copy.code, 0, "{copy:?}");
    engine.remove_all_containers();
    canary.assert_untouched();
    engine.assert_nothing_leaked();
}

/// CVE-2019-14271: the engine's side of `cp` loaded the container's name service libraries.
#[test]
fn nothing_of_the_container_is_loaded_by_engine_or_shim() {
    let engine = Engine::start();
    let evil = "mkdir -p /lib/x86_64-linux-gnu /lib64 /usr/lib; \
        echo 'passwd: evil files' > /etc/nsswitch.conf; \
        for d in /lib /lib64 /usr/lib /lib/x86_64-linux-gnu; do for n in evil files dns; do \
        echo evil > $d/libnss_$n.so.2; chmod 755 $d/libnss_$n.so.2; done; done; \
        echo /lib/libnss_evil.so.2 > /etc/ld.so.preload; sleep 600";
    crate::attacker(&engine, &[], evil);
    testkit::eventually("the files are there", || {
        engine.docker(&["exec", "attacker", "test", "-e", "/etc/ld.so.preload"]).code == 0
    });
    let target = engine.root().join("copied").display().to_string();
    engine.ok(&["cp", "-a", "attacker:/etc", &target]);
    engine.ok(&["cp", "-a", &target, "attacker:/tmp/back"]);
    engine.ok(&["exec", "-u", "user", "attacker", "true"]);
    for process in testkit::process::find(|_, line| line.contains(engine.root().to_str().unwrap()))
    {
        let maps = std::fs::read_to_string(format!("/proc/{}/maps", process.pid));
        assert!(!maps.unwrap_or_default().contains("libnss"), "{process:?}");
    }
    assert_eq!(sh(&engine, &["-u", "user"], "id -un").ok(), "user");
    engine.remove_all_containers();
}
