//! `--platform OS[/ARCH[/VARIANT]]`, checked before it is sent.

use anyhow::bail;

const SYSTEMS: [&str; 9] =
    ["linux", "windows", "darwin", "freebsd", "netbsd", "openbsd", "solaris", "aix", "plan9"];
const ARCHITECTURES: [&str; 14] = [
    "386", "amd64", "x86_64", "x86-64", "arm", "armhf", "armel", "arm64", "aarch64", "ppc64le",
    "riscv64", "s390x", "mips64le", "loong64",
];

/// Checks a platform; empty is any.
///
/// # Errors
/// In docker's words.
pub fn check(text: &str) -> anyhow::Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    let refuse = |reason: &str| -> anyhow::Result<()> {
        bail!("error parsing specified platform: {text:?}: {reason}: invalid argument")
    };
    let parts: Vec<&str> = text.split('/').collect();
    let is_part = |t: &&str| {
        !t.is_empty() && t.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
    };
    if !parts.iter().all(is_part) || parts.len() > 3 {
        return refuse("an invalid component");
    }
    let lower = parts[0].to_lowercase();
    if parts.len() == 1
        && !SYSTEMS.contains(&lower.as_str())
        && !ARCHITECTURES.contains(&lower.as_str())
    {
        return refuse("unknown operating system or architecture");
    }
    Ok(())
}
