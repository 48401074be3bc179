//! CVE-2019-5736: a container that writes to the engine's programs through `/proc/PID/exe`.

use std::{collections::BTreeMap, fs};

use testkit::{Engine, ImageTar, image_tar::root};

/// Content of all programs that may run on a container's behalf.
fn programs() -> BTreeMap<String, Vec<u8>> {
    let dir = testkit::engine::binaries();
    let names = ["gantryd", "gantry-shim", "gantry-logger", "gantry-init"];
    let read = |name: &str| Some((name.to_owned(), fs::read(dir.join(name)).ok()?));
    names.iter().filter_map(|name| read(name)).collect()
}

/// Tries every process that it sees, for as long as it lives.
const OVERWRITE: &str = "while :; do for exe in /proc/[0-9]*/exe; do case $exe in /proc/$$/exe) \
    continue;; esac; (echo overwritten > $exe && touch /won) 2>/dev/null; done; done";

#[test]
fn an_entry_point_that_is_the_runtime_itself_gets_no_hold_of_it() {
    let engine = Engine::start();
    let before = programs();
    let interpreter = ImageTar::busybox().file("script", b"#!/proc/self/exe\n", root(0o755));
    engine.import("script", interpreter.link("self", "/proc/self/exe"), &[]);
    for program in ["/proc/self/exe", "/self", "/script", "/proc/1/exe", "/proc/self/fd/3"] {
        let run = engine.docker(&["run", "--rm", "--entrypoint", program, "script", "--help"]);
        assert!(run.code != 0 || !run.stderr.is_empty() || !run.stdout.is_empty(), "{run:?}");
    }
    engine.ok(&["run", "-d", "--name", "c1", "--init", "script", "sleep", "600"]);
    for program in ["/proc/self/exe", "/self", "/script"] {
        let run = engine.docker(&["exec", "c1", program, "--help"]);
        assert!(run.code != 0 || !run.stderr.is_empty() || !run.stdout.is_empty(), "{run:?}");
    }
    for path in ["/proc/1/exe", "/sbin/docker-init"] {
        let script = format!("echo overwritten > {path}");
        assert_ne!(engine.docker(&["exec", "c1", "sh", "-c", &script]).code, 0, "{path}");
    }
    engine.remove_all_containers();
    assert!(programs() == before, "a program of the host was changed");
}

#[test]
fn nobody_in_a_container_can_write_to_the_program_that_joins_it() {
    let engine = Engine::start();
    let before = programs();
    for flags in [&[][..], &["--cap-add", "SYS_PTRACE", "--security-opt", "seccomp=unconfined"]] {
        crate::attacker(&engine, flags, OVERWRITE);
        for _ in 0..12 {
            engine.ok(&["exec", "attacker", "true"]);
        }
        assert_ne!(engine.docker(&["exec", "attacker", "test", "-e", "/won"]).code, 0, "{flags:?}");
        engine.ok(&["rm", "-f", "attacker"]);
    }
    assert!(programs() == before, "a program of the host was changed");
    engine.assert_nothing_leaked();
}
