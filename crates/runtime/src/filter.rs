//! A process's system call filter.

use oci::runtime::Seccomp;

use crate::{channel::Channel, error::RuntimeError, seccomp};

/// A compiled filter and the flags to load it with.
#[derive(Debug, Clone)]
pub(crate) struct Filter {
    program: Vec<u8>,
    flags: u64,
    pub(crate) has_listener: bool,
}

impl Filter {
    /// Takes the compiled program if there is one, else compiles the policy.
    pub(crate) fn plan(
        compiled: Option<&[u8]>,
        policy: Option<&Seccomp>,
    ) -> Result<Option<Self>, RuntimeError> {
        let flags = seccomp::load_flags(policy)?;
        let listening = policy.filter(|policy| seccomp::asks_listener(policy));
        listening.map_or(Ok(()), seccomp::check_listener)?;
        let program = match (compiled, policy) {
            (Some(bytes), _) => bytes.to_vec(),
            (None, Some(policy)) => seccomp::compile_listening(policy)?,
            (None, None) => return Ok(None),
        };
        Ok(Some(Self { program, flags, has_listener: listening.is_some() }))
    }

    pub(crate) fn load(&self, channel: &Channel) -> Result<(), RuntimeError> {
        let fail = |e| RuntimeError::system("load", "seccomp filter", e);
        if !self.has_listener {
            return sys::seccomp::load(&self.program, self.flags).map_err(fail);
        }
        let number = sys::seccomp::load_with_listener(&self.program, self.flags).map_err(fail)?;
        channel.hand_listener(number)
    }
}
