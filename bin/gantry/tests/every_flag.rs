//! No flag is dropped silently: each of the table's either changes what the program does, or is
//! refused as not built. Each command runs without and with the flag against an engine that writes
//! down what it is asked; requests, output and exit code must differ.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "another test uses the rest")]
mod fake;

use std::{
    path::Path,
    process::{Command, Stdio},
};

use fake::{FakeEngine, Seen};

const FLAGS: &str = include_str!("../../../crates/cli/data/flags.tsv");

/// The arguments with which each command runs.
const ARGUMENTS: [(&str, &str); 73] = [
    ("api-socket create", "--allow events watcher"),
    ("api-socket ls", ""),
    ("builder prune", "-f"),
    ("container attach", "web"),
    ("container commit", "web"),
    ("container cp", "link web:/a"),
    ("container create", "busybox"),
    ("container exec", "web true"),
    ("container export", "web"),
    ("container inspect", "web"),
    ("container kill", "web"),
    ("container logs", "web"),
    ("container ls", ""),
    ("container prune", "-f"),
    ("container restart", "web"),
    ("container rm", "web"),
    ("container run", "exit003"),
    ("container start", "web"),
    ("container stats", "--no-stream web"),
    ("container stop", "web"),
    ("container update", "--cpu-shares 3 web"),
    ("context create", "new"),
    ("context export", "one -"),
    ("context inspect", "one"),
    ("context ls", ""),
    ("context rm", "one"),
    ("context update", "one"),
    ("image history", "busybox"),
    ("image import", "rootfs.tar"),
    ("image inspect", "busybox"),
    ("image load", "-i rootfs.tar"),
    ("image ls", ""),
    ("image prune", "-f"),
    ("image pull", "busybox"),
    ("image push", "busybox"),
    ("image rm", "busybox"),
    ("image save", "busybox"),
    ("inspect", "web"),
    ("login", "--password y hub.example"),
    ("manifest annotate", "list one"),
    ("manifest create", "list hub.invalid/x"),
    ("manifest inspect", "list one"),
    ("manifest push", "list"),
    ("network connect", "net web"),
    ("network create", "net"),
    ("network disconnect", "net web"),
    ("network inspect", "net"),
    ("network ls", ""),
    ("network prune", "-f"),
    ("network rm", "missing"),
    ("search", "x"),
    ("system df", ""),
    ("system events", ""),
    ("system info", ""),
    ("system prune", "-f"),
    ("version", ""),
    ("volume create", "vol"),
    ("volume inspect", "vol"),
    ("volume ls", ""),
    ("volume prune", "-f"),
    ("volume rm", "vol"),
    ("volume update", "cluster"),
    ("container top", "web"),
    ("container port", "web"),
    ("container pause", "web"),
    ("container unpause", "web"),
    ("container wait", "web"),
    ("container rename", "web x"),
    ("container diff", "web"),
    ("context use", "one"),
    ("context show", ""),
    ("image tag", "a b"),
    ("logout", "x"),
];

/// Values for flags that do not take just any text.
const VALUES: [(&str, &str); 58] = [
    ("mode", "0600"),
    ("redact", "env"),
    ("add-host", "a:1.2.3.4"),
    ("availability", "drain"),
    ("attach", "stdout"),
    ("aux-address", "a=10.0.0.3"),
    ("blkio-weight-device", "/dev/null:100"),
    ("cap-add", "NET_ADMIN"),
    ("cgroupns", "private"),
    ("cidfile", "cid"),
    ("device", "/dev/null"),
    ("device-cgroup-rule", "c 1:3 r"),
    ("device-read-bps", "/dev/null:1mb"),
    ("device-read-iops", "/dev/null:5"),
    ("device-write-bps", "/dev/null:1mb"),
    ("device-write-iops", "/dev/null:5"),
    ("dns", "1.1.1.1"),
    ("dns-search", "a.b"),
    ("docker", "host=unix:///x"),
    ("driver", "other"),
    ("env-file", "env"),
    ("expose", "9"),
    ("filter", "label=a"),
    ("format", "{{json .}}"),
    ("from", "one"),
    ("gateway", "10.0.0.1"),
    ("gpus", "all"),
    ("health-cmd", "x"),
    ("input", "other.tar"),
    ("ip", "1.2.3.4"),
    ("ip-range", "10.0.0.0/25"),
    ("ip6", "::1"),
    ("isolation", "process"),
    ("label-file", "env"),
    ("link-local-ip", "169.254.1.1"),
    ("log-driver", "none"),
    ("mac-address", "02:42:ac:11:00:02"),
    ("mount", "type=bind,src=/tmp,dst=/t"),
    ("network", "host"),
    ("output", "out.tar"),
    ("pid", "host"),
    ("platform", "linux/arm64"),
    ("publish", "80:80"),
    ("pull", "always"),
    ("restart", "always"),
    ("scope", "multi"),
    ("security-opt", "no-new-privileges"),
    ("sharing", "all"),
    ("since", "10"),
    ("subnet", "10.0.0.0/24"),
    ("sysctl", "net.a=b"),
    ("tail", "5"),
    ("tmpfs", "/x"),
    ("type", "mount"),
    ("ulimit", "nofile=5"),
    ("userns", "host"),
    ("uts", "host"),
    ("volume", "/a:/b"),
];

/// Flags whose effect this engine cannot show, and why.
const UNSEEN: [(&str, &str, &str); 27] = [
    ("api-socket create", "allow", "it is among the arguments"),
    ("image load", "input", "it is among the arguments"),
    ("container update", "cpu-shares", "it is among the arguments"),
    ("login", "password", "it is among the arguments"),
    ("image load", "quiet", "only a terminal gets progress"),
    ("manifest push", "insecure", "no registry is there: with and without"),
    ("manifest push", "purge", "no registry is there: with and without"),
    ("container attach", "no-stdin", "the container here has no open input"),
    ("container attach", "sig-proxy", "nobody sends a signal"),
    ("container run", "sig-proxy", "nobody sends a signal"),
    ("container start", "interactive", "sent as attach: the container has no open input"),
    ("container run", "quiet", "nothing is pulled"),
    ("container create", "quiet", "nothing is pulled"),
    ("container create", "disable-content-trust", "true is the only state there is"),
    ("container run", "disable-content-trust", "true is the only state there is"),
    ("container exec", "detach-keys", "only a terminal has them"),
    ("container stats", "no-stream", "it is among the arguments"),
    ("container stats", "all", "a container is named"),
    ("builder prune", "force", "it is among the arguments"),
    ("container prune", "force", "it is among the arguments"),
    ("image prune", "force", "it is among the arguments"),
    ("network prune", "force", "it is among the arguments"),
    ("system prune", "force", "it is among the arguments"),
    ("volume prune", "force", "it is among the arguments"),
    ("context rm", "force", "nothing is in the way"),
    ("manifest inspect", "insecure", "no registry is there: with and without"),
    ("manifest create", "insecure", "no registry is there: with and without"),
];

#[derive(Debug, PartialEq)]
struct Outcome {
    code: Option<i32>,
    stdout: String,
    stderr: String,
    requests: Vec<Seen>,
    files: Vec<(String, u64)>,
}

/// A directory with what the commands name.
fn prepare(dir: &Path) {
    let write = |name: &str, text: &str| std::fs::write(dir.join(name), text).unwrap();
    write("rootfs.tar", "tar");
    write("other.tar", "other tar");
    write("env", "A=b\n");
    std::os::unix::fs::symlink("rootfs.tar", dir.join("link")).unwrap();
    std::fs::create_dir_all(dir.join("config")).unwrap();
    let create = program(dir).args(["context", "create", "one"]).output().unwrap();
    assert!(create.status.success());
    let list = dir.join("config/manifests/docker.io_library_list-latest");
    std::fs::create_dir_all(&list).unwrap();
    let document = r#"{"Ref":"docker.io/library/one:latest","Descriptor":{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2,"platform":{"architecture":"amd64","os":"linux"}},"Raw":"e30="}"#;
    std::fs::write(list.join("docker.io_library_one-latest"), document).unwrap();
}

fn program(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gantry"));
    command.current_dir(dir).stdin(Stdio::null()).env_clear();
    command.env("PATH", "/usr/bin:/bin").env("DOCKER_CONFIG", dir.join("config"));
    // Registries are not reached, and fail at once.
    command.env("HTTPS_PROXY", "http://127.0.0.1:1").env("HTTP_PROXY", "http://127.0.0.1:1");
    command
}

fn run(words: &[&str], engine: &FakeEngine) -> Outcome {
    let dir = tempfile::tempdir().unwrap();
    prepare(dir.path());
    let mut command = program(dir.path());
    let output = command.args(words).env("DOCKER_HOST", engine.host()).output().unwrap();
    let here = dir.path().to_string_lossy().into_owned();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(&here, "DIR");
    Outcome {
        code: output.status.code(),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
        requests: engine.take(),
        files: files(dir.path(), dir.path()),
    }
}

fn files(root: &Path, dir: &Path) -> Vec<(String, u64)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(root, &path));
        } else {
            let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
            all.push((name, path.metadata().unwrap().len()));
        }
    }
    all.sort();
    all
}

fn value_of(path: &str, long: &str, kind: &str) -> String {
    if (path, long) == ("inspect", "type") {
        return "volume".to_owned();
    }
    if let Some((_, value)) = VALUES.iter().find(|(name, _)| *name == long) {
        return (*value).to_owned();
    }
    let value = match kind {
        "int" | "int64" | "uint16" | "uint64" => "7",
        "bytes" => "8m",
        "decimal" => "1.5",
        "duration" => "3s",
        "map" | "stringToString" | "filter" => "a=b",
        "ip" => "1.2.3.4",
        "ipSlice" => "1.2.3.4",
        "ipNetSlice" => "10.0.0.0/24",
        _ => "x",
    };
    value.to_owned()
}

#[test]
fn every_flag_has_an_effect_or_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let engine = FakeEngine::start(dir.path(), "1.55");
    let mut silent = Vec::new();
    let mut checked = 0;
    // The rows of one command stand together.
    let mut plain: Option<(&str, Outcome)> = None;
    for line in FLAGS.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [path, long, _, kind, default, _] = fields[..] else { panic!("{line}") };
        if UNSEEN.iter().any(|(of, flag, _)| *of == path && *flag == long) {
            continue;
        }
        let Some((_, arguments)) = ARGUMENTS.iter().find(|(of, _)| *of == path) else {
            assert!(["builder build", "image build"].contains(&path), "no arguments for {path}");
            continue;
        };
        let flag = match (kind, default) {
            ("bool", "true") => format!("--{long}=false"),
            ("bool", _) => format!("--{long}"),
            _ => format!("--{long}={}", value_of(path, long, kind)),
        };
        let words = |flag: Option<&str>| {
            let all = path.split(' ').chain(flag).chain(arguments.split(' '));
            all.filter(|word| !word.is_empty()).map(ToOwned::to_owned).collect::<Vec<_>>()
        };
        let run = |words: Vec<String>| {
            run(&words.iter().map(String::as_str).collect::<Vec<_>>(), &engine)
        };
        if plain.as_ref().is_none_or(|(of, _)| *of != path) {
            plain = Some((path, run(words(None))));
        }
        let with = run(words(Some(&flag)));
        checked += 1;
        if with.stderr.starts_with("unknown ") || with.stderr.starts_with("invalid argument") {
            silent.push(format!("{path} {flag}: {}", with.stderr.lines().next().unwrap()));
        } else if plain.as_ref().is_some_and(|(_, without)| *without == with) {
            silent.push(format!("{path} {flag}: {with:?}"));
        }
    }
    assert!(checked > 350, "{checked}");
    assert!(silent.is_empty(), "{} change nothing:\n{}", silent.len(), silent.join("\n"));
}

#[test]
fn every_command_of_the_table_is_built_or_says_that_it_is_not() {
    const COMMANDS: &str = include_str!("../../../crates/cli/data/commands.tsv");
    const UNBUILT: [&str; 3] = ["bake", "builder build", "image build"];
    let dir = tempfile::tempdir().unwrap();
    let engine = FakeEngine::start(dir.path(), "1.55");
    for line in COMMANDS.lines().filter(|line| !line.contains("\tCOMMAND\t")) {
        let path = line.split('\t').next().unwrap();
        let arguments = match UNBUILT.contains(&path) {
            true => ".",
            false if path == "system dial-stdio" || path.starts_with("completion ") => "",
            false => ARGUMENTS.iter().find(|(of, _)| *of == path).map_or("x", |(_, words)| words),
        };
        let words: Vec<_> =
            path.split(' ').chain(arguments.split(' ')).filter(|w| !w.is_empty()).collect();
        let outcome = run(&words, &engine);
        let is_refused = outcome.stderr.contains("is not built yet");
        assert_eq!(is_refused, UNBUILT.contains(&path), "{path}: {outcome:?}");
        if is_refused {
            assert_eq!(outcome.code, Some(1), "{path}");
        }
    }
}
