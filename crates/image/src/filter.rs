//! Filters of `images` and `image prune`.

use std::collections::BTreeMap;

use oci::image::ImageConfig;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use types::Reference;

use crate::config;

/// Why filters are not valid.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FilterError {
    /// A name that is no filter.
    #[error("invalid filter '{0}'")]
    Name(String),
    /// A value that the filter does not take.
    #[error("invalid filter '{name}={value}'")]
    Value {
        /// Filter.
        name: String,
        /// What was given.
        value: String,
    },
}

/// What is looked for; empty means everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageFilters {
    /// Only images without a tag, or only those with one.
    pub dangling: Option<bool>,
    /// `name` or `name=value`; all must be there.
    pub labels: Vec<String>,
    /// `name` or `name=value`; none may be there.
    pub not_labels: Vec<String>,
    /// Created before these images.
    pub before: Vec<String>,
    /// Created after these images.
    pub since: Vec<String>,
    /// Patterns of names; one must match.
    pub references: Vec<String>,
    /// Created before this moment, nanoseconds since the epoch.
    pub until_ns: Option<i64>,
}

impl ImageFilters {
    /// Reads the map of the API's `filters` parameter.
    ///
    /// # Errors
    /// [`FilterError`].
    pub fn from_map(map: &BTreeMap<String, Vec<String>>) -> Result<Self, FilterError> {
        let mut filters = Self::default();
        for (name, values) in map {
            let invalid =
                |value: &str| FilterError::Value { name: name.clone(), value: value.to_owned() };
            match name.as_str() {
                "dangling" => {
                    for value in values {
                        filters.dangling = Some(boolean(value).ok_or_else(|| invalid(value))?);
                    }
                }
                "label" => filters.labels.clone_from(values),
                "label!" => filters.not_labels.clone_from(values),
                "before" => filters.before.clone_from(values),
                "since" => filters.since.clone_from(values),
                "reference" => filters.references.clone_from(values),
                "until" => {
                    // Of several the earliest counts: the image is older than all of them.
                    for value in values {
                        let until = moment(value).ok_or_else(|| invalid(value))?;
                        filters.until_ns = Some(filters.until_ns.map_or(until, |u| u.min(until)));
                    }
                }
                other => return Err(FilterError::Name(other.to_owned())),
            }
        }
        Ok(filters)
    }

    pub(crate) fn labels_match(&self, config: &ImageConfig) -> bool {
        let labels = config.config.as_ref().and_then(|config| config.labels.as_ref());
        let has = |wanted: &String| {
            let (name, value) = match wanted.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (wanted.as_str(), None),
            };
            labels
                .and_then(|labels| labels.get(name))
                .is_some_and(|found| value.is_none_or(|value| value == found))
        };
        self.labels.iter().all(has) && !self.not_labels.iter().any(has)
    }
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "1" | "t" | "T" | "True" | "TRUE" => Some(true),
        "false" | "0" | "f" | "F" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

/// RFC 3339, seconds since the epoch, or a duration before now.
fn moment(text: &str) -> Option<i64> {
    if let Ok(date) = OffsetDateTime::parse(text, &Rfc3339) {
        return i64::try_from(date.unix_timestamp_nanos()).ok();
    }
    if let Ok(seconds) = text.parse::<f64>() {
        return Some((seconds * 1e9) as i64);
    }
    crate::changes::duration_ns(text).map(|ago| config::now_ns().saturating_sub(ago))
}

/// Open bounds on a date.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Bounds {
    after_ns: Option<i64>,
    before_ns: Option<i64>,
}

impl Bounds {
    pub(crate) fn before(&mut self, ns: i64) {
        self.before_ns = Some(self.before_ns.map_or(ns, |old| old.min(ns)));
    }

    pub(crate) fn after(&mut self, ns: i64) {
        self.after_ns = Some(self.after_ns.map_or(ns, |old| old.max(ns)));
    }

    pub(crate) fn covers(&self, ns: i64) -> bool {
        self.after_ns.is_none_or(|after| ns > after)
            && self.before_ns.is_none_or(|before| ns < before)
    }
}

/// Whether a pattern (Go's `path.Match`) fits the familiar reference or the familiar name.
pub(crate) fn reference_matches(pattern: &str, reference: &Reference) -> bool {
    let name = reference.name();
    glob(pattern, &reference.familiar())
        || glob(pattern, &reference.familiar_name())
        || glob(pattern, &name)
        || reference.tag().is_some_and(|tag| glob(pattern, &format!("{name}:{tag}")))
}

/// `*` and `?` do not match a slash; `[a-z]` and `[^a]` are classes; `\` escapes.
fn glob(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    glob_at(&pattern, &text)
}

fn glob_at(pattern: &[char], text: &[char]) -> bool {
    let Some(first) = pattern.first() else { return text.is_empty() };
    match first {
        '*' => {
            let rest = &pattern[1..];
            (0..=text.len())
                .take_while(|end| !text[..*end].contains(&'/'))
                .any(|end| glob_at(rest, &text[end..]))
        }
        '?' => text.first().is_some_and(|c| *c != '/') && glob_at(&pattern[1..], &text[1..]),
        '[' => match (class(&pattern[1..]), text.first()) {
            (Some((members, is_negated, length)), Some(c)) => {
                let is_in = members.iter().any(|(low, high)| (low..=high).contains(&c));
                is_in != is_negated && glob_at(&pattern[1 + length..], &text[1..])
            }
            _ => false,
        },
        '\\' if pattern.len() > 1 => {
            text.first() == Some(&pattern[1]) && glob_at(&pattern[2..], &text[1..])
        }
        c => text.first() == Some(c) && glob_at(&pattern[1..], &text[1..]),
    }
}

type Class = (Vec<(char, char)>, bool, usize);

/// Reads what follows `[`; returns ranges, negation, and the length with the closing bracket.
fn class(pattern: &[char]) -> Option<Class> {
    let is_negated = pattern.first() == Some(&'^');
    let mut at = usize::from(is_negated);
    let mut members = Vec::new();
    while *pattern.get(at)? != ']' || members.is_empty() {
        let low = *pattern.get(at)?;
        at += 1;
        let mut high = low;
        if pattern.get(at) == Some(&'-') && pattern.get(at + 1).is_some_and(|c| *c != ']') {
            high = pattern[at + 1];
            at += 2;
        }
        members.push((low, high));
    }
    Some((members, is_negated, at + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_gos() {
        for (pattern, text, wanted) in [
            ("busy*", "busybox", true),
            ("busy*", "user/busybox", false),
            ("*/*", "user/app", true),
            ("*/*:1.?", "user/app:1.2", true),
            ("app:[0-9]", "app:3", true),
            ("app:[^0-9]", "app:3", false),
            ("a\\*", "a*", true),
            ("", "", true),
            ("[", "[", false),
        ] {
            assert_eq!(glob(pattern, text), wanted, "{pattern} {text}");
        }
        let reference: Reference = "busybox:1.36".parse().unwrap();
        assert!(reference_matches("busybox", &reference));
        assert!(reference_matches("busybox:1*", &reference));
        assert!(reference_matches("docker.io/library/busybox", &reference));
        assert!(reference_matches("docker.io/library/busybox:*", &reference));
        assert!(!reference_matches("library/busybox", &reference));
    }

    #[test]
    fn maps_are_checked() {
        let map =
            |name: &str, value: &str| BTreeMap::from([(name.to_owned(), vec![value.to_owned()])]);
        assert_eq!(ImageFilters::from_map(&map("dangling", "true")).unwrap().dangling, Some(true));
        assert!(ImageFilters::from_map(&map("dangling", "perhaps")).is_err());
        assert!(ImageFilters::from_map(&map("color", "red")).is_err());
        assert!(ImageFilters::from_map(&map("until", "24h")).unwrap().until_ns.is_some());
        assert!(ImageFilters::from_map(&map("until", "soon")).is_err());
        let two = BTreeMap::from([("until".to_owned(), vec!["3".to_owned(), "7".to_owned()])]);
        assert_eq!(ImageFilters::from_map(&two).unwrap().until_ns, Some(3_000_000_000));
    }
}
