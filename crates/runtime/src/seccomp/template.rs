//! Docker's policy format: rules with conditions.

use oci::runtime::{Seccomp, SeccompArg, SeccompRule};
use serde::Deserialize;

use super::{Arch, SeccompError};

/// A policy with conditions, as Docker's default and `--security-opt seccomp=FILE` have it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DefaultPolicy {
    /// For calls that no rule names.
    pub default_action: String,
    /// For `SCMP_ACT_ERRNO`.
    pub default_errno_ret: Option<u32>,
    /// Instead of `arch_map`: fixed architectures.
    pub architectures: Option<Vec<String>>,
    /// Native architecture to the ones it can run besides.
    pub arch_map: Option<Vec<ArchEntry>>,
    /// `SECCOMP_FILTER_FLAG_…`.
    pub flags: Option<Vec<String>>,
    /// For `SCMP_ACT_NOTIFY`.
    pub listener_path: Option<std::path::PathBuf>,
    /// For `SCMP_ACT_NOTIFY`.
    pub listener_metadata: Option<String>,
    /// Rules.
    pub syscalls: Option<Vec<TemplateRule>>,
}

/// One entry of the architecture map.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ArchEntry {
    /// Native.
    pub architecture: String,
    /// Others that it can run.
    pub sub_architectures: Option<Vec<String>>,
}

/// One rule with its conditions.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TemplateRule {
    /// Old form of `names`.
    pub name: String,
    /// System calls.
    pub names: Option<Vec<String>>,
    /// `SCMP_ACT_…`.
    pub action: String,
    /// For `SCMP_ACT_ERRNO`.
    pub errno_ret: Option<u32>,
    /// All must hold.
    pub args: Option<Vec<SeccompArg>>,
    /// The rule counts only when these hold.
    pub includes: Option<Conditions>,
    /// The rule does not count when one of these holds.
    pub excludes: Option<Conditions>,
}

/// Conditions of a rule.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Conditions {
    /// Capabilities.
    pub caps: Option<Vec<String>>,
    /// Architectures, by their names in Go.
    pub arches: Option<Vec<String>>,
    /// `MAJOR.MINOR`.
    pub min_kernel: Option<String>,
}

/// A kernel's version, as far as policies compare it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KernelVersion {
    /// First number.
    pub major: u32,
    /// Second number.
    pub minor: u32,
}

impl KernelVersion {
    /// Reads the start of `uname -r`, or a policy's condition.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split(|c: char| !c.is_ascii_digit());
        Some(Self { major: numbers.next()?.parse().ok()?, minor: numbers.next()?.parse().ok()? })
    }

    /// The running kernel's.
    #[must_use]
    pub fn running() -> Option<Self> {
        Self::parse(rustix::system::uname().release().to_str().ok()?)
    }
}

impl DefaultPolicy {
    /// Reads a policy.
    ///
    /// # Errors
    /// [`SeccompError::Json`].
    pub fn parse(json: &str) -> Result<Self, SeccompError> {
        Ok(serde_json::from_str(json)?)
    }

    /// [`super::DOCKER_DEFAULT`], read.
    ///
    /// # Errors
    /// None in practice; the text is part of the program.
    pub fn docker() -> Result<Self, SeccompError> {
        Self::parse(super::DOCKER_DEFAULT)
    }
}

/// Decides all conditions: what is left is a plain policy.
///
/// `capabilities` are the container's bounding set by name.
#[must_use]
pub fn resolve(
    template: &DefaultPolicy,
    capabilities: &[String],
    arch: Arch,
    kernel: KernelVersion,
) -> Seccomp {
    let host = Host { capabilities, arch, kernel };
    Seccomp {
        default_action: template.default_action.clone(),
        default_errno_ret: template.default_errno_ret,
        architectures: architectures(template, arch),
        flags: template.flags.clone().unwrap_or_default(),
        listener_path: template.listener_path.clone(),
        listener_metadata: template.listener_metadata.clone(),
        syscalls: template
            .syscalls
            .iter()
            .flatten()
            .filter(|rule| host.admits(rule))
            .map(plain)
            .collect(),
    }
}

fn architectures(template: &DefaultPolicy, arch: Arch) -> Vec<String> {
    if let Some(fixed) = template.architectures.as_ref().filter(|a| !a.is_empty()) {
        return fixed.clone();
    }
    let entry =
        template.arch_map.iter().flatten().find(|entry| entry.architecture == arch.policy_name());
    match entry {
        Some(entry) => [entry.architecture.clone()]
            .into_iter()
            .chain(entry.sub_architectures.clone().unwrap_or_default())
            .collect(),
        None => Vec::new(),
    }
}

fn plain(rule: &TemplateRule) -> SeccompRule {
    let mut names = rule.names.clone().unwrap_or_default();
    if !rule.name.is_empty() {
        names.push(rule.name.clone());
    }
    SeccompRule {
        names,
        action: rule.action.clone(),
        errno_ret: rule.errno_ret,
        args: rule.args.clone().unwrap_or_default(),
    }
}

struct Host<'a> {
    capabilities: &'a [String],
    arch: Arch,
    kernel: KernelVersion,
}

impl Host<'_> {
    fn admits(&self, rule: &TemplateRule) -> bool {
        rule.includes.as_ref().is_none_or(|c| self.includes(c))
            && !rule.excludes.as_ref().is_some_and(|c| self.excludes(c))
    }

    /// Every condition that is there holds.
    fn includes(&self, conditions: &Conditions) -> bool {
        let caps = conditions.caps.iter().flatten().all(|c| self.capabilities.contains(c));
        let arches = conditions.arches.as_ref().filter(|a| !a.is_empty());
        caps && arches.is_none_or(|a| self.is_among(a))
            && conditions.min_kernel.as_ref().is_none_or(|k| self.is_at_least(k))
    }

    /// Some condition holds.
    fn excludes(&self, conditions: &Conditions) -> bool {
        conditions.caps.iter().flatten().any(|c| self.capabilities.contains(c))
            || conditions.arches.as_ref().is_some_and(|a| self.is_among(a))
            || conditions.min_kernel.as_ref().is_some_and(|k| self.is_at_least(k))
    }

    fn is_among(&self, arches: &[String]) -> bool {
        arches.iter().any(|a| a == self.arch.go_name())
    }

    fn is_at_least(&self, version: &str) -> bool {
        KernelVersion::parse(version).is_some_and(|needed| self.kernel >= needed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(capabilities: &[&str], arch: Arch) -> Vec<String> {
        let capabilities: Vec<String> = capabilities.iter().map(|c| (*c).to_owned()).collect();
        let policy = DefaultPolicy::docker().unwrap();
        let kernel = KernelVersion { major: 6, minor: 1 };
        resolve(&policy, &capabilities, arch, kernel)
            .syscalls
            .into_iter()
            .filter(|rule| rule.action == "SCMP_ACT_ALLOW" && rule.args.is_empty())
            .flat_map(|rule| rule.names)
            .collect()
    }

    #[test]
    fn capabilities_open_calls() {
        let has = |list: &[String], name: &str| list.iter().any(|n| n == name);
        let plain = names(&["CAP_CHOWN"], Arch::X86_64);
        assert!(has(&plain, "read") && has(&plain, "ptrace") && has(&plain, "arch_prctl"));
        assert!(!has(&plain, "mount") && !has(&plain, "clone") && !has(&plain, "reboot"));
        let admin = names(&["CAP_SYS_ADMIN"], Arch::X86_64);
        assert!(has(&admin, "mount") && has(&admin, "clone"));
        assert!(!has(&names(&[], Arch::Aarch64), "arch_prctl"));
        assert!(has(&names(&[], Arch::Aarch64), "arm_fadvise64_64"));
    }

    #[test]
    fn old_kernels_close_calls() {
        let policy = DefaultPolicy::docker().unwrap();
        let old = resolve(&policy, &[], Arch::X86_64, KernelVersion { major: 4, minor: 7 });
        assert!(!old.syscalls.iter().any(|r| r.names.iter().any(|n| n == "ptrace")));
        assert_eq!(old.architectures.len(), 3);
    }

    #[test]
    fn versions_compare_by_number() {
        assert_eq!(KernelVersion::parse("6.18.44-fc"), Some(KernelVersion { major: 6, minor: 18 }));
        assert!(KernelVersion::parse("4.10") > KernelVersion::parse("4.8"));
    }
}
