//! Hooks: programs of the caller's at points of a container's life.

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use oci::runtime::{Hook, Spec, State};

use crate::error::RuntimeError;

/// The specification's version that this runtime speaks.
pub const OCI_VERSION: &str = "1.2.0";

/// When a hook runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// Creator's namespaces, before `pivot_root`; deprecated.
    Prestart,
    /// Creator's namespaces, before `pivot_root`.
    CreateRuntime,
    /// Container's namespaces, before `pivot_root`.
    CreateContainer,
    /// Container's namespaces, before `execve`.
    StartContainer,
    /// After `execve`.
    Poststart,
    /// After the deletion.
    Poststop,
}

impl Point {
    const fn name(self) -> &'static str {
        match self {
            Self::Prestart => "prestart",
            Self::CreateRuntime => "createRuntime",
            Self::CreateContainer => "createContainer",
            Self::StartContainer => "startContainer",
            Self::Poststart => "poststart",
            Self::Poststop => "poststop",
        }
    }
}

/// The document that a hook gets.
#[must_use]
pub fn state(spec: &Spec, id: &str, bundle: &Path, status: &str, pid: Option<i32>) -> State {
    State {
        oci_version: OCI_VERSION.to_owned(),
        id: id.to_owned(),
        status: status.to_owned(),
        pid,
        bundle: bundle.to_owned(),
        annotations: spec.annotations.clone(),
    }
}

/// Runs hooks in order; the first failure ends it.
///
/// # Errors
/// [`RuntimeError::Hook`] when one cannot be run, fails, or takes longer than its timeout.
pub fn run_all(point: Point, hooks: &[Hook], state: &State) -> Result<(), RuntimeError> {
    run_all_with(point, hooks, state, None)
}

/// As [`run_all`]; hooks that give no environment get `inherited` instead of the caller's.
pub(crate) fn run_all_with(
    point: Point,
    hooks: &[Hook],
    state: &State,
    inherited: Option<&[String]>,
) -> Result<(), RuntimeError> {
    hooks.iter().try_for_each(|hook| {
        run(hook, state, inherited).map_err(|outcome| RuntimeError::Hook {
            point: point.name(),
            path: hook.path.clone(),
            outcome,
        })
    })
}

/// The hook's own, else `inherited`; `None`: the caller's.
fn environment<'a>(hook: &'a Hook, inherited: Option<&'a [String]>) -> Option<&'a [String]> {
    if hook.env.is_empty() { inherited } else { Some(&hook.env) }
}

fn run(hook: &Hook, state: &State, inherited: Option<&[String]>) -> Result<(), String> {
    use std::os::unix::process::CommandExt;
    let mut command = Command::new(&hook.path);
    if let Some((name, rest)) = hook.args.split_first() {
        command.arg0(name).args(rest);
    }
    if let Some(env) = environment(hook, inherited) {
        command.env_clear();
        command.envs(env.iter().filter_map(|entry| entry.split_once('=')));
    }
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|e| e.to_string())?;
    let document = serde_json::to_vec(state).map_err(|e| e.to_string())?;
    if let Some(mut stdin) = child.stdin.take() {
        match stdin.write_all(&document) {
            Ok(()) => {}
            // A hook need not read its standard input.
            Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => {}
            Err(e) => return Err(e.to_string()),
        }
    }
    let deadline = hook
        .timeout
        .and_then(|seconds| u64::try_from(seconds).ok())
        .map(|seconds| Instant::now() + Duration::from_secs(seconds));
    loop {
        if let Some(status) = child.try_wait().map_err(|e| e.to_string())? {
            return if status.success() { Ok(()) } else { Err(status.to_string()) };
        }
        if deadline.is_some_and(|d| Instant::now() >= d) {
            child.kill().and_then(|()| child.wait()).map_err(|e| e.to_string())?;
            return Err("timed out".to_owned());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}
