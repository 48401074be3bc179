//! `kill -9` of the engine at random instants: what was acknowledged stands, what ran runs, and
//! nothing is left behind.
//!
//! `GANTRY_TEST_CRASHES` says how many kills (default 25), `GANTRY_TEST_SEED` repeats a run.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, in its helpers too")]

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use testkit::{Engine, ImageTar, Random, client, image_tar::root, process, random::count_from_env};

/// What the engine has acknowledged of one container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Created,
    /// Runs with this pid.
    Running(i32),
    /// Ended with this code.
    Exited(i32),
    Removed,
    /// An operation was cut off: either side of it is right.
    Unsure,
}

type Ledger = Mutex<BTreeMap<String, Known>>;

struct Worker<'a> {
    engine: &'a Engine,
    ledger: &'a Ledger,
    is_over: &'a AtomicBool,
}

impl Worker<'_> {
    fn docker(&self, arguments: &[&str]) -> Option<String> {
        let output = client::run(self.engine.command("docker", arguments), &[]);
        (output.code == 0).then(|| output.text())
    }

    fn note(&self, name: &str, known: Known) {
        self.ledger.lock().unwrap().insert(name.to_owned(), known);
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    /// Does one acknowledged step; a failure leaves the container unsure and ends its life here.
    fn step(&self, name: &str, arguments: &[&str], then: Known) -> Option<()> {
        self.note(name, Known::Unsure);
        self.docker(arguments)?;
        self.note(name, then);
        Some(())
    }

    fn life(&self, name: &str) -> Option<()> {
        let script = "trap 'exit 33' TERM; while :; do sleep 0.02; done";
        let create = [
            "create",
            "--name",
            name,
            "-p",
            "127.0.0.1::80",
            "-v",
            "/data",
            "busybox",
            "sh",
            "-c",
            script,
        ];
        self.step(name, &create, Known::Created)?;
        self.step(name, &["start", name], Known::Unsure)?;
        let pid = self.docker(&["inspect", "-f", "{{.State.Pid}}", name])?;
        self.note(name, Known::Running(pid.parse().unwrap()));
        // Half the containers stay as they are.
        if name.ends_with(['1', '3', '5', '7', '9']) || self.is_over() {
            return Some(());
        }
        self.step(name, &["stop", "-t", "5", name], Known::Exited(33))?;
        if name.ends_with(['0', '4']) {
            return Some(());
        }
        self.step(name, &["rm", "-v", name], Known::Removed)
    }
}

/// Checks every acknowledgement against the restarted engine.
fn check(engine: &Engine, ledger: &BTreeMap<String, Known>) {
    let listing = engine.ok(&["ps", "-a", "--format", "{{.Names}}"]);
    let names: Vec<_> = listing.lines().collect();
    let state = |name: &str| {
        assert!(names.contains(&name), "{name} is lost; {listing}");
        engine.inspect(name, "{{.State.Status}} {{.State.Pid}} {{.State.ExitCode}}")
    };
    for (name, known) in ledger {
        match known {
            Known::Created => assert_eq!(state(name), "created 0 0", "{name}"),
            Known::Running(pid) => {
                assert!(process::is_alive(*pid), "{name} was killed with the engine");
                assert_eq!(state(name), format!("running {pid} 0"), "{name}");
            }
            Known::Exited(code) => assert_eq!(state(name), format!("exited 0 {code}"), "{name}"),
            Known::Removed => assert!(!names.contains(&name.as_str()), "{name} is back"),
            Known::Unsure if names.contains(&name.as_str()) => {
                let state = state(name);
                let mut words = state.split(' ');
                let (status, pid) = (words.next().unwrap(), words.next().unwrap());
                let is_alive = process::is_alive(pid.parse().unwrap());
                assert_eq!(status == "running", is_alive, "{name}: {state}");
            }
            Known::Unsure => {}
        }
    }
}

#[test]
fn a_killed_engine_forgets_nothing_it_has_acknowledged() {
    let engine = Engine::start();
    let mut random = Random::announced();
    for round in 0..count_from_env("GANTRY_TEST_CRASHES", 25) {
        let (ledger, is_over) = (Ledger::default(), AtomicBool::new(false));
        let delay = Duration::from_millis(random.below(600));
        thread::scope(|scope| {
            for number in 0..2 {
                let worker = Worker { engine: &engine, ledger: &ledger, is_over: &is_over };
                scope.spawn(move || {
                    for life in 0.. {
                        let name = format!("r{round}w{number}l{life}");
                        if worker.is_over() || worker.life(&name).is_none() {
                            break;
                        }
                    }
                });
            }
            thread::sleep(delay);
            is_over.store(true, Ordering::SeqCst);
            engine.kill();
        });
        engine.start_again();
        println!(
            "round {round}: killed after {delay:?}, {} containers",
            ledger.lock().unwrap().len()
        );
        check(&engine, &ledger.lock().unwrap());
        let sample = engine.ok(&["ps", "-q"]);
        if let Some(id) = sample.lines().next() {
            assert_eq!(engine.ok(&["exec", id, "echo", "alive"]), "alive");
        }
        engine.remove_all_containers();
        engine.assert_nothing_leaked();
        assert_eq!(engine.ok(&["volume", "ls", "-q"]), "", "anonymous volumes are left");
        assert_eq!(engine.ok(&["run", "--rm", "busybox", "echo", "well"]), "well");
    }
}

#[test]
fn a_load_that_was_cut_off_can_be_repeated_and_leaves_no_half() {
    let engine = Engine::start();
    let mut random = Random::announced();
    let noise: Vec<u8> = (0..4 << 20).map(|_| u8::try_from(random.below(256)).unwrap()).collect();
    let layer = ImageTar::busybox().file("noise", &noise, root(0o644));
    engine.import("big", layer, &["CMD [\"sh\"]"]);
    let saved = client::run(engine.command("docker", &["save", "big"]), &[]);
    assert_eq!(saved.code, 0, "{saved:?}");
    engine.ok(&["rmi", "big"]);
    for round in 0..count_from_env("GANTRY_TEST_CRASHES", 25) / 3 + 1 {
        let delay = Duration::from_millis(random.below(400));
        println!("round {round}: killed after {delay:?}");
        let is_loaded = thread::scope(|scope| {
            let command = engine.command("docker", &["load"]);
            let load = scope.spawn(|| client::run(command, &saved.stdout));
            thread::sleep(delay);
            engine.kill();
            load.join().unwrap().code == 0
        });
        engine.start_again();
        let has_image = engine.docker(&["image", "inspect", "big"]).code == 0;
        assert!(has_image || !is_loaded, "a load that was acknowledged is lost");
        let load = engine.docker_with(&["load"], &saved.stdout);
        assert!(load.ok().contains("Loaded image: big:latest"), "{load:?}");
        assert_eq!(
            engine.ok(&["run", "--rm", "big", "wc", "-c", "/noise"]),
            format!("{} /noise", noise.len())
        );
        engine.ok(&["rmi", "big"]);
    }
    engine.assert_nothing_leaked();
}
