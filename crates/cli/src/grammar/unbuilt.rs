//! Flags that are known, checked and not built: to give one fails, so that none is dropped silently.

use super::Parsed;

/// Command and flag.
const UNBUILT: [(&str, &str); 4] = [
    ("container run", "use-api-socket"),
    ("container create", "use-api-socket"),
    ("container start", "checkpoint"),
    ("container start", "checkpoint-dir"),
];

/// Asks for signed images where `--disable-content-trust` is not given.
const CONTENT_TRUST: &str = "DOCKER_CONTENT_TRUST";

fn is_true(text: &str) -> bool {
    matches!(text, "1" | "t" | "T" | "true" | "TRUE" | "True")
}

/// The first flag of `command` that was given and is not built.
#[must_use]
pub fn unbuilt(command: &str, flags: &Parsed) -> Option<String> {
    let own = UNBUILT.iter().filter(|(path, _)| *path == command);
    for (_, flag) in own {
        if flags.flag(flag) || (flags.is_set(flag) && !flags.text(flag).is_empty()) {
            return Some(format!("--{flag}"));
        }
    }
    let knows_trust = matches!(
        command,
        "container run" | "container create" | "image pull" | "image push" | "builder build"
    );
    if !knows_trust {
        return None;
    }
    if flags.is_set("disable-content-trust") {
        return (!flags.flag("disable-content-trust"))
            .then(|| "--disable-content-trust=false".to_owned());
    }
    std::env::var(CONTENT_TRUST)
        .is_ok_and(|value| is_true(&value))
        .then(|| format!("{CONTENT_TRUST}=1 (content trust)"))
}
