//! `--filter` as the API takes it: `{"name": {"value": true}}`.

use std::collections::BTreeMap;

use crate::grammar::Parsed;

/// The JSON of all the filters given, empty when there are none.
#[must_use]
pub fn json(flags: &Parsed) -> String {
    with(flags, &[])
}

/// The same with filters of the command's own.
#[must_use]
pub fn with(flags: &Parsed, own: &[(&str, &str)]) -> String {
    let mut all: BTreeMap<String, BTreeMap<String, bool>> = BTreeMap::new();
    let given = flags.list("filter").iter().filter_map(|text| text.split_once('='));
    for (name, value) in given.chain(own.iter().copied()) {
        all.entry(name.to_owned()).or_default().insert(value.to_owned(), true);
    }
    if all.is_empty() {
        return String::new();
    }
    serde_json::to_string(&all).unwrap_or_default()
}
