//! `--platform OS[/ARCH[/VARIANT]]`: checked before it is sent, in the API's form where it has one.

use anyhow::{Context, bail};
use serde_json::{Value, json};

use crate::{grammar::Parsed, session::Session};

const SYSTEMS: [&str; 9] =
    ["linux", "windows", "darwin", "freebsd", "netbsd", "openbsd", "solaris", "aix", "plan9"];
const ARCHITECTURES: [&str; 14] = [
    "386", "amd64", "x86_64", "x86-64", "arm", "armhf", "armel", "arm64", "aarch64", "ppc64le",
    "riscv64", "s390x", "mips64le", "loong64",
];

/// The variable that stands in for `--platform` of `run`, `create`, `pull` and `import`.
const DEFAULT: &str = "DOCKER_DEFAULT_PLATFORM";

/// Checks a platform; empty is any.
///
/// # Errors
/// In docker's words.
pub fn check(text: &str) -> anyhow::Result<()> {
    well_formed(text).context("error parsing specified platform")
}

fn well_formed(text: &str) -> anyhow::Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    let refuse =
        |reason: &str| -> anyhow::Result<()> { bail!("{text:?}: {reason}: invalid argument") };
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

/// The platform that the flag or else the environment names; empty is any.
#[must_use]
pub fn wanted(flags: &Parsed) -> String {
    if flags.is_set("platform") {
        return flags.text("platform").to_owned();
    }
    std::env::var(DEFAULT).unwrap_or_default()
}

/// The API's document of a platform.
///
/// # Errors
/// As [`check`].
pub fn document(text: &str) -> anyhow::Result<Value> {
    well_formed(text)?;
    let lower = text.to_lowercase();
    let parts: Vec<&str> = lower.split('/').collect();
    let (os, (architecture, variant)) = match parts[..] {
        [one] if SYSTEMS.contains(&one) => (one, host()),
        [one] => ("linux", plain_arm(architecture(one, ""))),
        [os, arch] => (os, plain_arm(architecture(arch, ""))),
        [os, "arm64" | "aarch64", "v8" | "8"] => (os, ("arm64".to_owned(), "v8".to_owned())),
        [os, arch, variant] => (os, architecture(arch, variant)),
        _ => bail!("{text:?}: invalid argument"),
    };
    let mut platform = json!({"architecture": architecture, "os": os});
    if !variant.is_empty() {
        platform["variant"] = variant.into();
    }
    Ok(platform)
}

fn host() -> (String, String) {
    architecture(std::env::consts::ARCH, "")
}

/// `arm` alone is its version 7 and says so only when asked.
fn plain_arm((name, variant): (String, String)) -> (String, String) {
    if name == "arm" && variant == "v7" { (name, String::new()) } else { (name, variant) }
}

/// One name for each architecture, and its variant unless that is the usual one.
fn architecture(name: &str, variant: &str) -> (String, String) {
    let (name, variant) = match (name, variant) {
        ("i386", _) => ("386", ""),
        ("x86_64" | "x86-64" | "amd64", "v1") => ("amd64", ""),
        ("x86_64" | "x86-64", variant) => ("amd64", variant),
        ("aarch64" | "arm64", "8" | "v8") => ("arm64", ""),
        ("aarch64", variant) => ("arm64", variant),
        ("armhf", _) => ("arm", "v7"),
        ("armel", _) => ("arm", "v6"),
        ("arm", "" | "7") => ("arm", "v7"),
        ("arm", "5") => ("arm", "v5"),
        ("arm", "6") => ("arm", "v6"),
        ("arm", "8") => ("arm", "v8"),
        other => other,
    };
    (name.to_owned(), variant.to_owned())
}

/// Asks for an API that `feature` needs: an older engine would not look at it.
///
/// # Errors
/// Docker's text when the engine's API is older than `minor` of 1.
pub async fn require(session: &Session, feature: &str, minor: u16) -> anyhow::Result<()> {
    session.client.negotiate().await?;
    let version = session.client.version();
    let needed: client::ApiVersion = format!("1.{minor}").parse()?;
    if version < needed {
        bail!(
            "{feature:?} requires API version 1.{minor}, but the Docker daemon API version is {version}"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_documents() {
        for (text, expected) in [
            ("linux/amd64", r#"{"architecture":"amd64","os":"linux"}"#),
            ("linux/x86_64", r#"{"architecture":"amd64","os":"linux"}"#),
            ("linux/arm/v7", r#"{"architecture":"arm","os":"linux","variant":"v7"}"#),
            ("linux/arm", r#"{"architecture":"arm","os":"linux"}"#),
            ("linux/arm64/v8", r#"{"architecture":"arm64","os":"linux","variant":"v8"}"#),
            ("aarch64", r#"{"architecture":"arm64","os":"linux"}"#),
        ] {
            assert_eq!(document(text).unwrap().to_string(), expected, "{text}");
        }
        for text in ["nosuch", "linux//x", "a/b/c/d"] {
            assert!(document(text).is_err(), "{text}");
        }
    }
}
