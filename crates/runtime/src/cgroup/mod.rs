//! Control groups: limits, accounting, freezing and killing of a container's processes.
//!
//! A [`Cgroup`] is one path below every mounted hierarchy: v1 (one hierarchy per controller or
//! group of controllers), v2 (one for all), or both (hybrid: controllers on v1, an empty v2).
//! Everything is plain file access, so it may be used from any thread.
//!
//! Sources: cgroup-v1 and cgroup-v2 of the kernel's admin guide; runtime-spec config-linux.

mod device;
mod dynmods;
mod freeze;
mod hierarchy;
mod network;
mod stats;
mod v1;
mod v2;
mod value;

use std::{
    fs, io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use oci::runtime::LinuxResources;

pub use device::default_rules as default_device_rules;
pub use dynmods::{Favor, has_v1_controllers};
pub use hierarchy::Hierarchy;
pub use stats::{BlockIoEntry, BlockIoStats, CpuStats, MemoryStats, PidsStats, Stats};

/// Why a cgroup operation failed.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    /// A file could not be read, written, made or removed.
    #[error("{operation} {path:?}")]
    File {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        #[source]
        source: crate::error::Errno,
    },
    /// A limit was not accepted.
    #[error("failed to write {value:?} to {path:?}")]
    Limit {
        /// The file.
        path: PathBuf,
        /// What was written.
        value: String,
        /// Why.
        #[source]
        source: crate::error::Errno,
    },
    /// The path is not absolute, or climbs.
    #[error("invalid cgroup path {path:?}: it must be absolute, without \"..\"")]
    Path {
        /// As given.
        path: String,
    },
    /// The host lacks a controller that a limit needs.
    #[error("the host's cgroups have no {controller} controller")]
    Controller {
        /// Which.
        controller: &'static str,
    },
    /// A limit makes no sense.
    #[error("invalid limit {field} {value:?}")]
    Value {
        /// Which.
        field: &'static str,
        /// What was given.
        value: String,
    },
    /// The kernel did not make moves cheap.
    #[error("mount a cgroup hierarchy with favordynmods")]
    Dynmods {
        /// Why.
        #[source]
        source: crate::error::Errno,
    },
    /// No hierarchy is mounted.
    #[error("no cgroup hierarchy is mounted")]
    NoHierarchy,
    /// Processes did not end or freeze in time.
    #[error("timed out: {operation} {path:?}")]
    Timeout {
        /// What was waited for.
        operation: &'static str,
        /// Of which directory.
        path: PathBuf,
    },
}

impl CgroupError {
    fn file(operation: &'static str, path: &Path, source: io::Error) -> Self {
        Self::File { operation, path: path.to_owned(), source: source.into() }
    }
}

/// Makes the next moves of processes between v1 cgroups cheap for some milliseconds.
///
/// The first move after a pause waits for a whole RCU grace period (about 10 ms; the kernel's
/// lock against forks switches to its writer mode); those that follow shortly do not. An engine
/// that is about to start a container calls this beside its other preparations, from a thread
/// that may block. It moves the caller to where it is already. Where [`Favor`] is held there is
/// nothing to prepare.
///
/// # Errors
/// When the caller's cgroup cannot be found or written.
pub fn prewarm() -> Result<()> {
    let Some(hierarchy) = hierarchy::discover()?.into_iter().find(|h| !h.is_unified()) else {
        return Ok(());
    };
    let path = Path::new("/proc/self/cgroup");
    let text = fs::read_to_string(path).map_err(|e| CgroupError::file("read", path, e))?;
    let own = text.lines().find_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, own) = rest.split_once(':')?;
        let wanted = hierarchy.controllers().first()?;
        controllers.split(',').any(|c| c == wanted).then(|| own.trim_matches('/').to_owned())
    });
    let Some(own) = own else { return Ok(()) };
    value::set(&hierarchy.root().join(own), "cgroup.procs", &std::process::id().to_string())
}

type Result<T> = std::result::Result<T, CgroupError>;

/// How long a removal waits for processes that are about to be gone.
const REMOVE_DEADLINE: Duration = Duration::from_secs(10);

/// One container's cgroup.
#[derive(Debug, Clone)]
pub struct Cgroup {
    path: String,
    parts: Vec<Part>,
}

/// Its directory in one hierarchy.
#[derive(Debug, Clone)]
struct Part {
    hierarchy: Hierarchy,
    directory: PathBuf,
}

impl Cgroup {
    /// Refers to the cgroup at `path` (absolute, below the root of each hierarchy), whether it
    /// exists or not.
    ///
    /// # Errors
    /// For a bad path, or a host without cgroups.
    pub fn open(path: &str) -> Result<Self> {
        Self::open_below(path, hierarchy::discover()?)
    }

    fn open_below(path: &str, hierarchies: Vec<Hierarchy>) -> Result<Self> {
        let is_plain = path.starts_with('/')
            && !path.contains('\0')
            && path.split('/').all(|part| part != ".." && part != ".");
        if !is_plain || path.trim_matches('/').is_empty() {
            return Err(CgroupError::Path { path: path.to_owned() });
        }
        let relative = path.trim_matches('/');
        let parts = hierarchies
            .into_iter()
            .map(|hierarchy| Part { directory: hierarchy.root().join(relative), hierarchy })
            .collect::<Vec<_>>();
        if parts.is_empty() {
            return Err(CgroupError::NoHierarchy);
        }
        Ok(Self { path: format!("/{relative}"), parts })
    }

    /// Makes it and sets its limits. Directories that exist already are taken over.
    ///
    /// # Errors
    /// When a directory cannot be made or a limit is refused; what was made is removed again.
    pub fn create(path: &str, resources: Option<&LinuxResources>) -> Result<Self> {
        let cgroup = Self::open(path)?;
        let made = cgroup
            .parts
            .iter()
            .try_for_each(Part::make)
            .and_then(|()| resources.map_or(Ok(()), |r| cgroup.update(r)));
        if let Err(error) = made {
            // The first error is the one to tell; directories with processes stay.
            let _ = cgroup.remove_once();
            return Err(error);
        }
        Ok(cgroup)
    }

    /// The cgroup at `path` below this one in the hierarchies of `controllers` (all of them when
    /// empty), and this one in the others.
    ///
    /// # Errors
    /// For a bad path, a controller that the host does not have, or a cgroup that does not exist.
    pub fn below(&self, controllers: &[&str], path: &str) -> Result<Self> {
        if path.contains('\0') || path.split('/').any(|part| part == ".." || part == ".") {
            return Err(CgroupError::Path { path: path.to_owned() });
        }
        if let Some(name) = controllers.iter().find(|name| self.find_controller(name).is_none()) {
            return Err(CgroupError::Value { field: "controller", value: (*name).to_owned() });
        }
        let mut cgroup = self.clone();
        for part in &mut cgroup.parts {
            let is_meant = controllers.is_empty()
                || controllers.iter().any(|name| part.hierarchy.has_controller(name));
            if is_meant {
                part.directory = part.directory.join(path.trim_start_matches('/'));
                fs::metadata(&part.directory)
                    .map_err(|e| CgroupError::file("find", &part.directory, e))?;
            }
        }
        Ok(cgroup)
    }

    /// The path below each hierarchy's root.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether it exists in any hierarchy.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.parts.iter().any(|part| part.directory.is_dir())
    }

    /// Each hierarchy with the cgroup's directory in it.
    pub fn hierarchies(&self) -> impl Iterator<Item = (&Hierarchy, &PathBuf)> {
        self.parts.iter().map(|part| (&part.hierarchy, &part.directory))
    }

    fn unified(&self) -> Option<&Part> {
        self.parts.iter().find(|part| part.hierarchy.is_unified())
    }

    fn controller(&self, name: &'static str) -> Result<&Part> {
        self.find_controller(name).ok_or(CgroupError::Controller { controller: name })
    }

    fn find_controller(&self, name: &str) -> Option<&Part> {
        self.parts.iter().find(|part| part.hierarchy.has_controller(name))
    }

    /// Whether limits go to the v2 hierarchy: it is the only one that has controllers.
    fn is_v2(&self) -> bool {
        self.parts.iter().all(|part| part.hierarchy.is_unified())
    }

    /// The v2 directory, for `CLONE_INTO_CGROUP`.
    pub(crate) fn open_unified(&self) -> Result<Option<OwnedFd>> {
        let Some(part) = self.unified() else { return Ok(None) };
        fs::File::open(&part.directory)
            .map(|file| Some(file.into()))
            .map_err(|e| CgroupError::file("open", &part.directory, e))
    }

    /// Moves a process in, in every hierarchy.
    ///
    /// # Errors
    /// When the kernel refuses, e.g. because the process is gone.
    pub fn add(&self, pid: i32) -> Result<()> {
        self.parts.iter().try_for_each(|part| part.add(pid))
    }

    /// Moves a process in that was born into the v2 part already.
    pub(crate) fn add_newborn(&self, pid: i32) -> Result<()> {
        self.parts
            .iter()
            .filter(|part| !part.hierarchy.is_unified())
            .try_for_each(|part| part.add(pid))
    }

    /// Sets the limits that `resources` has; others stay.
    ///
    /// # Errors
    /// When one is refused; those before it are set.
    pub fn update(&self, resources: &LinuxResources) -> Result<()> {
        network::apply(self, resources.network.as_ref())?;
        network::apply_rdma(self, &resources.rdma)?;
        if self.is_v2() { v2::apply(self, resources) } else { v1::apply(self, resources) }
    }

    /// Stops all processes from running until [`Cgroup::thaw`].
    ///
    /// # Errors
    /// When the host cannot freeze, or it takes too long.
    pub fn freeze(&self) -> Result<()> {
        freeze::set(self, freeze::Target::Frozen)
    }

    /// Lets all processes run again.
    ///
    /// # Errors
    /// As for [`Cgroup::freeze`].
    pub fn thaw(&self) -> Result<()> {
        freeze::set(self, freeze::Target::Running)
    }

    /// Whether it is frozen.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn is_frozen(&self) -> Result<bool> {
        freeze::is_frozen(self)
    }

    /// Kills every process in it and below, frozen or not. Does not wait for their end.
    ///
    /// # Errors
    /// When the processes cannot be listed.
    pub fn kill(&self) -> Result<()> {
        if let Some(part) = self.unified() {
            let file = part.directory.join("cgroup.kill");
            if self.is_v2() && fs::write(&file, "1").is_ok() {
                return Ok(());
            }
        }
        // Between listing and killing a process may fork: again until the list is empty of
        // processes that were not killed yet.
        let mut killed = std::collections::HashSet::new();
        loop {
            let fresh: Vec<i32> =
                self.pids()?.into_iter().filter(|pid| killed.insert(*pid)).collect();
            if fresh.is_empty() {
                break;
            }
            for pid in fresh.into_iter().filter_map(rustix::process::Pid::from_raw) {
                // It may have ended meanwhile.
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
        // A frozen process takes the signal only when it is thawed.
        if self.is_frozen().unwrap_or(false) { self.thaw() } else { Ok(()) }
    }

    /// Every process in it and below.
    ///
    /// # Errors
    /// When a list cannot be read.
    pub fn pids(&self) -> Result<Vec<i32>> {
        let part = self
            .find_controller("pids")
            .or_else(|| self.unified())
            .or_else(|| self.parts.first())
            .ok_or(CgroupError::NoHierarchy)?;
        let mut pids = Vec::new();
        collect_pids(&part.directory, &mut pids)?;
        pids.sort_unstable();
        pids.dedup();
        Ok(pids)
    }

    /// What it has used.
    ///
    /// # Errors
    /// When a file cannot be read. Controllers that the host lacks count as 0.
    pub fn stats(&self) -> Result<Stats> {
        if self.is_v2() { stats::read_v2(self) } else { stats::read_v1(self) }
    }

    /// How many processes the OOM killer has ended in it.
    ///
    /// # Errors
    /// When the counter cannot be read.
    pub fn oom_kills(&self) -> Result<u64> {
        stats::oom_kills(self)
    }

    /// Removes it with all below it; waits a while for processes that are ending.
    ///
    /// # Errors
    /// [`CgroupError::File`] when there still are processes after the deadline.
    pub fn delete(&self) -> Result<()> {
        let deadline = Instant::now() + REMOVE_DEADLINE;
        let mut pause = Duration::from_micros(200);
        loop {
            match self.remove_once() {
                Err(CgroupError::File { source, .. })
                    if source.raw() == Some(libc::EBUSY) && Instant::now() < deadline =>
                {
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(Duration::from_millis(50));
                }
                result => return result,
            }
        }
    }

    /// Tries every hierarchy; the first error is returned.
    fn remove_once(&self) -> Result<()> {
        let mut outcome = Ok(());
        for part in &self.parts {
            outcome = outcome.and(remove_tree(&part.directory));
        }
        outcome
    }
}

impl Part {
    fn add(&self, pid: i32) -> Result<()> {
        let file = self.directory.join("cgroup.procs");
        fs::write(&file, pid.to_string()).map_err(|e| CgroupError::file("write", &file, e))
    }

    fn make(&self) -> Result<()> {
        if self.hierarchy.is_unified() {
            return v2::make_directory(&self.hierarchy, &self.directory);
        }
        fs::create_dir_all(&self.directory)
            .map_err(|e| CgroupError::file("make", &self.directory, e))?;
        if self.hierarchy.has_controller("cpuset") {
            v1::inherit_cpuset(self.hierarchy.root(), &self.directory)?;
        }
        Ok(())
    }
}

fn collect_pids(directory: &Path, pids: &mut Vec<i32>) -> Result<()> {
    let file = directory.join("cgroup.procs");
    let text = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(e) if is_gone(&e) => return Ok(()),
        Err(e) => return Err(CgroupError::file("read", &file, e)),
    };
    pids.extend(text.lines().filter_map(|line| line.parse::<i32>().ok()).filter(|pid| *pid > 0));
    for child in children(directory)? {
        collect_pids(&child, pids)?;
    }
    Ok(())
}

/// The directory vanished, before or while it was read.
fn is_gone(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENODEV))
}

fn children(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(e) if is_gone(&e) => return Ok(Vec::new()),
        Err(e) => return Err(CgroupError::file("list", directory, e)),
    };
    Ok(entries
        .filter_map(io::Result::ok)
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect())
}

fn remove_tree(directory: &Path) -> Result<()> {
    for child in children(directory)? {
        remove_tree(&child)?;
    }
    match fs::remove_dir(directory) {
        Ok(()) => Ok(()),
        Err(e) if is_gone(&e) => Ok(()),
        Err(e) => Err(CgroupError::file("remove", directory, e)),
    }
}
