//! Capability names and the five sets of a process.

use oci::runtime::Capabilities;
use rustix::thread::{CapabilitySet, CapabilitySets};

use crate::error::RuntimeError;

/// Names in the order of their numbers (linux/capability.h).
pub const NAMES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// The bit of a name; `None` for one that this list does not know.
#[must_use]
pub fn bit(name: &str) -> Option<u64> {
    NAMES.iter().position(|known| *known == name).map(|number| 1 << number)
}

/// The names of a configuration that this list does not know, each once.
#[must_use]
pub fn unknown(spec: &Capabilities) -> Vec<&str> {
    let Capabilities { bounding, effective, inheritable, permitted, ambient } = spec;
    let all = [bounding, effective, inheritable, permitted, ambient].into_iter().flatten();
    let mut names: Vec<&str> = all.map(String::as_str).filter(|name| bit(name).is_none()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The sets of a process, as bits.
///
/// Names that nobody knows are passed over, as the specification has it since 1.1 (a newer engine
/// may name newer capabilities).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sets {
    bounding: u64,
    effective: u64,
    permitted: u64,
    inheritable: u64,
    ambient: u64,
}

impl Sets {
    /// Reads the configuration.
    #[must_use]
    pub fn from_spec(spec: &Capabilities) -> Self {
        let bits = |names: &[String]| names.iter().filter_map(|n| bit(n)).fold(0, |a, b| a | b);
        Self {
            bounding: bits(&spec.bounding),
            effective: bits(&spec.effective),
            permitted: bits(&spec.permitted),
            inheritable: bits(&spec.inheritable),
            ambient: bits(&spec.ambient),
        }
    }

    /// Drops what is not in the bounding set. Before the change of user: it needs `CAP_SETPCAP`.
    pub(crate) fn drop_bounding(&self) -> Result<(), RuntimeError> {
        for number in 0..64 {
            if self.bounding & (1 << number) != 0 {
                continue;
            }
            let one = CapabilitySet::from_bits_retain(1 << number);
            match rustix::thread::remove_capability_from_bounding_set(one) {
                Ok(()) => {}
                // Past the last capability of this kernel.
                Err(rustix::io::Errno::INVAL) => break,
                Err(e) => {
                    return Err(RuntimeError::system("drop from bounding set", number, e));
                }
            }
        }
        Ok(())
    }

    /// Sets the other four. After the change of user.
    ///
    /// A runtime cannot give what it does not have itself (it may run with a reduced set, as in a
    /// nested container): such bits are left out of all sets.
    pub(crate) fn apply(&self) -> Result<(), RuntimeError> {
        let fail = |e| RuntimeError::system("set", "capabilities", e);
        let own = rustix::thread::capabilities(None).map_err(fail)?.permitted.bits();
        let permitted = self.permitted & own;
        let inheritable = self.inheritable & own;
        rustix::thread::set_capabilities(
            None,
            CapabilitySets {
                effective: CapabilitySet::from_bits_retain(self.effective & permitted),
                permitted: CapabilitySet::from_bits_retain(permitted),
                inheritable: CapabilitySet::from_bits_retain(inheritable),
            },
        )
        .map_err(fail)?;
        rustix::thread::clear_ambient_capability_set().map_err(fail)?;
        for number in 0..64 {
            let one = 1u64 << number;
            if self.ambient & permitted & inheritable & one != 0 {
                rustix::thread::configure_capability_in_ambient_set(
                    CapabilitySet::from_bits_retain(one),
                    true,
                )
                .map_err(fail)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_kernels_numbers() {
        assert_eq!(bit("CAP_CHOWN"), Some(1));
        assert_eq!(bit("CAP_SYS_ADMIN"), Some(1 << 21));
        assert_eq!(bit("CAP_SETFCAP"), Some(1 << 31));
        assert_eq!(bit("CAP_CHECKPOINT_RESTORE"), Some(1 << 40));
        assert_eq!(bit("CAP_NO_SUCH"), None);
    }
}
