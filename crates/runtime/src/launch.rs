//! Creating and starting a container.

use std::{
    collections::BTreeMap,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
};

use oci::runtime::Spec;
use sys::clone::Birth;
use types::RootFilesystem;

use crate::{
    cgroup::Cgroup,
    cgroup_view::CgroupView,
    device,
    entry::{Entry, HostGuard, HostRoot, RootChange},
    error::RuntimeError,
    filter::Filter,
    hook::{self, Point},
    id_map::{IdMaps, Mappings, RootOwners},
    init::{Gate, Init, clock_text},
    listener::Agent,
    memory_policy::Policy,
    mount_plan::{self, RootPlan},
    namespace::{NamespaceKind, Namespaces},
    parent::{Nascent, open_host_proc},
    process::ProcessPlan,
    rootfs::Contents,
    settling::Settling,
    stdio::Stdio,
    sysctl,
};

/// What [`create`] needs to know.
#[derive(Debug)]
pub struct Launch<'a> {
    /// Of the container; for hooks and messages.
    pub id: &'a str,
    /// The configuration.
    pub spec: &'a Spec,
    /// The root, mounted within the container's mount namespace.
    pub rootfs: &'a RootFilesystem,
    /// For hooks, and what relative paths are relative to.
    pub bundle: &'a Path,
    /// Where the standard streams lead.
    pub stdio: Stdio,
    /// Joined instead of made.
    pub namespaces: BTreeMap<NamespaceKind, OwnedFd>,
    /// A compiled filter; overrides `linux.seccomp`.
    pub seccomp: Option<&'a [u8]>,
    /// Exists already, with its limits.
    pub cgroup: &'a Cgroup,
    /// Columns and rows; overrides `process.consoleSize`.
    pub console_size: Option<(u16, u16)>,
    /// Bound at `/sbin/docker-init`, becomes the first word of the command, with `--`.
    pub init_binary: Option<&'a Path>,
    /// What becomes of init when its creator dies.
    pub orphan: Orphan,
    /// What few ask for.
    pub extras: Extras,
}

/// What only the command line asks for.
#[derive(Debug, Clone, Default)]
pub struct Extras {
    /// How the root becomes `/`.
    pub root_change: RootChange,
    /// Who owns the root's files.
    pub root_owners: RootOwners,
    /// How many descriptors from 3 up the process inherits.
    pub inherited: u32,
    /// The keys that the process can ask the kernel for.
    pub keyring: Keyring,
}

/// A process's session keyring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keyring {
    /// A new, empty one: the keys of who started the container are not the container's.
    #[default]
    Own,
    /// The creator's.
    Inherited,
}

/// What becomes of a process when the one that made it dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Orphan {
    /// It goes on without.
    #[default]
    Lives,
    /// It is killed: nobody would hold its streams or learn of its end.
    Dies,
}

/// A container whose init is set up and waits before `execve`. Dropped, it is killed.
#[derive(Debug)]
pub struct Created {
    pub(crate) init: Nascent,
    pub(crate) terminal: Option<OwnedFd>,
    pub(crate) mounts: OwnedFd,
    pub(crate) host_root: Option<HostRoot>,
    pub(crate) poststart: Option<(oci::runtime::Hooks, oci::runtime::State)>,
}

/// A process that has executed its program.
#[derive(Debug)]
pub struct Running {
    /// In the caller's pid namespace. The caller is the parent and must reap it.
    pub pid: i32,
    /// Refers to it whatever happens to the number.
    pub pidfd: OwnedFd,
    /// Holds the container's mounts. Without it the kernel dismantles them inside init's exit,
    /// before anyone learns of it, which takes milliseconds; with it they go when this is
    /// dropped: after the exit is reported, before the root's layers are removed.
    pub mounts: Option<OwnedFd>,
}

/// Makes a container: namespaces, root, cgroup, identity. Its init waits before `execve`.
///
/// # Errors
/// Whatever the configuration asks that cannot be; nothing is left then but the cgroup, which is
/// the caller's.
pub fn create(launch: Launch<'_>) -> Result<Created, RuntimeError> {
    create_at_gate(launch, Gate::Channel)
}

/// As [`create`], but init waits until someone reads from `fifo` (an `O_PATH` descriptor), so
/// that creator and starter may be different processes. See [`crate::fifo`].
///
/// # Errors
/// As for [`create`].
pub fn create_behind_fifo(launch: Launch<'_>, fifo: OwnedFd) -> Result<Created, RuntimeError> {
    create_at_gate(launch, Gate::Fifo(fifo))
}

fn create_at_gate(launch: Launch<'_>, gate: Gate) -> Result<Created, RuntimeError> {
    let spec = launch.spec;
    let (id, bundle, cgroup) = (launch.id, launch.bundle, launch.cgroup);
    let mut namespaces = Namespaces::plan(spec, launch.namespaces)?;
    refuse_unbuilt(spec, &namespaces)?;
    let mappings = Mappings::plan(spec, &namespaces)?;
    let process = spec
        .process
        .as_ref()
        .ok_or_else(|| RuntimeError::field("process", "", "is needed to start"))?;
    let linux = spec.linux.as_ref();
    let filter = Filter::plan(launch.seccomp, linux.and_then(|l| l.seccomp.as_ref()))?;
    let personality = linux.and_then(|l| l.personality.as_ref());
    let mut plan = ProcessPlan::new(process, filter, personality)?;
    let entry = Entry::plan(&namespaces, launch.extras.root_change, launch.rootfs)?;
    let guard = HostGuard::new(&entry, launch.rootfs)?;
    let contents = Filling {
        rootfs: launch.rootfs,
        owners: launch.extras.root_owners,
        init_binary: launch.init_binary,
        cgroup,
        namespaces: &namespaces,
    }
    .plan(spec, entry)?;
    plan.set_orphan(launch.orphan);
    plan.set_memory_policy(
        linux.and_then(|l| l.memory_policy.as_ref()).map(Policy::parse).transpose()?,
    );
    plan.set_inherited(launch.extras.inherited);
    if launch.init_binary.is_some() {
        plan.prepend(&[mount_plan::INIT_DESTINATION, "--"]);
    }
    let console_size =
        launch.console_size.or_else(|| process.console_size.map(|size| (size.width, size.height)));
    let in_user_namespace = namespaces.is_own(NamespaceKind::User);
    let in_parent = take_parents_share(&mut namespaces);
    let early: Vec<_> = in_parent.iter().map(|(kind, fd)| (*kind, fd.as_fd())).collect();
    let cgroup_directory = cgroup.open_unified()?;
    let birth = Birth {
        flags: namespaces.clone_flags(),
        cgroup: cgroup_directory.as_ref().map(AsFd::as_fd),
    };
    let host_proc = open_host_proc()?;
    let limits = plan.limits();
    let init = Nascent::spawn(birth, &early, |channel| {
        Init {
            contents,
            process: plan,
            namespaces,
            stdio: launch.stdio,
            terminal: process.terminal,
            console_size,
            hostname: spec.hostname.clone(),
            domainname: spec.domainname.clone(),
            time_offsets: linux.map(|l| l.time_offsets.clone()).unwrap_or_default(),
            sysctls: linux.map(|l| l.sysctl.clone()).unwrap_or_default(),
            hooks: spec.hooks.clone().unwrap_or_default(),
            state: hook::state(spec, id, bundle, "creating", None),
            host_proc,
            has_mappings: mappings.is_some(),
            keyring: launch.extras.keyring,
            gate,
        }
        .run(channel)
    })?;
    let settling = Settling {
        cgroup,
        limits,
        in_user_namespace,
        mappings,
        hooks: spec.hooks.clone().unwrap_or_default(),
        clocks: linux.map(|l| clock_text(&l.time_offsets)).unwrap_or_default(),
        agent: Agent::of(
            linux.and_then(|l| l.seccomp.as_ref()),
            hook::state(spec, id, bundle, "creating", None),
        ),
        state: &|status, pid| hook::state(spec, id, bundle, status, pid),
    };
    match settling.settle(init) {
        Ok(mut created) => {
            created.host_root = guard.and_then(|guard| guard.attached());
            Ok(created)
        }
        Err(error) => {
            if let Some(guard) = guard {
                guard.undo();
            }
            Err(error)
        }
    }
}

/// What a root's contents come from besides the configuration.
struct Filling<'a> {
    rootfs: &'a RootFilesystem,
    owners: RootOwners,
    init_binary: Option<&'a Path>,
    cgroup: &'a Cgroup,
    namespaces: &'a Namespaces,
}

impl Filling<'_> {
    fn plan(&self, spec: &Spec, entry: Entry) -> Result<Contents, RuntimeError> {
        let namespaces = self.namespaces;
        let maps = IdMaps::plan(spec, namespaces)?;
        let owners = match self.owners {
            RootOwners::Host => None,
            RootOwners::Mapped => maps.root_owners()?,
        };
        let root = RootPlan::new(spec, self.rootfs, owners.as_ref())?;
        let mut mounts = mount_plan::plan(spec, &root, &maps)?;
        if let Some(path) = self.init_binary {
            mounts.push(mount_plan::plan_init_binary(path, &maps)?);
        }
        let linux = spec.linux.as_ref();
        sysctl::check(linux.map(|l| &l.sysctl), namespaces)?;
        let shows_cgroups = mounts.iter().any(|m| matches!(m.origin, mount_plan::Origin::Cgroup));
        Ok(Contents {
            root,
            entry,
            mounts,
            devices: device::plan(spec, namespaces.is_own(NamespaceKind::User))?,
            masked: linux.map(|l| l.masked_paths.clone()).unwrap_or_default(),
            readonly: linux.map(|l| l.readonly_paths.clone()).unwrap_or_default(),
            cgroups: if shows_cgroups {
                CgroupView::plan(self.cgroup, namespaces.is_own(NamespaceKind::Cgroup))?
            } else {
                CgroupView::empty()
            },
        })
    }
}

/// Refuses what would otherwise be passed over in silence.
fn refuse_unbuilt(spec: &Spec, namespaces: &Namespaces) -> Result<(), RuntimeError> {
    let Some(linux) = &spec.linux else { return Ok(()) };
    let covers = !linux.masked_paths.is_empty() || !linux.readonly_paths.is_empty();
    if covers && !namespaces.is_own(NamespaceKind::Mount) {
        return Err(RuntimeError::field(
            "linux.maskedPaths",
            "",
            "unable to restrict sys entries without a private mount namespace",
        ));
    }
    if linux.mount_label.as_ref().is_some_and(|label| !label.is_empty()) {
        return Err(RuntimeError::Unsupported { feature: "linux.mountLabel" });
    }
    if linux.intel_rdt.as_ref().is_some_and(|rdt| !rdt.is_null()) {
        return Err(RuntimeError::Unsupported { feature: "linux.intelRdt" });
    }
    if !linux.net_devices.is_empty() {
        return Err(RuntimeError::Unsupported { feature: "linux.netDevices" });
    }
    Ok(())
}

/// Takes out the namespaces that the creator has to enter on the child's behalf.
fn take_parents_share(namespaces: &mut Namespaces) -> Vec<(NamespaceKind, OwnedFd)> {
    let is_user_fresh = namespaces.is_fresh(NamespaceKind::User);
    let kinds: Vec<_> = namespaces
        .joined
        .keys()
        .copied()
        .filter(|kind| is_user_fresh || *kind == NamespaceKind::Pid)
        .collect();
    kinds
        .into_iter()
        .filter_map(|kind| namespaces.joined.remove(&kind).map(|fd| (kind, fd)))
        .collect()
}

impl Created {
    /// Of init, in the caller's pid namespace.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.init.pid
    }

    /// Refers to init.
    #[must_use]
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.init.pidfd().expect("taken only by the methods that consume it")
    }

    /// Where the root is attached, when the container has no mount namespace: the caller removes
    /// it after the container's end.
    #[must_use]
    pub fn host_root(&self) -> Option<&HostRoot> {
        self.host_root.as_ref()
    }

    /// The terminal's controlling end, once, if the container has a terminal.
    pub fn take_terminal(&mut self) -> Option<OwnedFd> {
        self.terminal.take()
    }

    /// Lets init execute its program.
    ///
    /// # Errors
    /// When `execve` fails; init is gone then.
    pub fn start(self) -> Result<Running, RuntimeError> {
        let Self { init, poststart, mounts, .. } = self;
        let (pid, pidfd) = init.release()?;
        if let Some((hooks, state)) = poststart {
            hook::run_all(Point::Poststart, &hooks.poststart, &state)?;
        }
        Ok(Running { pid, pidfd, mounts: Some(mounts) })
    }

    /// Leaves init waiting at its FIFO for another process to start it.
    ///
    /// # Errors
    /// None that the caller could cause.
    pub fn leave(mut self) -> Result<Running, RuntimeError> {
        let (pid, pidfd) = self.init.detach()?;
        Ok(Running { pid, pidfd, mounts: None })
    }
}
