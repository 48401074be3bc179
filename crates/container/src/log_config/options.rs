//! The options of a log driver by name, as the caller gave them.

use std::collections::BTreeMap;

/// Options that pick attributes and the tag; most drivers take them.
pub(super) const COMMON: [&str; 5] = ["env", "env-regex", "labels", "labels-regex", "tag"];
/// Options that belong to no driver.
const BUILT_IN: [&str; 2] = ["mode", "max-buffer-size"];
/// What cache options begin with.
pub(super) const CACHE_PREFIX: &str = "cache-";
const CACHE: [&str; 9] = [
    "disabled",
    "max-file",
    "max-size",
    "compress",
    "env",
    "env-regex",
    "labels",
    "labels-regex",
    "tag",
];

/// A driver's options.
#[derive(Debug, Clone, Copy)]
pub(super) struct Options<'a>(pub(super) &'a BTreeMap<String, String>);

impl<'a> Options<'a> {
    /// The option's value; an empty one counts as none, as in Docker.
    pub(super) fn get(self, name: &str) -> Option<&'a str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Whether it is there at all.
    pub(super) fn has(self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The first option that is neither the driver's nor everybody's.
    pub(super) fn unknown(self, own: &[&str]) -> Option<&'a str> {
        let is_known = |name: &str| {
            own.contains(&name)
                || BUILT_IN.contains(&name)
                || name.strip_prefix(CACHE_PREFIX).is_some_and(|rest| CACHE.contains(&rest))
        };
        self.0.keys().map(String::as_str).find(|name| !is_known(name))
    }

    /// [`Options::unknown`] for a driver that takes the common options.
    pub(super) fn unknown_beside_common(self, own: &[&str]) -> Option<&'a str> {
        self.unknown(&[own, &COMMON[..]].concat())
    }
}

/// Whether an option of the engine's defaults goes to every driver.
pub(crate) fn is_cache_option(name: &str) -> bool {
    name.strip_prefix(CACHE_PREFIX).is_some_and(|rest| CACHE.contains(&rest))
}
