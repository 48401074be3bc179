//! Masked and read-only files of the kernel's, and what is written there on a container's behalf:
//! CVE-2025-31133 (the null device is swapped), CVE-2025-52565 (the console leads elsewhere),
//! CVE-2025-52881 (a forged `/proc` redirects writes).

use std::fs;

use testkit::{Engine, ImageTar};

use crate::{attacker, sh};

/// moby's `oci/defaults.go`.
const MASKED: [&str; 12] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

const READONLY: [&str; 5] =
    ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

fn core_pattern() -> String {
    fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap()
}

/// Prints a line for each masked path that shows anything, and `checked` at the end.
fn unmasked() -> String {
    format!(
        "for p in {}; do if [ -d $p ]; then ls -A $p | sed \"s|^|$p/|\"; \
         elif [ -e $p ]; then head -c 1 $p | wc -c | grep -v '^0$'; \
         echo x 2>/dev/null > $p; head -c 1 $p | wc -c | grep -v '^0$'; fi; done; echo checked",
        MASKED.join(" ")
    )
}

#[test]
fn the_lists_are_docker_s_and_every_path_on_them_is_closed() {
    let engine = Engine::start();
    engine.ok(&["create", "--name", "c1", "busybox"]);
    let host = engine.get("/containers/c1/json")["HostConfig"].clone();
    let list = |name: &str| {
        let all: Vec<_> =
            host[name].as_array().unwrap().iter().map(|p| p.as_str().unwrap()).collect();
        let mut all: Vec<_> = all
            .into_iter()
            .filter(|path| !path.ends_with("/thermal_throttle"))
            .map(str::to_owned)
            .collect();
        all.sort();
        all
    };
    assert_eq!(list("MaskedPaths"), MASKED);
    assert_eq!(list("ReadonlyPaths"), READONLY);
    for flags in [&[][..], &["--cap-add", "ALL"], &["-t"], &["--read-only"]] {
        assert_eq!(sh(&engine, flags, &unmasked()).ok(), "checked", "{flags:?}");
        let write = "for f in /proc/sys/kernel/core_pattern /proc/sysrq-trigger \
            /proc/irq/default_smp_affinity; do [ -e $f ] || continue; \
            (echo h > $f) 2>/dev/null && echo wrote $f; done; \
            mkdir /sys/fs/cgroup/x 2>/dev/null && echo made; \
            (echo 1 > /sys/kernel/uevent_helper) 2>/dev/null && echo wrote; echo tried";
        assert_eq!(sh(&engine, flags, write).ok(), "tried", "{flags:?}");
    }
    let mounts = sh(&engine, &[], "cat /proc/self/mountinfo").ok();
    let is_read_only = |path: &str| {
        mounts.lines().any(|line| {
            let mut fields = line.split(' ').skip(4);
            fields.next() == Some(path) && fields.next().is_some_and(|o| o.starts_with("ro"))
        })
    };
    for path in ["/sys", "/proc/sys", "/proc/sysrq-trigger", "/sys/fs/cgroup"] {
        let is_there = std::path::Path::new(path).exists();
        assert!(!is_there || is_read_only(path), "{path}: {mounts}");
    }
}

#[test]
fn a_swapped_null_device_masks_nothing_with_something_else() {
    let engine = Engine::start();
    let before = core_pattern();
    let swap = "while :; do for t in /proc/sys/kernel/core_pattern /proc/sysrq-trigger /etc/passwd; \
        do ln -sf $t /d/null; done; rm -f /d/null; mknod -m 666 /d/null c 1 3; rm -f /d/null; \
        mknod /d/null c 1 5; rm -f /d/null; echo file > /d/null; done";
    attacker(&engine, &["-v", "shared:/d"], swap);
    for _ in 0..6 {
        // Without devices of its own it may not start; if it does, all is masked.
        let run = sh(&engine, &["-v", "shared:/dev"], &unmasked());
        assert!(run.code != 0 || run.text() == "checked", "{run:?}");
    }
    engine.ok(&["rm", "-f", "attacker"]);
    for target in ["/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/etc/passwd"] {
        let link = format!("rm -rf /d/*; ln -s {target} /d/null");
        let _ = sh(&engine, &["-v", "shared:/d"], &link).ok();
        let run = sh(&engine, &["-v", "shared:/dev"], &unmasked());
        assert!(run.code != 0 || run.text() == "checked", "{run:?}");
    }
    assert_eq!(core_pattern(), before);
}

#[test]
fn a_console_that_leads_elsewhere_opens_nothing() {
    let engine = Engine::start();
    let before = core_pattern();
    let prepare = "mkdir -p /d/pts; ln -sf /proc/sys/kernel/core_pattern /d/console; \
        ln -sf /proc/sys/kernel/core_pattern /d/ptmx; ln -sf /proc/sysrq-trigger /d/pts/0; \
        ln -sf /proc/sys/kernel/core_pattern /d/pts/ptmx";
    let _ = sh(&engine, &["-v", "shared:/d"], prepare).ok();
    let write = "echo owned > /dev/console; echo owned > /dev/pts/0; \
        echo owned > /proc/sys/kernel/core_pattern; true";
    for flags in [
        &["-t", "-v", "shared:/dev"][..],
        &["-t", "--tmpfs", "/dev/pts"],
        &["-t", "-v", "shared:/dev/pts"],
        &["-t"],
    ] {
        let run = sh(&engine, flags, write);
        assert!(run.code == 0 || run.code >= 125, "{run:?}");
        assert_eq!(core_pattern(), before, "{flags:?}");
    }
    let swap = "while :; do ln -sf /proc/sys/kernel/core_pattern /d/console; rm -f /d/console; \
        echo > /d/console; rm -f /d/console; done";
    attacker(&engine, &["-v", "console:/d"], swap);
    for _ in 0..4 {
        let _ = sh(&engine, &["-t", "-v", "console:/dev"], write);
        assert_eq!(core_pattern(), before);
    }
    engine.remove_all_containers();
}

#[test]
fn a_forged_proc_takes_no_write_of_the_engine_s() {
    let engine = Engine::start();
    let forge = "mkdir -p /v/sys/net/ipv4 /v/self/attr/apparmor /v/1 /v/thread-self/attr; \
        for f in sys/net/ipv4/ip_default_ttl self/attr/exec self/attr/apparmor/exec \
        thread-self/attr/exec self/oom_score_adj 1/oom_score_adj; do echo untouched > /v/$f; done";
    let _ = sh(&engine, &["-v", "shared:/v"], forge).ok();
    let writes = ["--sysctl", "net.ipv4.ip_default_ttl=77", "--oom-score-adj", "500"];
    engine.import("forged", ImageTar::busybox().link("proc", "/v"), &[]);
    engine.import("linked", ImageTar::busybox().link("way", "/proc/sys"), &[]);
    for (image, mount) in [
        ("busybox", ["-v", "shared:/proc"]),
        ("busybox", ["-v", "shared:/proc/sys/net"]),
        ("busybox", ["-v", "shared:/proc/self/attr"]),
        ("busybox", ["--tmpfs", "/proc"]),
        ("busybox", ["--tmpfs", "/proc/acpi"]),
        ("forged", ["-v", "shared:/v"]),
        ("linked", ["-v", "shared:/way"]),
    ] {
        let mut arguments = vec!["run", "--rm"];
        arguments.extend(writes);
        arguments.extend(mount);
        arguments.extend([image, "true"]);
        let run = engine.docker(&arguments);
        assert!(run.code >= 125, "{run:?}");
    }
    let state = "find /v -type f | while read f; do cat $f; done | sort -u";
    assert_eq!(sh(&engine, &["-v", "shared:/v"], state).ok(), "untouched");
    let real = "cat /proc/sys/net/ipv4/ip_default_ttl /proc/self/oom_score_adj";
    assert_eq!(sh(&engine, &writes, real).ok(), "77\n500");
    let figures = engine.root().join("meminfo");
    fs::write(&figures, "MemTotal: 1 kB\n").unwrap();
    let bind = format!("{}:/proc/meminfo", figures.display());
    assert_eq!(sh(&engine, &["-v", &bind], "cat /proc/meminfo").ok(), "MemTotal: 1 kB");
    let run = sh(&engine, &["-v", "/proc:/proc", "--pid", "host"], "cat /proc/1/comm");
    assert_eq!(run.code, 0, "{run:?}");
}

/// Two containers race over a volume in which one has its mount points.
#[test]
fn a_shared_volume_moves_no_mount_out_of_a_container() {
    let engine = Engine::start();
    let canary = crate::canary::Canary::new(&engine);
    let swap = format!(
        "mkdir -p /s/a /s/b; ln -s /proc /s/proc; ln -s {} /s/out; ln -s /proc/sys /s/sys; while :; \
         do for l in proc out sys; do mv /s/a /s/keep; mv /s/$l /s/a; mv /s/a /s/$l; \
         mv /s/keep /s/a; done; done",
        canary.path()
    );
    attacker(&engine, &["-v", "shared:/s"], &swap);
    for _ in 0..8 {
        let flags =
            ["-v", "shared:/s", "-v", "inner:/s/a", "--tmpfs", "/s/b/../a/t", "-w", "/s/a/w"];
        let run = sh(&engine, &flags, &format!("cat {}/secret; {}", canary.path(), unmasked()));
        canary.assert_unread(&run);
        assert!(run.code >= 125 || run.text() == "checked", "{run:?}");
    }
    engine.remove_all_containers();
    canary.assert_untouched();
}
