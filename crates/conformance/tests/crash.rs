//! `kill -9` of the engine at random instants: what was acknowledged stands, what ran runs, no
//! image is half there, and nothing is left behind.
//!
//! `GANTRY_TEST_CRASHES` says how many kills (default 100), `GANTRY_TEST_SEED` repeats a run's
//! choices.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, in its helpers too")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use serde_json::{Value, json};
use testkit::{
    Accounting, Engine, Hub, ImageTar, Random, accounting::names, client, eventually,
    image_tar::root, process, random::count_from_env,
};

/// How long an engine lives at most, and one of eight of them.
const LIFE_MILLIS: [u64; 2] = [300, 1000];
/// Every so many kills everything is removed and counted.
const ROUNDS_BETWEEN_COUNTS: u64 = 10;

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

/// What the engine has acknowledged of the image that is pulled and removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    Here,
    Gone,
    Unsure,
}

#[derive(Default)]
struct Ledger(Mutex<BTreeMap<String, Known>>);

impl Ledger {
    fn note(&self, name: &str, known: Known) {
        self.0.lock().unwrap().insert(name.to_owned(), known);
    }
}

/// One client that lives until the engine dies.
struct Worker<'a> {
    engine: &'a Engine,
    ledger: &'a Ledger,
    is_over: &'a AtomicBool,
    random: Random,
}

impl Worker<'_> {
    /// Does one step; a connection that breaks leaves the container unsure and ends the worker.
    fn step(&self, name: &str, method: &str, path: &str, body: &Value) -> Option<Value> {
        let former = self.ledger.0.lock().unwrap().insert(name.to_owned(), Known::Unsure);
        let answer = match self.engine.request(method, path, body) {
            Ok(answer) => answer,
            Err(error) => {
                if was_never_made(&error) {
                    self.ledger.note(name, former.unwrap_or(Known::Removed));
                }
                return None;
            }
        };
        assert!(answer.is_done(), "refused: {answer:?}");
        Some(answer.json())
    }

    fn life(&mut self, name: &str) -> Option<()> {
        let script = "trap 'exit 33' TERM; while :; do sleep 0.02; done";
        let port = json!([{"HostIp": "127.0.0.1", "HostPort": ""}]);
        let request = json!({
            "Image": "busybox", "Cmd": ["sh", "-c", script], "Volumes": {"/data": {}},
            "HostConfig": {"PortBindings": {"80/tcp": port}},
        });
        let end = self.random.below(5);
        let path = |rest: &str| format!("/containers/{name}{rest}");
        self.step(name, "POST", &format!("/containers/create?name={name}"), &request)?;
        self.ledger.note(name, Known::Created);
        if end == 0 {
            return Some(());
        }
        self.step(name, "POST", &path("/start"), &Value::Null)?;
        let document = self.step(name, "GET", &path("/json"), &Value::Null)?;
        let pid = document["State"]["Pid"].as_i64().unwrap();
        self.ledger.note(name, Known::Running(i32::try_from(pid).unwrap()));
        if end == 1 {
            return Some(());
        }
        if end == 2 {
            self.step(name, "DELETE", &path("?force=1&v=1"), &Value::Null)?;
        } else {
            self.step(name, "POST", &path("/stop?t=5"), &Value::Null)?;
            self.ledger.note(name, Known::Exited(33));
            if end == 3 {
                return Some(());
            }
            self.step(name, "DELETE", &path("?v=1"), &Value::Null)?;
        }
        self.ledger.note(name, Known::Removed);
        Some(())
    }

    fn lives(mut self, prefix: &str) {
        for life in 0.. {
            if self.is_over.load(Ordering::SeqCst)
                || self.life(&format!("{prefix}l{life}")).is_none()
            {
                break;
            }
        }
    }
}

/// An image on a hub, and what its content must be.
struct Remote {
    _hub: Hub,
    name: String,
    sum: String,
    /// Blobs and layers of the engine without it.
    before: [BTreeSet<String>; 2],
}

impl Remote {
    /// Three layers that do not compress.
    fn push(engine: &Engine, random: &mut Random) -> Self {
        let hub = Hub::start();
        let before = stored(engine);
        let base = ImageTar::busybox().file("noise0", &noise(random, 700_000), root(0o644));
        engine.import("big", base, &["CMD [\"sh\"]"]);
        for layer in 1..3 {
            let script = format!("head -c 700000 /dev/urandom > /noise{layer}");
            engine.ok(&["run", "--name", "maker", "big", "sh", "-c", &script]);
            engine.ok(&["commit", "maker", "big"]);
            engine.ok(&["rm", "maker"]);
        }
        let sum = sum(engine, "big");
        let name = hub.take(engine, "big", "big");
        engine.ok(&["rmi", "big"]);
        engine.ok(&["image", "prune", "-f"]);
        assert_eq!(stored(engine), before);
        Self { _hub: hub, name, sum, before }
    }

    /// Pulls and removes until the engine dies, or rests at a random point; says what was acknowledged last.
    fn come_and_go(&self, engine: &Engine, mut random: Random) -> Presence {
        let (repository, tag) = (&self.name, "latest");
        let pull = format!("/images/create?fromImage={repository}&tag={tag}");
        let remove = format!("/images/{repository}:{tag}");
        loop {
            let answer = match engine.request("POST", &pull, &Value::Null) {
                Ok(answer) => answer,
                Err(_) => return Presence::Unsure,
            };
            let lines = answer.json_lines();
            let error = lines.iter().find_map(|line| line.get("error"));
            assert!(answer.is_done() && error.is_none(), "{answer:?}");
            let is_whole = lines.last().and_then(|line| line["status"].as_str());
            if !is_whole.is_some_and(|status| status.starts_with("Status: ")) {
                return Presence::Unsure;
            }
            if random.below(3) == 0 {
                return Presence::Here;
            }
            match engine.request("DELETE", &remove, &Value::Null) {
                Ok(answer) => assert!(answer.is_done(), "{answer:?}"),
                Err(_) => return Presence::Unsure,
            }
            if random.below(3) == 0 {
                return Presence::Gone;
            }
        }
    }

    fn check(&self, engine: &Engine, presence: Presence) {
        let answer = engine.request("GET", &format!("/images/{}/json", self.name), &Value::Null);
        let is_here = match answer.unwrap().status {
            200 => true,
            404 => false,
            other => panic!("{other}"),
        };
        match presence {
            Presence::Here => assert!(is_here, "an acknowledged pull is lost"),
            Presence::Gone => assert!(!is_here, "a removed image is back"),
            Presence::Unsure if is_here => assert_eq!(sum(engine, &self.name), self.sum),
            Presence::Unsure => {}
        }
        for dir in names(&engine.data_root().join("content/ingest")) {
            let key = engine.data_root().join("content/ingest").join(dir).join("ref");
            let key = fs::read_to_string(&key).unwrap();
            assert!(key.starts_with("sha256:"), "nobody will go on with the ingest {key}");
        }
    }

    /// A pull goes on and ends whole; a removal then leaves what there was before.
    fn settle(&self, engine: &Engine) {
        engine.ok(&["pull", "-q", &self.name]);
        assert_eq!(sum(engine, &self.name), self.sum);
        engine.ok(&["rmi", &self.name]);
        assert_eq!(stored(engine), self.before, "blobs or layers are left");
        let ingests = names(&engine.data_root().join("content/ingest"));
        assert!(ingests.is_empty(), "ingests are left: {ingests:?}");
    }
}

/// Whether the engine was gone before it could hear of the request.
fn was_never_made(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound)
}

fn noise(random: &mut Random, size: usize) -> Vec<u8> {
    (0..size).map(|_| u8::try_from(random.below(256)).unwrap()).collect()
}

fn sum(engine: &Engine, image: &str) -> String {
    engine.ok(&["run", "--rm", "--network", "none", image, "sh", "-c", "cat /noise* | sha256sum"])
}

fn stored(engine: &Engine) -> [BTreeSet<String>; 2] {
    ["content/blobs/sha256", "snapshot/layers"].map(|dir| names(&engine.data_root().join(dir)))
}

/// Checks every acknowledgement against the restarted engine.
fn check(engine: &Engine, ledger: &BTreeMap<String, Known>) {
    for (name, known) in ledger {
        let answer = engine.request("GET", &format!("/containers/{name}/json"), &Value::Null);
        let answer = answer.unwrap();
        let state = &answer.json()["State"];
        let is_like = |status: &str, pid: i32, code: i32| {
            state["Status"] == status && state["Pid"] == pid && state["ExitCode"] == code
        };
        let holds = match *known {
            Known::Created => is_like("created", 0, 0),
            Known::Running(pid) => process::is_alive(pid) && is_like("running", pid, 0),
            Known::Exited(code) => is_like("exited", 0, code),
            Known::Removed => answer.status == 404,
            Known::Unsure => true,
        };
        assert!(holds, "{name} is acknowledged as {known:?}, but {answer:?}");
        if *known == Known::Unsure && answer.status != 404 {
            check_truth(engine, name);
        }
    }
}

/// Whatever the state, it is true. It may change while we look: a stop that was cut off works on.
fn check_truth(engine: &Engine, name: &str) {
    eventually(&format!("the engine tells the truth of {name}"), || {
        let state = engine.get(&format!("/containers/{name}/json"))["State"].clone();
        let pid = i32::try_from(state["Pid"].as_i64().unwrap()).unwrap();
        match state["Status"].as_str().unwrap() {
            "running" => process::is_alive(pid),
            "created" | "exited" => pid == 0,
            other => panic!("{name} is stuck: {other}"),
        }
    });
}

/// Removes everything and counts what is left.
fn count(engine: &Engine, remote: &Remote) {
    engine.remove_all_containers();
    engine.assert_nothing_leaked();
    assert_eq!(engine.ok(&["volume", "ls", "-q"]), "", "anonymous volumes are left");
    assert_eq!(Accounting::of(engine).volume_dirs, BTreeSet::new());
    remote.settle(engine);
    assert_eq!(engine.ok(&["run", "--rm", "busybox", "echo", "well"]), "well");
}

#[test]
fn a_killed_engine_forgets_nothing_it_has_acknowledged() {
    let engine = Engine::start();
    let mut random = Random::announced();
    let remote = Remote::push(&engine, &mut random);
    let (engine, remote) = (&engine, &remote);
    let ledger = Ledger::default();
    let kills = count_from_env("GANTRY_TEST_CRASHES", 100);
    for round in 1..=kills {
        let is_over = AtomicBool::new(false);
        let most = LIFE_MILLIS[usize::from(random.below(8) == 0)];
        let delay = Duration::from_millis(random.below(most));
        let presence = thread::scope(|scope| {
            for number in 0..2 {
                let (ledger, is_over) = (&ledger, &is_over);
                let worker = Worker { engine, ledger, is_over, random: random.fork() };
                scope.spawn(move || worker.lives(&format!("r{round}w{number}")));
            }
            let pulling = scope.spawn({
                let random = random.fork();
                move || remote.come_and_go(engine, random)
            });
            thread::sleep(delay);
            engine.kill();
            is_over.store(true, Ordering::SeqCst);
            pulling.join().unwrap()
        });
        engine.start_again();
        let mut known = ledger.0.lock().unwrap();
        println!("kill {round} after {delay:?}: {} containers, image {presence:?}", known.len());
        check(engine, &known);
        remote.check(engine, presence);
        if round % ROUNDS_BETWEEN_COUNTS == 0 || round == kills {
            count(engine, remote);
            known.clear();
        }
    }
}

#[test]
fn a_load_that_was_cut_off_can_be_repeated_and_leaves_no_half() {
    let engine = Engine::start();
    let mut random = Random::announced();
    let noise = noise(&mut random, 4 << 20);
    let before = stored(&engine);
    let layer = ImageTar::busybox().file("noise", &noise, root(0o644));
    engine.import("big", layer, &["CMD [\"sh\"]"]);
    let saved = client::run(engine.command("docker", &["save", "big"]), &[]);
    assert_eq!(saved.code, 0, "{saved:?}");
    engine.ok(&["rmi", "big"]);
    for round in 0..count_from_env("GANTRY_TEST_CRASHES", 100) / 10 + 1 {
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
        let ingests = names(&engine.data_root().join("content/ingest"));
        assert!(ingests.is_empty(), "nobody goes on with {ingests:?}");
        let has_image = engine.docker(&["image", "inspect", "big"]).code == 0;
        assert!(has_image || !is_loaded, "a load that was acknowledged is lost");
        let load = engine.docker_with(&["load"], &saved.stdout);
        assert!(load.ok().contains("Loaded image: big:latest"), "{load:?}");
        assert_eq!(
            engine.ok(&["run", "--rm", "big", "wc", "-c", "/noise"]),
            format!("{} /noise", noise.len())
        );
        engine.ok(&["rmi", "big"]);
        assert_eq!(stored(&engine), before);
    }
    engine.assert_nothing_leaked();
}
