//! A place of its own for each engine, and its removal: a directory, a network namespace, a cgroup.
//!
//! Each engine gets its own network namespace so that its bridge, its addresses and its packet
//! filter rules vanish with it: Docker's set the policy of the host's forward chain, which would
//! cut off everybody else's containers.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result};

use super::{
    command::{run, signal_all, wait_for},
    process, shield,
};

/// What every name here begins with; the process id follows.
const PREFIX: &str = "gantry-bench-";
const CGROUPS: &str = "/sys/fs/cgroup";

/// One engine's place.
pub struct Site {
    root: PathBuf,
    name: String,
}

impl Site {
    /// Makes the place.
    ///
    /// # Errors
    /// The directory or the namespace cannot be made.
    pub fn new(engine: &str) -> Result<Self> {
        let name = format!("{PREFIX}{}-{engine}", std::process::id());
        let root = std::env::temp_dir().join(&name);
        fs::create_dir_all(&root).with_context(|| format!("make {}", root.display()))?;
        let site = Self { root, name };
        run(Command::new("ip").args(["netns", "add", &site.name]))?;
        run(site.inside("ip").args(["link", "set", "lo", "up"]))?;
        shield::widen(&site.name)?;
        Ok(site)
    }

    /// The directory below which everything of the engine is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A path below the directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// The cgroup below which the engine's containers belong.
    pub fn cgroup(&self) -> String {
        format!("/{}", self.name)
    }

    /// A command in the engine's network namespace.
    pub fn inside(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{}", self.name)).arg(program);
        command
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Err(error) = clear(&self.root, &self.name) {
            eprintln!("cannot clear {}: {error:#}", self.name);
        }
    }
}

/// A directory for what all engines are given; removed at the end.
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Makes it.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn new() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("{PREFIX}{}-scratch", std::process::id()));
        fs::create_dir_all(&path).with_context(|| format!("make {}", path.display()))?;
        Ok(Self { path })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            eprintln!("cannot remove {}: {error}", self.path.display());
        }
    }
}

/// Removes what runs that were killed have left.
pub fn sweep() {
    let Ok(entries) = fs::read_dir(std::env::temp_dir()) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let pid = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        let Some(pid) = pid.and_then(|pid| pid.parse::<u32>().ok()) else { continue };
        if Path::new(&format!("/proc/{pid}")).exists() {
            continue;
        }
        eprintln!("removing what run {pid} has left: {name}");
        if let Err(error) = clear(&entry.path(), &name) {
            eprintln!("cannot clear {name}: {error:#}");
        }
    }
}

fn clear(root: &Path, name: &str) -> Result<()> {
    let cgroups = cgroups(name);
    end_processes(root, &cgroups)?;
    unmount(root)?;
    if Path::new("/run/netns").join(name).exists() {
        run(Command::new("ip").args(["netns", "del", name]))?;
    }
    wait_for("cgroups to be empty", Duration::from_secs(20), || {
        cgroups.iter().all(|dir| remove_cgroup(dir))
    })?;
    fs::remove_dir_all(root).with_context(|| format!("remove {}", root.display()))
}

/// The engine's cgroup in every hierarchy.
fn cgroups(name: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(CGROUPS) else { return Vec::new() };
    let below = entries.flatten().map(|entry| entry.path().join(name));
    let own = std::iter::once(Path::new(CGROUPS).join(name));
    below.chain(own).filter(|dir| dir.is_dir()).collect()
}

fn end_processes(root: &Path, cgroups: &[PathBuf]) -> Result<()> {
    wait_for("processes to end", Duration::from_secs(30), || {
        let mut pids = process::of_engine(root);
        pids.retain(|pid| !is_zombie(*pid));
        cgroups.iter().for_each(|dir| collect_members(dir, &mut pids));
        signal_all(&pids, "KILL");
        pids.is_empty()
    })
}

fn is_zombie(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('Z')))
}

fn collect_members(dir: &Path, pids: &mut Vec<u32>) {
    let members = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
    pids.extend(members.lines().filter_map(|line| line.parse::<u32>().ok()));
    for child in subdirectories(dir) {
        collect_members(&child, pids);
    }
}

/// Removes a cgroup with those below it; says whether it is gone.
pub fn remove_cgroup(dir: &Path) -> bool {
    subdirectories(dir).iter().for_each(|child| {
        remove_cgroup(child);
    });
    fs::remove_dir(dir).is_ok() || !dir.exists()
}

fn subdirectories(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

/// Unmounts everything below a directory, newest first.
fn unmount(root: &Path) -> Result<()> {
    let table = fs::read_to_string("/proc/self/mountinfo").context("read mountinfo")?;
    let points = table.lines().filter_map(|line| line.split(' ').nth(4)).map(Path::new);
    let mut below: Vec<_> = points.filter(|point| point.starts_with(root)).collect();
    below.reverse();
    for point in below {
        run(Command::new("umount").arg("-l").arg(point))?;
    }
    Ok(())
}
