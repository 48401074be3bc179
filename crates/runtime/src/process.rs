//! What a process becomes: identity, limits, confinement and program.
//!
//! [`ProcessPlan`] is read in the creator, so that whatever can be refused is refused before
//! anything exists. Its methods then run in the child, in the order that the kernel's privilege
//! rules demand: a filter needs `CAP_SYS_ADMIN` unless `no_new_privs` is set, dropping from the
//! bounding set needs `CAP_SETPCAP`, changing ids needs `CAP_SETUID`, and each step gives some
//! of that away.

use std::{ffi::CString, os::fd::BorrowedFd, path::Path};

use oci::runtime::{Personality, Process};
use rustix::{
    fs::{Gid, Mode, OFlags, Uid},
    process::Signal,
};

use crate::{
    capability,
    channel::Channel,
    error::{Errno, RuntimeError},
    filter::Filter,
    launch::Orphan,
    limits::{self, Limit, Limits, set_limits},
    memory_policy::Policy,
};

/// Everything about a process, checked.
#[derive(Debug)]
pub(crate) struct ProcessPlan {
    args: Vec<String>,
    env: Vec<String>,
    cwd: String,
    uid: Uid,
    gid: Gid,
    groups: Vec<Gid>,
    umask: Option<Mode>,
    capabilities: Option<capability::Sets>,
    no_new_privileges: bool,
    limits: Vec<Limit>,
    oom_score_adj: Option<i32>,
    apparmor_profile: Option<String>,
    selinux_label: Option<String>,
    io_priority: Option<(u32, u32)>,
    scheduling: Option<sys::process::Scheduling>,
    memory_policy: Option<Policy>,
    persona: Option<u64>,
    filter: Option<Filter>,
    orphan: Orphan,
    inherited: u32,
}

impl ProcessPlan {
    /// Reads the configuration.
    pub(crate) fn new(
        process: &Process,
        filter: Option<Filter>,
        personality: Option<&Personality>,
    ) -> Result<Self, RuntimeError> {
        check_strings(process)?;
        check_apparmor(process)?;
        Ok(Self {
            args: process.args.clone(),
            env: process.env.clone(),
            cwd: process.cwd.clone(),
            uid: id("process.user.uid", process.user.uid).map(Uid::from_raw)?,
            gid: id("process.user.gid", process.user.gid).map(Gid::from_raw)?,
            groups: process.user.additional_gids.iter().map(|g| Gid::from_raw(*g)).collect(),
            umask: process.user.umask.map(Mode::from_raw_mode),
            capabilities: process.capabilities.as_ref().map(capability::Sets::from_spec),
            no_new_privileges: process.no_new_privileges,
            limits: process.rlimits.iter().map(limits::parse).collect::<Result<_, _>>()?,
            oom_score_adj: process.oom_score_adj,
            apparmor_profile: present(process.apparmor_profile.as_ref()),
            selinux_label: present(process.selinux_label.as_ref()),
            io_priority: process.io_priority.as_ref().map(io_priority).transpose()?,
            scheduling: process.scheduler.as_ref().map(crate::scheduler::parse).transpose()?,
            memory_policy: None,
            persona: personality.map(persona).transpose()?,
            filter,
            orphan: Orphan::Lives,
            inherited: 0,
        })
    }

    /// Chooses what becomes of the process without its creator.
    pub(crate) fn set_orphan(&mut self, orphan: Orphan) {
        self.orphan = orphan;
    }

    /// Chooses where its memory is.
    pub(crate) fn set_memory_policy(&mut self, policy: Option<Policy>) {
        self.memory_policy = policy;
    }

    /// Lets the program have that many descriptors from 3 up.
    pub(crate) fn set_inherited(&mut self, count: u32) {
        self.inherited = count;
    }

    /// Puts words before the command, as `--init` does.
    pub(crate) fn prepend(&mut self, words: &[&str]) {
        self.args.splice(0..0, words.iter().map(|w| (*w).to_owned()));
    }

    /// The environment of the program.
    pub(crate) fn environment(&self) -> &[String] {
        &self.env
    }

    /// The working directory as configured.
    pub(crate) fn cwd(&self) -> &str {
        &self.cwd
    }

    /// What the creator applies from outside.
    pub(crate) fn limits(&self) -> Limits {
        Limits { resources: self.limits.clone(), oom_score_adj: self.oom_score_adj }
    }

    /// Child: gives the standard streams to the user, so that it can reopen `/dev/stdout`.
    pub(crate) fn own_streams(&self) -> Result<(), RuntimeError> {
        use std::os::fd::AsFd;
        let streams = [
            std::io::stdin().as_fd().try_clone_to_owned(),
            std::io::stdout().as_fd().try_clone_to_owned(),
            std::io::stderr().as_fd().try_clone_to_owned(),
        ];
        // A stream that is closed has no owner to change.
        for stream in streams.into_iter().flatten() {
            self.own_stream(stream.as_fd())?;
        }
        Ok(())
    }

    fn own_stream(&self, stream: BorrowedFd<'_>) -> Result<(), RuntimeError> {
        let stat =
            rustix::fs::fstat(stream).map_err(|e| RuntimeError::system("stat", "stream", e))?;
        let is_null = stat.st_rdev == rustix::fs::makedev(1, 3);
        if stat.st_uid == self.uid.as_raw() || is_null {
            return Ok(());
        }
        match rustix::fs::fchown(stream, Some(self.uid), None) {
            // Read-only file systems, sockets, and files of ids that are not mapped here stay
            // as they are, as with runc.
            Ok(())
            | Err(rustix::io::Errno::INVAL | rustix::io::Errno::PERM | rustix::io::Errno::ROFS) => {
                Ok(())
            }
            Err(e) => Err(RuntimeError::system("chown", "stream", e)),
        }
    }

    /// Child: resource limits, when it has the privilege itself (not in a user namespace).
    pub(crate) fn limit_self(&self) -> Result<(), RuntimeError> {
        set_limits(None, &self.limits)
    }

    /// Child: labels, priorities, the filter (when it must be early), ids and capabilities,
    /// working directory. `host_proc` is the host's procfs, which the container cannot forge.
    pub(crate) fn confine(
        &mut self,
        host_proc: BorrowedFd<'_>,
        channel: &Channel,
    ) -> Result<(), RuntimeError> {
        self.apply_labels(host_proc)?;
        if self.no_new_privileges {
            rustix::thread::set_no_new_privs(true)
                .map_err(|e| RuntimeError::system("set", "no_new_privs", e))?;
        }
        self.apply_scheduling()?;
        sys::process::close_on_exec_from(3 + self.inherited)
            .map_err(|e| RuntimeError::system("mark", "descriptors", e))?;
        let entered = self.enter_cwd()?;
        self.complete_environment();
        // As late as privileges allow: policies may be narrower than what is needed above.
        if let (Some(filter), false) = (&self.filter, self.no_new_privileges) {
            filter.load(channel)?;
        }
        self.change_identity()?;
        if !entered {
            self.require_cwd()?;
        }
        self.bind_to_creator()?;
        verify_cwd()
    }

    /// A change of ids clears this setting, so it comes after. A creator that is gone by then
    /// has closed its end of the channel, which the child reads before it executes.
    fn bind_to_creator(&self) -> Result<(), RuntimeError> {
        if self.orphan == Orphan::Lives {
            return Ok(());
        }
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
            .map_err(|e| RuntimeError::system("set", "parent death signal", e))
    }

    fn apply_labels(&self, host_proc: BorrowedFd<'_>) -> Result<(), RuntimeError> {
        if let Some(profile) = &self.apparmor_profile {
            let text = format!("exec {profile}");
            return write_attribute(host_proc, "self/attr/apparmor/exec", &text)
                .or_else(|_| write_attribute(host_proc, "self/attr/exec", &text))
                .map_err(|e| RuntimeError::system("apply apparmor profile", profile, e));
        }
        if let Some(label) = &self.selinux_label {
            write_attribute(host_proc, "self/attr/exec", label)
                .map_err(|e| RuntimeError::system("set selinux label", label, e))?;
        }
        Ok(())
    }

    fn apply_scheduling(&self) -> Result<(), RuntimeError> {
        if let Some(persona) = self.persona {
            sys::process::set_personality(persona)
                .map_err(|e| RuntimeError::system("set", "personality", e))?;
        }
        if let Some((class, level)) = self.io_priority {
            sys::process::set_io_priority(class, level)
                .map_err(|e| RuntimeError::system("set", "io priority", e))?;
        }
        if let Some(scheduling) = self.scheduling {
            sys::process::set_scheduling(scheduling)
                .map_err(|e| RuntimeError::system("set", "scheduler", e))?;
        }
        self.memory_policy.as_ref().map_or(Ok(()), Policy::apply)
    }

    /// Tries to enter the working directory with full privileges; a directory that only the user
    /// may enter (a network file system) is tried again as the user.
    fn enter_cwd(&self) -> Result<bool, RuntimeError> {
        match rustix::process::chdir(self.cwd.as_str()) {
            Ok(()) => Ok(true),
            Err(rustix::io::Errno::ACCESS | rustix::io::Errno::PERM) => Ok(false),
            Err(e) => Err(self.cwd_error(e)),
        }
    }

    fn require_cwd(&self) -> Result<(), RuntimeError> {
        rustix::process::chdir(self.cwd.as_str()).map_err(|e| self.cwd_error(e))
    }

    fn cwd_error(&self, source: impl Into<Errno>) -> RuntimeError {
        RuntimeError::WorkingDirectory { cwd: self.cwd.clone(), source: source.into() }
    }

    fn change_identity(&self) -> Result<(), RuntimeError> {
        if let Some(sets) = &self.capabilities {
            sets.drop_bounding()?;
        }
        rustix::thread::set_keep_capabilities(true)
            .map_err(|e| RuntimeError::system("set", "keepcaps", e))?;
        match rustix::thread::set_thread_groups(&self.groups) {
            Ok(()) => {}
            // Without supplementary groups there is nothing to lose where setgroups is denied.
            Err(rustix::io::Errno::PERM) if self.groups.is_empty() => {}
            Err(e) => return Err(RuntimeError::system("setgroups", "", e)),
        }
        rustix::thread::set_thread_res_gid(self.gid, self.gid, self.gid)
            .map_err(|e| RuntimeError::system("setgid", self.gid.as_raw(), e))?;
        rustix::thread::set_thread_res_uid(self.uid, self.uid, self.uid)
            .map_err(|e| RuntimeError::system("setuid", self.uid.as_raw(), e))?;
        rustix::thread::set_keep_capabilities(false)
            .map_err(|e| RuntimeError::system("clear", "keepcaps", e))?;
        if let Some(sets) = &self.capabilities {
            sets.apply()?;
        }
        rustix::process::umask(self.umask.unwrap_or(Mode::from_raw_mode(0o022)));
        Ok(())
    }

    /// Of several values for one name the last counts, as with runc (an exec's option overrides
    /// the configuration); most programs would take the first.
    fn complete_environment(&mut self) {
        let mut seen = std::collections::HashSet::new();
        let mut env: Vec<String> = std::mem::take(&mut self.env).into_iter().rev().collect();
        env.retain(|entry| {
            seen.insert(entry.split_once('=').map_or(entry.as_str(), |(name, _)| name).to_owned())
        });
        env.reverse();
        self.env = env;
        if !self.env.iter().any(|entry| entry.starts_with("HOME=") && entry.len() > 5) {
            self.env.retain(|entry| !entry.starts_with("HOME="));
            self.env.push(format!("HOME={}", crate::home::of(self.uid.as_raw())));
        }
    }

    /// Child: the program's path, so that a missing command is known before the start.
    pub(crate) fn find_program(&self) -> Result<CString, RuntimeError> {
        crate::command::find(&self.args[0], &self.env)
    }

    /// Child: loads a late filter whose listener the creator hands over: later it may be gone.
    pub(crate) fn load_listening_filter(&self, channel: &Channel) -> Result<(), RuntimeError> {
        match &self.filter {
            Some(filter) if self.no_new_privileges && filter.has_listener => filter.load(channel),
            _ => Ok(()),
        }
    }

    /// Child: loads a late filter and executes; comes back only with an error.
    pub(crate) fn execute(&self, program: &CString, channel: &Channel) -> RuntimeError {
        let late = self.filter.as_ref().filter(|f| self.no_new_privileges && !f.has_listener);
        if let Some(Err(error)) = late.map(|filter| filter.load(channel)) {
            return error;
        }
        let (Ok(args), Ok(env)) = (to_c(&self.args), to_c(&self.env)) else {
            return RuntimeError::InitVanished; // `new` has checked for NUL bytes
        };
        let error = sys::execute::replace(program, &args, &env);
        RuntimeError::Execute { path: program.to_string_lossy().into_owned(), source: Errno(error) }
    }
}

/// Refuses a working directory that is not reachable from the root (a leaked descriptor of the
/// host, CVE-2024-21626): the kernel then reports it as unreachable or deleted.
fn verify_cwd() -> Result<(), RuntimeError> {
    match rustix::process::getcwd(Vec::new()) {
        Ok(path) if path.as_bytes().starts_with(b"/") => Ok(()),
        Ok(_) | Err(rustix::io::Errno::NOENT) => Err(RuntimeError::Breakout),
        Err(e) => Err(RuntimeError::system("get", "working directory", e)),
    }
}

fn write_attribute(
    host_proc: BorrowedFd<'_>,
    name: &str,
    text: &str,
) -> Result<(), rustix::io::Errno> {
    let file =
        rustix::fs::openat(host_proc, name, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::io::write(&file, text.as_bytes()).map(drop)
}

fn present(text: Option<&String>) -> Option<String> {
    text.filter(|t| !t.is_empty()).cloned()
}

/// A profile that the host cannot enforce is refused: whoever asks for one relies on it.
fn check_apparmor(process: &Process) -> Result<(), RuntimeError> {
    let profile = process.apparmor_profile.as_deref().filter(|profile| !profile.is_empty());
    match profile {
        Some(profile) if !Path::new("/sys/module/apparmor/parameters/enabled").exists() => Err(
            RuntimeError::field("process.apparmorProfile", profile, "this host has no AppArmor"),
        ),
        _ => Ok(()),
    }
}

fn check_strings(process: &Process) -> Result<(), RuntimeError> {
    if process.args.is_empty() {
        return Err(RuntimeError::field("process.args", "[]", "a command is needed"));
    }
    if !process.cwd.starts_with('/') {
        return Err(RuntimeError::field("process.cwd", &process.cwd, "must be an absolute path"));
    }
    let mut all = process.args.iter().chain(&process.env).chain([&process.cwd]);
    match all.find(|s| s.contains('\0')) {
        Some(bad) => Err(RuntimeError::field("process", bad, "contains a NUL byte")),
        None => Ok(()),
    }
}

fn id(field: &'static str, raw: u32) -> Result<u32, RuntimeError> {
    if raw == u32::MAX {
        return Err(RuntimeError::field(field, raw, "is not an id"));
    }
    Ok(raw)
}

fn to_c(strings: &[String]) -> Result<Vec<CString>, std::ffi::NulError> {
    strings.iter().map(|s| CString::new(s.as_str())).collect()
}

fn io_priority(priority: &oci::runtime::IoPriority) -> Result<(u32, u32), RuntimeError> {
    let class = match priority.class.as_str() {
        "IOPRIO_CLASS_RT" => 1,
        "IOPRIO_CLASS_BE" => 2,
        "IOPRIO_CLASS_IDLE" => 3,
        other => return Err(RuntimeError::field("process.ioPriority", other, "unknown class")),
    };
    let level = u32::try_from(priority.priority).ok().filter(|l| *l < 8).ok_or_else(|| {
        RuntimeError::field("process.ioPriority", priority.priority, "must be from 0 to 7")
    })?;
    Ok((class, level))
}

fn persona(personality: &Personality) -> Result<u64, RuntimeError> {
    const PER_LINUX32: u64 = 8;
    if !personality.flags.is_empty() {
        return Err(RuntimeError::Unsupported { feature: "linux.personality.flags" });
    }
    match personality.domain.as_str() {
        "LINUX" => Ok(0),
        "LINUX32" => Ok(PER_LINUX32),
        other => Err(RuntimeError::field("linux.personality.domain", other, "unknown domain")),
    }
}
