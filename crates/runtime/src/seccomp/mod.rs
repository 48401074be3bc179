//! System call filters: Docker's policy template, its resolution, and a compiler to BPF.
//!
//! [`DefaultPolicy`] (Docker's JSON, with conditions on capabilities, architecture and kernel) is
//! resolved to an [`oci::runtime::Seccomp`], which [`compile`] turns into a program for
//! `seccomp(2)`. All of it is pure: the same input gives the same bytes, so the result can be
//! cached by the policy's hash.
//!
//! Differences to libseccomp that no policy in use depends on: `socketcall` and `ipc` of 32-bit
//! x86 are filtered by their own names only; of several unconditional rules for one call the
//! first counts (libseccomp refuses the second).

mod assemble;
mod syscalls;
mod template;
#[cfg(test)]
mod tests;

pub use assemble::{compile, compile_listening};
pub use syscalls::Arch;
pub use template::{Conditions, DefaultPolicy, KernelVersion, TemplateRule, resolve};

use oci::runtime::Seccomp;

use crate::error::RuntimeError;

/// Docker's default policy.
pub const DOCKER_DEFAULT: &str = include_str!("../../data/seccomp-default.json");

/// Why a policy cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SeccompError {
    /// The policy is not the JSON it should be.
    #[error("decoding seccomp profile failed")]
    Json(#[from] serde_json::Error),
    /// An action, operator or architecture has an unknown name.
    #[error("unknown {what} {name:?}")]
    Name {
        /// What kind of name.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// An argument index above 5.
    #[error("seccomp rule for {syscall:?} compares argument {index}, there are 0 to 5")]
    Argument {
        /// Of which call.
        syscall: String,
        /// As given.
        index: u32,
    },
    /// The policy asks for something that is not built.
    #[error("seccomp: {feature} is not supported")]
    Unsupported {
        /// What.
        feature: &'static str,
    },
    /// The program is longer than the kernel accepts.
    #[error("seccomp policy compiles to {instructions} instructions, 4096 are possible")]
    TooLong {
        /// How many.
        instructions: usize,
    },
}

/// Whether a policy asks a listener what to do about some calls.
#[must_use]
pub fn asks_listener(policy: &Seccomp) -> bool {
    policy.syscalls.iter().any(|rule| rule.action == assemble::NOTIFY)
}

/// Refuses a policy whose listener could never be asked.
pub(crate) fn check_listener(policy: &Seccomp) -> Result<(), RuntimeError> {
    let field = |value: &str, reason| Err(RuntimeError::field("linux.seccomp", value, reason));
    if policy.default_action == assemble::NOTIFY {
        return field(assemble::NOTIFY, "cannot be the default action");
    }
    let asks = |rule: &&oci::runtime::SeccompRule| rule.action == assemble::NOTIFY;
    if policy.syscalls.iter().filter(asks).any(|rule| rule.names.iter().any(|n| n == "write")) {
        return field("write", "cannot be notified: the listener itself is handed over by it");
    }
    match &policy.listener_path {
        None => field(assemble::NOTIFY, "needs a listenerPath"),
        Some(_) => Ok(()),
    }
}

/// The flags of `seccomp(2)` for a policy.
///
/// Without any given, the speculation mitigations that a filter brings along are left off, as
/// runc and the kernel's own default since 5.16 do.
pub(crate) fn load_flags(policy: Option<&Seccomp>) -> Result<u64, RuntimeError> {
    const LOG: u64 = 2;
    const SPEC_ALLOW: u64 = 4;
    let names = policy.map(|p| p.flags.as_slice()).unwrap_or_default();
    if names.is_empty() {
        return Ok(SPEC_ALLOW);
    }
    names.iter().try_fold(0, |flags, name| match name.as_str() {
        // The process has one thread, all threads are in step.
        "SECCOMP_FILTER_FLAG_TSYNC" => Ok(flags),
        "SECCOMP_FILTER_FLAG_LOG" => Ok(flags | LOG),
        "SECCOMP_FILTER_FLAG_SPEC_ALLOW" => Ok(flags | SPEC_ALLOW),
        other => Err(RuntimeError::field("linux.seccomp.flags", other, "unknown flag")),
    })
}
