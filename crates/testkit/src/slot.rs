//! Names on the machine that only one test engine at a time has: bridge, subnet, table, cgroup.
//!
//! A slot is a number whose lock file is held while its engine lives. The file names the engine's
//! directory, so that who gets the slot after a killed test can sweep what that one left.

use std::{
    fs::{self, File, OpenOptions},
    io::{Read, Seek, Write},
    path::{Path, PathBuf},
    process::Command,
};

use rustix::{
    fs::{FlockOperation, flock},
    process::Signal,
};

use crate::{poll::eventually, process};

const LOCKS: &str = "/tmp/gantry-testkit";
const CGROUPS: &str = "/sys/fs/cgroup";

/// A number that is this process's alone.
#[derive(Debug)]
pub struct Slot {
    number: u8,
    lock: File,
}

impl Slot {
    /// Takes a free slot for an engine whose files are below `root`, and sweeps what a killed
    /// test left in it.
    ///
    /// # Panics
    /// When all are taken or the lock files cannot be written.
    #[must_use]
    pub fn take(root: &Path) -> Self {
        fs::create_dir_all(LOCKS).expect("the lock directory can be made");
        let mut slot = (1..=250).find_map(Self::try_take).expect("a slot is free");
        let mut former = String::new();
        slot.lock.read_to_string(&mut former).expect("the lock file can be read");
        slot.sweep(Path::new(former.trim()));
        slot.lock.rewind().expect("the lock file can be rewound");
        slot.lock.set_len(0).expect("the lock file can be cut");
        write!(slot.lock, "{}", root.display()).expect("the lock file can be written");
        slot
    }

    fn try_take(number: u8) -> Option<Self> {
        let path = format!("{LOCKS}/{number}");
        let mut options = OpenOptions::new();
        let lock = options.create(true).truncate(false).read(true).write(true).open(path).ok()?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).ok()?;
        Some(Self { number, lock })
    }

    /// The bridge's name.
    #[must_use]
    pub fn bridge(&self) -> String {
        format!("gtest{}", self.number)
    }

    /// Makes the bridge with its address: an engine that is told a bridge's name keeps the address
    /// that it has, so no two engines can choose the same.
    ///
    /// # Panics
    /// When `ip` fails.
    pub fn make_bridge(&self) {
        let (bridge, address) = (self.bridge(), self.bridge_cidr());
        let steps: [&[&str]; 3] = [
            &["link", "add", &bridge, "type", "bridge"],
            &["address", "add", &address, "dev", &bridge],
            &["link", "set", &bridge, "up"],
        ];
        for step in steps {
            let output = Command::new("ip").args(step).output().expect("ip is installed");
            assert!(output.status.success(), "ip {step:?}: {output:?}");
        }
    }

    /// The bridge's address.
    #[must_use]
    pub fn bridge_cidr(&self) -> String {
        format!("10.213.{}.1/24", self.number)
    }

    /// The nftables table.
    #[must_use]
    pub fn table(&self) -> String {
        format!("gantry-{}", self.bridge())
    }

    /// The parent of its containers' cgroups, in every hierarchy.
    #[must_use]
    pub fn cgroup_parent(&self) -> String {
        format!("/gantry-testkit-{}", self.number)
    }

    /// The existing directories of [`Self::cgroup_parent`], one a hierarchy.
    #[must_use]
    pub fn cgroup_parents(&self) -> Vec<PathBuf> {
        let name = self.cgroup_parent();
        let own = PathBuf::from(format!("{CGROUPS}{name}"));
        let hierarchies = fs::read_dir(CGROUPS).into_iter().flatten().flatten();
        let below = hierarchies.map(|entry| entry.path().join(name.trim_start_matches('/')));
        below.chain([own]).filter(|path| path.is_dir()).collect()
    }

    /// The processes of an engine with this slot and `root`.
    #[must_use]
    pub fn processes(&self, root: &Path) -> Vec<process::Process> {
        let (root, parent) = (root.display().to_string(), self.cgroup_parent() + "/");
        let own = std::process::id();
        let mut found = process::find(|command, cgroup| {
            (root.len() > 1 && command.contains(&root)) || cgroup.contains(&parent)
        });
        found.retain(|process| u32::try_from(process.pid) != Ok(own));
        found
    }

    /// Ends and removes everything that an engine with this slot and `root` left.
    ///
    /// # Panics
    /// When something stays.
    pub fn sweep(&self, root: &Path) {
        eventually("the engine's processes end", || {
            let left = self.processes(root);
            left.iter().for_each(|process| process::signal(process.pid, Signal::KILL));
            // A frozen process of cgroup v1 does not even die.
            self.cgroup_parents().iter().for_each(|parent| thaw(parent));
            left.is_empty()
        });
        run("ip", &["link", "del", &self.bridge()]);
        run("nft", &["delete", "table", "ip", &self.table()]);
        for parent in self.cgroup_parents() {
            eventually("the cgroups can be removed", || {
                remove_cgroup(&parent);
                !parent.exists()
            });
        }
    }
}

/// Failure means that there was nothing to remove.
fn run(program: &str, arguments: &[&str]) {
    Command::new(program).args(arguments).output().expect("the program is installed");
}

fn thaw(path: &Path) {
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        let state = entry.path().join("freezer.state");
        if state.exists() {
            // One that is being removed needs no thaw.
            fs::write(state, "THAWED").ok();
        }
    }
}

fn remove_cgroup(path: &Path) {
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_cgroup(&entry.path());
        }
    }
    // Who asks looks again: a dying process may hold it for a moment.
    fs::remove_dir(path).ok();
}
