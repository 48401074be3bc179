//! What a container's processes are left with: capabilities, filter, keys.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use testkit::{Engine, ImageTar, image_tar::root};

use crate::sh;

const STATUS: &str = "grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status | tr -d '\\t'";
const DEFAULT: &str = "00000000a80425fb";
const NONE: &str = "0000000000000000";

fn status(effective: &str, bounding: &str, no_new_privs: u8) -> String {
    format!(
        "CapInh:{NONE}\nCapPrm:{effective}\nCapEff:{effective}\nCapBnd:{bounding}\nCapAmb:{NONE}\n\
         NoNewPrivs:{no_new_privs}\nSeccomp:2"
    )
}

#[test]
fn capabilities_filter_and_privileges_bound_run_and_exec_alike() {
    let engine = Engine::start();
    for (flags, expected) in [
        (&[][..], status(DEFAULT, DEFAULT, 0)),
        (&["-u", "user"], status(NONE, DEFAULT, 0)),
        (&["--cap-drop", "ALL"], status(NONE, NONE, 0)),
        (&["--security-opt", "no-new-privileges"], status(DEFAULT, DEFAULT, 1)),
    ] {
        assert_eq!(sh(&engine, flags, STATUS).ok(), expected, "{flags:?}");
        let mut run = vec!["run", "-d", "--name", "c1"];
        run.extend(flags);
        run.extend(["busybox", "sleep", "600"]);
        engine.ok(&run);
        assert_eq!(engine.ok(&["exec", "c1", "sh", "-c", STATUS]), expected, "exec {flags:?}");
        engine.ok(&["rm", "-f", "c1"]);
    }
}

#[test]
fn a_volume_keeps_set_id_programs_as_docker_s_do() {
    let engine = Engine::start();
    let mounts = sh(&engine, &["-v", "vol:/v"], "grep ' /v ' /proc/self/mountinfo").ok();
    let options = mounts.split(' ').nth(5).unwrap_or_default();
    assert!(!options.contains("nosuid") && !options.contains("nodev"), "{mounts}");
    let _ = sh(&engine, &["-v", "vol:/v"], "cp /bin/busybox /v/b; chmod 4755 /v/b").ok();
    let mode = sh(&engine, &["-v", "vol:/v", "-u", "user"], "stat -c %a:%u /v/b").ok();
    assert_eq!(mode, "4755:0");
}

/// A program that writes the serial number of its session keyring, or the negative error number,
/// as eight bytes: `keyctl(KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0)`.
#[cfg(target_arch = "x86_64")]
fn session_program() -> Vec<u8> {
    const CODE: &[u8] = &[
        0xb8, 0xfa, 0, 0, 0, // mov eax, 250
        0x31, 0xff, // xor edi, edi
        0x48, 0xc7, 0xc6, 0xfd, 0xff, 0xff, 0xff, // mov rsi, -3
        0x31, 0xd2, // xor edx, edx
        0x0f, 0x05, // syscall
        0x50, // push rax
        0xb8, 1, 0, 0, 0, // mov eax, 1 (write)
        0xbf, 1, 0, 0, 0, // mov edi, 1
        0x48, 0x89, 0xe6, // mov rsi, rsp
        0xba, 8, 0, 0, 0, // mov edx, 8
        0x0f, 0x05, // syscall
        0xb8, 60, 0, 0, 0, // mov eax, 60 (exit)
        0x31, 0xff, // xor edi, edi
        0x0f, 0x05, // syscall
    ];
    let size = 120 + CODE.len() as u64;
    let mut elf = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let half =
        |elf: &mut Vec<u8>, all: &[u16]| all.iter().for_each(|n| elf.extend(n.to_le_bytes()));
    let word =
        |elf: &mut Vec<u8>, all: &[u64]| all.iter().for_each(|n| elf.extend(n.to_le_bytes()));
    half(&mut elf, &[2, 62, 1, 0]); // executable, x86-64, version
    word(&mut elf, &[0x40_0078, 64, 0]); // entry, program headers, sections
    half(&mut elf, &[0, 0, 64, 56, 1, 0, 0, 0]);
    half(&mut elf, &[1, 0, 5, 0]); // loaded, readable and executable
    word(&mut elf, &[0, 0x40_0000, 0x40_0000, size, size, 0x1000]);
    elf.extend(CODE);
    elf
}

#[cfg(target_arch = "x86_64")]
#[test]
fn no_keyring_is_shared_and_none_is_reached_through_the_filter() {
    let engine = Engine::start();
    let program = session_program();
    let own = engine.root().join("session");
    fs::write(&own, &program).unwrap();
    fs::set_permissions(&own, PermissionsExt::from_mode(0o755)).unwrap();
    let number = |bytes: &[u8]| i64::from_le_bytes(bytes.try_into().unwrap());
    let host = number(&Command::new(&own).output().unwrap().stdout);
    engine.import("session", ImageTar::busybox().file("session", &program, root(0o755)), &[]);
    let filtered = engine.docker(&["run", "--rm", "session", "/session"]);
    assert_eq!(number(&filtered.stdout), -1, "{filtered:?}");
    let free = ["--security-opt", "seccomp=unconfined", "session"];
    let mut seen = vec![host];
    for name in ["one", "two"] {
        let mut run = vec!["run", "-d", "--name", name];
        run.extend(free);
        run.extend(["sh", "-c", "/session > /serial; sleep 600"]);
        engine.ok(&run);
        testkit::eventually("the number is there", || {
            engine.docker(&["exec", name, "test", "-s", "/serial"]).code == 0
        });
        for command in [&["cat", "/serial"][..], &["/session"]] {
            let mut exec = vec!["exec", name];
            exec.extend(command);
            let serial = number(&engine.docker(&exec).stdout);
            assert!(serial > 0 && !seen.contains(&serial), "{serial} in {seen:?}");
            seen.push(serial);
        }
    }
    engine.remove_all_containers();
}
