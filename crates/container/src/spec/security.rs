//! `SecurityOpt`, masked and read-only paths.

use crate::ContainerError;

/// Made unreadable (moby `oci/defaults.go`).
pub const MASKED_PATHS: &[&str] = &[
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

/// Made read-only.
pub const READONLY_PATHS: &[&str] =
    &["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// Which seccomp policy applies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum SeccompChoice {
    /// The engine's default.
    #[default]
    Default,
    /// None.
    Unconfined,
    /// A policy document, which the client sends whole.
    Custom(String),
}

/// Parsed `SecurityOpt`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Filter.
    pub seccomp: SeccompChoice,
    /// `PR_SET_NO_NEW_PRIVS`.
    pub no_new_privileges: bool,
    /// AppArmor profile, if one was named.
    pub apparmor: Option<String>,
    /// Whether SELinux confinement is switched off.
    pub is_label_disabled: bool,
    /// Whether the container may write to its cgroups.
    pub has_writable_cgroups: bool,
}

impl Options {
    /// Parses `name=value` and, as older clients send it, `name:value`.
    ///
    /// # Errors
    /// [`ContainerError::Invalid`] with Docker's text.
    pub fn parse(options: &[String]) -> Result<Self, ContainerError> {
        let mut parsed = Self::default();
        for option in options {
            parsed.take(option)?;
        }
        Ok(parsed)
    }

    fn take(&mut self, option: &str) -> Result<(), ContainerError> {
        let invalid = || ContainerError::Invalid(format!("invalid --security-opt 2: \"{option}\""));
        if option == "no-new-privileges" {
            self.no_new_privileges = true;
            return Ok(());
        }
        if option == "writable-cgroups" {
            self.has_writable_cgroups = true;
            return Ok(());
        }
        if option == "disable" {
            self.is_label_disabled = true;
            return Ok(());
        }
        let (name, value) =
            option.split_once('=').or_else(|| option.split_once(':')).ok_or_else(|| {
                ContainerError::Invalid(format!("invalid --security-opt 1: \"{option}\""))
            })?;
        match name {
            "seccomp" => {
                self.seccomp = match value {
                    "unconfined" => SeccompChoice::Unconfined,
                    "builtin" => SeccompChoice::Default,
                    document => SeccompChoice::Custom(document.to_owned()),
                };
            }
            "no-new-privileges" => {
                self.no_new_privileges = match value {
                    "true" | "1" | "t" | "T" | "TRUE" | "True" => true,
                    "false" | "0" | "f" | "F" | "FALSE" | "False" => false,
                    _ => return Err(invalid()),
                };
            }
            "writable-cgroups" => {
                self.has_writable_cgroups = match value {
                    "true" => true,
                    "false" => false,
                    _ => return Err(invalid()),
                };
            }
            "apparmor" => self.apparmor = Some(value.to_owned()),
            "label" => self.is_label_disabled |= value == "disable",
            _ => return Err(invalid()),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(options: &[&str]) -> Result<Options, ContainerError> {
        Options::parse(&options.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn options() {
        let parsed = parse(&["seccomp=unconfined", "no-new-privileges:true"]).unwrap();
        assert_eq!(parsed.seccomp, SeccompChoice::Unconfined);
        assert!(parsed.no_new_privileges);
        assert!(matches!(parse(&["seccomp={}"]).unwrap().seccomp, SeccompChoice::Custom(_)));
        assert!(parse(&["label=disable"]).unwrap().is_label_disabled);
        assert!(parse(&["writable-cgroups"]).unwrap().has_writable_cgroups);
        assert!(!parse(&["writable-cgroups=false"]).unwrap().has_writable_cgroups);
        for bad in ["nosuch=1", "nosuch", "no-new-privileges=maybe", "writable-cgroups=1"] {
            assert!(parse(&[bad]).is_err(), "{bad:?}");
        }
    }
}
