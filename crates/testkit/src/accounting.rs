//! What an engine has of the machine: processes, mounts, namespaces, cgroups, rules, descriptors.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::{Engine, poll};

/// One look. Two looks around work that cleans up after itself are equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accounting {
    /// Processes in its containers' cgroups, and supervisors that are not spare.
    pub processes: BTreeSet<String>,
    /// Mount points below its roots in the host's mount namespace.
    pub mounts: BTreeSet<String>,
    /// Interfaces on its bridge.
    pub interfaces: BTreeSet<String>,
    /// Cgroups below its parent.
    pub cgroups: BTreeSet<PathBuf>,
    /// Elements in the sets and maps of its table.
    pub rules: usize,
    /// Entries of `EXEC_ROOT/shims` that are not spare ones.
    pub shim_dirs: BTreeSet<String>,
    /// Directories of containers and writable layers, what waits for its deletion included, and
    /// what no engine goes on with.
    pub container_dirs: BTreeSet<PathBuf>,
    /// Directories of volumes. Volumes outlive containers: they are no leftovers by themselves.
    pub volume_dirs: BTreeSet<String>,
    /// Open descriptors of the engine, spare supervisors' connections left out.
    pub descriptors: usize,
    /// Network namespaces that the engine holds open, warm ones included.
    pub namespaces: usize,
}

/// Names of spare supervisors' directories begin so.
const SPARE: &str = "spare";

impl Accounting {
    /// Looks at an engine.
    #[must_use]
    pub fn of(engine: &Engine) -> Self {
        let shims = names(&engine.exec_root().join("shims"));
        let own = format!("{}", engine.pid());
        let processes = engine.slot().processes(engine.root());
        // A spare that is taken keeps its command line, but its directory gets another name.
        let is_spare = |command: &str| {
            let mut words = command.split(' ').filter(|word| word.contains("/shims/"));
            words.any(|word| word.contains(SPARE) && Path::new(word).exists())
        };
        let counted = processes
            .iter()
            .filter(|process| process.pid.to_string() != own && !is_spare(&process.command));
        let descriptors = links(&format!("/proc/{}/fd", engine.pid()));
        Self {
            processes: counted.map(|process| format!("{process:?}")).collect(),
            mounts: mounts(engine.root()),
            interfaces: names(&PathBuf::from(format!(
                "/sys/class/net/{}/brif",
                engine.slot().bridge()
            ))),
            cgroups: cgroups(engine),
            rules: rules(&engine.slot().table()),
            shim_dirs: shims.into_iter().filter(|name| !name.starts_with(SPARE)).collect(),
            container_dirs: container_dirs(engine),
            volume_dirs: volume_dirs(engine),
            namespaces: descriptors.iter().filter(|link| link.starts_with("net:[")).count(),
            descriptors: descriptors.len(),
        }
    }

    /// What must be zero or empty when no container is left.
    #[must_use]
    pub fn leftovers(&self) -> Vec<String> {
        let mut left = Vec::new();
        let mut note = |what: &str, count: usize, detail: String| {
            if count > 0 {
                left.push(format!("{count} {what}: {detail}"));
            }
        };
        note("processes", self.processes.len(), format!("{:#?}", self.processes));
        note("mounts", self.mounts.len(), format!("{:?}", self.mounts));
        note("interfaces", self.interfaces.len(), format!("{:?}", self.interfaces));
        note("cgroups", self.cgroups.len(), format!("{:?}", self.cgroups));
        note("rule elements", self.rules, String::new());
        note("supervisor directories", self.shim_dirs.len(), format!("{:?}", self.shim_dirs));
        note(
            "container directories",
            self.container_dirs.len(),
            format!("{:?}", self.container_dirs),
        );
        left
    }
}

impl Engine {
    /// Waits until no trace of a container is left.
    ///
    /// # Panics
    /// With what is left.
    #[track_caller]
    pub fn assert_nothing_leaked(&self) {
        let clean = || Accounting::of(self).leftovers().is_empty().then_some(());
        if poll::within(std::time::Duration::from_secs(10), clean).is_none() {
            panic!("left behind: {:#?}", Accounting::of(self).leftovers());
        }
    }
}

/// The names in a directory; none when it is not there.
#[must_use]
pub fn names(dir: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

fn links(dir: &str) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let links = entries.filter_map(|entry| fs::read_link(entry.path()).ok());
    links.map(|link| link.to_string_lossy().into_owned()).collect()
}

/// Mount points below `root` in this process's mount namespace, which is the engine's.
#[must_use]
pub fn mounts(root: &Path) -> BTreeSet<String> {
    let root = root.display().to_string();
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let points = table.lines().filter_map(|line| line.split(' ').nth(4));
    points.filter(|point| point.starts_with(&format!("{root}/"))).map(str::to_owned).collect()
}

fn cgroups(engine: &Engine) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut open = engine.slot().cgroup_parents();
    while let Some(dir) = open.pop() {
        let entries = fs::read_dir(dir).into_iter().flatten().flatten();
        let below = entries.map(|entry| entry.path()).filter(|path| path.is_dir());
        for path in below {
            open.push(path.clone());
            found.insert(path);
        }
    }
    found
}

fn container_dirs(engine: &Engine) -> BTreeSet<PathBuf> {
    let data = engine.data_root();
    let dirs = [
        "containers",
        "containers/.removed",
        "snapshot/rw",
        "snapshot/removed",
        "volumes/.removed",
        "tmp",
    ];
    let dirs = dirs.iter().map(|dir| data.join(dir));
    let found = dirs.flat_map(|dir| names(&dir).into_iter().map(move |name| dir.join(name)));
    found.filter(|path| !path.ends_with("containers/.removed")).collect()
}

fn volume_dirs(engine: &Engine) -> BTreeSet<String> {
    let mut dirs = names(&engine.data_root().join("volumes"));
    dirs.remove(".removed");
    dirs
}

/// Elements in the sets and maps of a table.
fn rules(table: &str) -> usize {
    let output = Command::new("nft").args(["-j", "list", "table", "ip", table]).output();
    let output = output.expect("nft is installed");
    let listing: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let objects = listing["nftables"].as_array().cloned().unwrap_or_default();
    let elements = |object: &Value| {
        let holder = object.get("set").or_else(|| object.get("map"))?;
        Some(holder["elem"].as_array()?.len())
    };
    objects.iter().filter_map(elements).sum()
}
