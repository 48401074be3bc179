//! Scoped API sockets: the Engine API with least privilege.
//!
//! A [`Scope`] says what may be done (a closed list of permissions), which containers exist at
//! all (labels), and which values are not shown. Two layers enforce it:
//! - `guard` looks every route up in one table (`route`) before its handler runs; a route
//!   without a row, an unknown path and a permission that was not given are 403.
//! - [`Scoped`] stands between the routers and the engine's backends: it resolves every name
//!   among the containers that match only (others are absent, not forbidden), narrows lists and
//!   events, and redacts documents.
//!
//! What reaches beyond the containers that match (creation, prunes, registries) cannot be allowed
//! together with a filter. Redaction is of the API's documents: who may read a container's files
//! or run programs in it reads its environment there.
//!
//! Source: issue 3 of the project; Docker has nothing like it.

mod container;
mod exec;
mod guard;
mod image;
mod network;
pub mod permission;
mod redact;
mod route;
mod sockets;
mod system;
mod view;
mod volume;

pub use guard::router;
pub use permission::Permission;
pub use sockets::{ApiSockets, SocketDefaults};
pub use view::Scoped;

use std::collections::BTreeSet;

use types::ErrorKind;

use crate::{Answer, ApiError};
use permission::Reach;
use redact::Redaction;

/// Attributes of events that are facts and hide a label of the same name.
const FACTS: [&str; 8] =
    ["image", "name", "exitCode", "signal", "oldName", "execID", "execDuration", "container"];

/// What a socket may do.
#[derive(Debug, Clone)]
pub struct Scope {
    name: String,
    allowed: BTreeSet<Permission>,
    labels: Vec<String>,
    redaction: Redaction,
}

impl Scope {
    /// Reads a scope from the words that people write.
    ///
    /// # Errors
    /// 400 for an unknown word, for no permission at all, and for a permission that a filter
    /// cannot narrow.
    pub fn parse(
        name: &str,
        allowed: &[String],
        labels: &[String],
        redacted: &[String],
    ) -> Answer<Self> {
        let allowed = allowed.iter().map(|text| text.parse()).collect::<Answer<BTreeSet<_>>>()?;
        if allowed.is_empty() {
            return Err(ApiError::invalid("an API socket needs at least one permission"));
        }
        labels.iter().try_for_each(|label| check_label(label))?;
        let scope = Self {
            name: name.to_owned(),
            allowed,
            labels: labels.to_vec(),
            redaction: Redaction::parse(redacted)?,
        };
        scope.check_reach()?;
        Ok(scope)
    }

    fn check_reach(&self) -> Answer<()> {
        let whole = self.allowed.iter().find(|permission| permission.reach() == Reach::Whole);
        match whole {
            Some(permission) if self.is_narrowed() => Err(ApiError::invalid(format!(
                "permission {permission} reaches beyond the containers of a label filter and \
                 cannot be combined with one"
            ))),
            _ => Ok(()),
        }
    }

    fn allows(&self, permission: Permission) -> bool {
        self.allowed.contains(&permission)
    }

    fn is_narrowed(&self) -> bool {
        !self.labels.is_empty()
    }

    fn admits(&self, labels: &engine_api::StringMap) -> bool {
        self.labels.iter().all(|wanted| match wanted.split_once('=') {
            None => labels.contains_key(wanted),
            Some((key, value)) => labels.get(key).is_some_and(|have| have == value),
        })
    }

    fn refusal(&self, what: impl std::fmt::Display) -> ApiError {
        ApiError::new(
            ErrorKind::PermissionDenied,
            format!("{what} is not allowed on the API socket {}", self.name),
        )
    }

    fn missing(&self, permission: Permission) -> ApiError {
        self.refusal(format_args!("permission {permission}"))
    }
}

fn check_label(label: &str) -> Answer<()> {
    let key = label.split('=').next().unwrap_or_default();
    if key.is_empty() {
        return Err(ApiError::invalid(format!("invalid label {label:?}: KEY or KEY=VALUE")));
    }
    if FACTS.contains(&key) {
        return Err(ApiError::invalid(format!(
            "the label {key} cannot be filtered by: events have a fact of that name"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(list: &[&str]) -> Vec<String> {
        list.iter().map(|word| (*word).to_owned()).collect()
    }

    fn parse(allowed: &[&str], labels: &[&str], redacted: &[&str]) -> Answer<Scope> {
        Scope::parse("s", &words(allowed), &words(labels), &words(redacted))
    }

    #[test]
    fn unknown_words_are_refused() {
        assert!(parse(&["containers:list"], &["a=b", "c"], &["env", "args"]).is_ok());
        let bad: [(&[&str], &[&str], &[&str]); 8] = [
            (&[], &[], &[]),
            (&["containers"], &[], &[]),
            (&["containers:*"], &[], &[]),
            (&["*"], &[], &[]),
            (&["events"], &[""], &[]),
            (&["events"], &["=x"], &[]),
            (&["events"], &["name=x"], &[]),
            (&["events"], &[], &["everything"]),
        ];
        for (allowed, labels, redacted) in bad {
            let error = parse(allowed, labels, redacted).unwrap_err();
            assert_eq!(error.status.as_u16(), 400, "{allowed:?} {labels:?} {redacted:?}");
        }
    }

    #[test]
    fn what_a_filter_cannot_narrow_is_refused_with_one() {
        for permission in Permission::ALL {
            let is_whole = permission.reach() == Reach::Whole;
            assert!(parse(&[permission.name()], &[], &[]).is_ok());
            assert_eq!(parse(&[permission.name()], &["a"], &[]).is_err(), is_whole, "{permission}");
        }
    }

    #[test]
    fn all_labels_must_match() {
        let scope = parse(&["events"], &["a=1", "b"], &[]).unwrap();
        let labels = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
        };
        assert!(scope.admits(&labels(&[("a", "1"), ("b", "")])));
        assert!(!scope.admits(&labels(&[("a", "2"), ("b", "")])));
        assert!(!scope.admits(&labels(&[("a", "1")])));
    }
}
