//! The creator's share in a container's birth, from the clone to the gate.

use oci::runtime::{Hooks, State};

use crate::{
    cgroup::Cgroup,
    error::RuntimeError,
    hook::{self, Point},
    id_map::Mappings,
    launch::Created,
    limits::Limits,
    listener::Agent,
    parent::{Conversation, Nascent},
};

/// What the creator does for a child that has been born.
pub(crate) struct Settling<'a> {
    pub(crate) cgroup: &'a Cgroup,
    pub(crate) limits: Limits,
    pub(crate) in_user_namespace: bool,
    pub(crate) mappings: Option<Mappings>,
    pub(crate) hooks: Hooks,
    pub(crate) clocks: String,
    pub(crate) agent: Option<Agent>,
    pub(crate) state: &'a dyn Fn(&str, Option<i32>) -> State,
}

impl Settling<'_> {
    /// Puts it in its place and serves it until it waits at the gate.
    pub(crate) fn settle(self, init: Nascent) -> Result<Created, RuntimeError> {
        let Self { cgroup, limits, mappings, hooks, clocks, agent, state, .. } = self;
        init.place(
            cgroup,
            |pid| {
                limits.apply_oom_score(pid)?;
                if self.in_user_namespace {
                    limits.apply(pid)?;
                }
                mappings.as_ref().map_or(Ok(()), |m| m.write(pid))
            },
            |_| Ok(()),
        )?;
        let terminal = init.converse(&mut Conversation {
            on_hooks: &mut |pid| {
                let state = state("creating", Some(pid));
                hook::run_all(Point::Prestart, &hooks.prestart, &state)?;
                hook::run_all(Point::CreateRuntime, &hooks.create_runtime, &state)
            },
            on_clocks: &mut |pid| {
                let path = format!("/proc/{pid}/timens_offsets");
                std::fs::write(&path, &clocks).map_err(|e| RuntimeError::system("write", path, e))
            },
            agent: agent.as_ref(),
        })?;
        let path = format!("/proc/{}/ns/mnt", init.pid);
        let mounts =
            std::fs::File::open(&path).map_err(|e| RuntimeError::system("open", path, e))?;
        let running = state("running", Some(init.pid));
        let poststart = (!hooks.poststart.is_empty()).then_some((hooks, running));
        Ok(Created { init, terminal, mounts: mounts.into(), host_root: None, poststart })
    }
}
