//! The foreground: terminals, signals, descriptors.

use std::{
    fs::File,
    io::{Read, Write},
    os::fd::OwnedFd,
    process::{Child, Command, Stdio},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize},
};

use crate::bundle::{Bundle, GANTRY, text};

/// A terminal with a program of ours on it.
struct Seat {
    controller: File,
    device: OwnedFd,
    child: Child,
}

impl Seat {
    fn new(bundle: &Bundle, args: &[&str]) -> Self {
        let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&controller).unwrap();
        unlockpt(&controller).unwrap();
        let name = ptsname(&controller, Vec::new()).unwrap();
        let device: OwnedFd =
            File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap().into();
        let stream = || Stdio::from(device.try_clone().unwrap());
        resize(&device, 91, 30);
        let child = Command::new(GANTRY)
            .arg("--root")
            .arg(bundle.directory.join("state"))
            .args(args)
            .stdin(stream())
            .stdout(stream())
            .stderr(stream())
            .spawn()
            .unwrap();
        Self { controller: controller.into(), device, child }
    }

    /// Reads until `expected` has come.
    fn expect(&mut self, expected: &str) {
        let mut seen = String::new();
        while !seen.contains(expected) {
            let mut places = [PollFd::new(&self.controller, PollFlags::IN)];
            let limit = Timespec { tv_sec: 30, tv_nsec: 0 };
            let ready = rustix::event::poll(&mut places, Some(&limit)).unwrap();
            assert_eq!(ready, 1, "{expected:?} did not come after {seen:?}");
            let mut bytes = [0; 1024];
            let count = self.controller.read(&mut bytes).unwrap();
            seen.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
    }

    fn is_canonical(&self) -> bool {
        tcgetattr(&self.device).unwrap().local_modes.contains(LocalModes::ICANON)
    }
}

fn resize(device: &OwnedFd, columns: u16, rows: u16) {
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(device, size).unwrap();
}

const DIALOGUE: &str = "stty size; while read word; do stty size; echo got-$word; \
                        [ $word = end ] && exit 7; done";

fn hold_dialogue(bundle: &Bundle, args: &[&str]) {
    let mut seat = Seat::new(bundle, args);
    seat.expect("30 91");
    assert!(!seat.is_canonical());
    seat.controller.write_all(b"one\r").unwrap();
    seat.expect("got-one");
    resize(&seat.device, 60, 20);
    rustix::process::kill_process(
        rustix::process::Pid::from_child(&seat.child),
        rustix::process::Signal::WINCH,
    )
    .unwrap();
    seat.controller.write_all(b"two\r").unwrap();
    seat.expect("20 60\r\ngot-two");
    seat.controller.write_all(b"end\r").unwrap();
    assert_eq!(seat.child.wait().unwrap().code(), Some(7));
    assert!(seat.is_canonical());
}

#[test]
fn run_relays_the_callers_terminal_and_gives_it_back() {
    let bundle = Bundle::new("tty", &["sh", "-c", DIALOGUE]);
    bundle.configure(|config| config["process"]["terminal"] = true.into());
    hold_dialogue(&bundle, &["run", "--bundle", bundle.path(), &bundle.id]);
}

#[test]
fn exec_relays_the_callers_terminal_and_gives_it_back() {
    let bundle = Bundle::new("exectty", &["sleep", "1000"]);
    bundle.create();
    assert!(bundle.gantry(&["start", &bundle.id]).status.success());
    hold_dialogue(&bundle, &["exec", "--tty", &bundle.id, "sh", "-c", DIALOGUE]);
    let detached = bundle.gantry(&["exec", "--tty", "--detach", &bundle.id, "sh"]);
    assert!(String::from_utf8_lossy(&detached.stderr).contains("cannot allocate tty"));
}

#[test]
fn signals_go_to_the_process() {
    let script = "trap 'echo caught; exit 5' TERM; echo ready; while :; do sleep 0.01; done";
    let bundle = Bundle::new("signals", &["sh", "-c", script]);
    let mut child = Command::new(GANTRY)
        .arg("--root")
        .arg(bundle.directory.join("state"))
        .args(["run", "--bundle", bundle.path(), &bundle.id])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = child.stdout.take().unwrap();
    let mut line = [0; 6];
    output.read_exact(&mut line).unwrap();
    assert_eq!(&line, b"ready\n");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    assert_eq!((rest.as_str(), child.wait().unwrap().code()), ("caught\n", Some(5)));
}

#[test]
fn descriptors_are_inherited_as_far_as_asked_and_no_further() {
    let script = "cat <&3; cat <&4 2>/dev/null || echo closed; echo $LISTEN_FDS $LISTEN_PID";
    let bundle = Bundle::new("descriptors", &["sh", "-c", script]);
    let run = |shell: &str| {
        let output = Command::new("bash")
            .args(["-c", shell, GANTRY, bundle.path(), &bundle.id])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        (text(&output), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let open = "exec 3< <(echo three) 4< <(echo four);";
    let command = "\"$0\" --root \"$1/state\" run --bundle \"$1\"";
    let (preserved, _) = run(&format!("{open} {command} --preserve-fds 1 \"$2\""));
    assert_eq!(preserved, "three\nclosed\n\n");
    let listening = format!("{open} LISTEN_FDS=2 LISTEN_PID=$$ exec {command} \"$2\"");
    assert_eq!(run(&listening).0, "three\nfour\n2 1\n");
    let missing = run(&format!("{command} --preserve-fds 1 \"$2\""));
    assert!(missing.1.contains("cannot preserve descriptor 3"), "{missing:?}");
}

#[test]
fn processes_and_usage_are_told() {
    let bundle = Bundle::new("usage", &["sleep", "1000"]);
    bundle.create();
    assert!(bundle.gantry(&["start", &bundle.id]).status.success());
    let processes = text(&bundle.gantry(&["ps", &bundle.id]));
    let lines: Vec<&str> = processes.lines().collect();
    assert_eq!(lines.len(), 2, "{processes}");
    assert!(lines[0].contains("PID") && lines[1].contains("sleep 1000"), "{processes}");
    let stats = bundle.gantry(&["events", "--stats", &bundle.id]);
    let stats: serde_json::Value = serde_json::from_slice(&stats.stdout).unwrap();
    assert_eq!((&stats["type"], &stats["id"]), (&"stats".into(), &bundle.id.as_str().into()));
    assert_eq!(stats["data"]["pids"]["current"], 1);
    assert!(stats["data"]["memory"]["usage"]["usage"].as_u64() > Some(0));
}

#[test]
fn exec_takes_its_cpus_environment_and_cgroup() {
    let bundle = Bundle::new("execopts", &["sleep", "1000"]);
    bundle.configure(|config| {
        config["process"]["execCPUAffinity"] = serde_json::json!({"initial": "0", "final": "0"});
    });
    bundle.create();
    assert!(bundle.gantry(&["start", &bundle.id]).status.success());
    let below = format!("/sys/fs/cgroup/pids/{}/below", bundle.id);
    std::fs::create_dir(&below).unwrap();
    let script =
        "grep Cpus_allowed_list /proc/self/status; echo $PATH; grep pids /proc/self/cgroup";
    let output = bundle.gantry(&[
        "exec",
        "--env",
        "PATH=/bin",
        "--cgroup",
        "pids:below",
        &bundle.id,
        "sh",
        "-c",
        script,
    ]);
    let text = text(&output);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0].split_whitespace().last(), Some("0"), "{output:?}");
    assert_eq!(lines[1], "/bin");
    assert!(lines[2].ends_with(":pids:/below"), "{text}");
}
