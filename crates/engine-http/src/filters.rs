//! The `filters` parameter: `{"label": ["a=b"]}`, or the older `{"label": {"a=b": true}}`.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::ApiError;

/// Values by filter name; values of one name are alternatives unless the filter says otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filters(BTreeMap<String, Vec<String>>);

#[derive(Deserialize)]
#[serde(untagged)]
enum Values {
    List(Vec<String>),
    Set(BTreeMap<String, bool>),
}

impl Filters {
    /// Parses the parameter; empty is no filter.
    ///
    /// # Errors
    /// `invalid filter` (400) when it is neither of the two forms.
    pub fn parse(text: &str) -> Result<Self, ApiError> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let parsed: Option<BTreeMap<String, Option<Values>>> =
            serde_json::from_str(text).map_err(|_| ApiError::invalid("invalid filter"))?;
        let values = |values| match values {
            None => Vec::new(),
            Some(Values::List(list)) => list,
            // Docker's own reader looks at the keys only, whatever the flag says.
            Some(Values::Set(set)) => set.into_keys().collect(),
        };
        Ok(Self(parsed.unwrap_or_default().into_iter().map(|(k, v)| (k, values(v))).collect()))
    }

    /// The values of one filter, empty if it was not given.
    #[must_use]
    pub fn get(&self, name: &str) -> &[String] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// Whether the filter was given.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Whether no filter was given.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All filters with their values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.0.iter().map(|(name, values)| (name.as_str(), values.as_slice()))
    }

    /// Adds a value.
    pub fn add(&mut self, name: &str, value: impl Into<String>) {
        self.0.entry(name.to_owned()).or_default().push(value.into());
    }

    /// Whether `name` was not given, or one of its values equals `value`.
    #[must_use]
    pub fn admits(&self, name: &str, value: &str) -> bool {
        let wanted = self.get(name);
        wanted.is_empty() || wanted.iter().any(|candidate| candidate == value)
    }

    /// Whether labels satisfy every `KEY` and `KEY=VALUE` under `name`; no value admits all.
    #[must_use]
    pub fn admits_labels(&self, name: &str, labels: &engine_api::StringMap) -> bool {
        self.get(name).iter().all(|wanted| match wanted.split_once('=') {
            None => labels.contains_key(wanted),
            Some((key, value)) => labels.get(key).is_some_and(|have| have == value),
        })
    }

    /// The value of a filter that is a flag (`dangling`, `all`), or `None` if it was not given.
    ///
    /// # Errors
    /// `invalid filter 'NAME=..'` (400) when the values are not one of Docker's words for
    /// true or false, or contradict each other.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, ApiError> {
        let bad = || ApiError::invalid(format!("invalid filter '{name}={:?}'", self.get(name)));
        let words = |yes: &[&str]| self.get(name).iter().any(|value| yes.contains(&value.as_str()));
        if self.get(name).is_empty() {
            return Ok(None);
        }
        match (words(&["1", "true"]), words(&["0", "false"])) {
            (true, false) => Ok(Some(true)),
            (false, true) => Ok(Some(false)),
            _ => Err(bad()),
        }
    }

    /// Refuses filters that the operation does not know.
    ///
    /// # Errors
    /// `invalid filter 'NAME'` (400).
    pub fn allow_only(&self, known: &[&str]) -> Result<(), ApiError> {
        match self.0.keys().find(|name| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) => Err(ApiError::invalid(format!("invalid filter '{name}'"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read_and_can_be_mixed() {
        let filters =
            Filters::parse(r#"{"label":["b","a=1"],"status":{"running":true,"exited":false}}"#)
                .unwrap();
        assert_eq!(filters.get("label"), ["b", "a=1"]);
        assert_eq!(filters.get("status"), ["exited", "running"]);
        assert!(filters.get("name").is_empty());
        assert!(Filters::parse("").unwrap().is_empty());
        assert!(Filters::parse("{}").unwrap().is_empty());
        assert!(Filters::parse("null").unwrap().is_empty());
    }

    #[test]
    fn other_shapes_are_refused_with_dockers_text() {
        for bad in ["[]", "{", r#"{"a":"b"}"#, r#"{"a":[1]}"#, "x", r#"{"a":{"b":1}}"#] {
            let error = Filters::parse(bad).unwrap_err();
            assert_eq!((error.status.as_u16(), error.message.as_str()), (400, "invalid filter"));
        }
    }

    #[test]
    fn labels_match_by_key_or_by_pair_and_all_must_match() {
        let labels = [("a".to_owned(), "1".to_owned())].into();
        let admits = |text: &str| Filters::parse(text).unwrap().admits_labels("label", &labels);
        assert!(admits("{}"));
        assert!(admits(r#"{"label":["a"]}"#));
        assert!(admits(r#"{"label":["a","a=1"]}"#));
        assert!(!admits(r#"{"label":["a=2"]}"#));
        assert!(!admits(r#"{"label":["a","b"]}"#));
    }

    #[test]
    fn flags_and_unknown_names() {
        let flag = |text: &str| Filters::parse(text).unwrap().flag("dangling");
        assert_eq!(flag("{}").unwrap(), None);
        assert_eq!(flag(r#"{"dangling":["true"]}"#).unwrap(), Some(true));
        assert_eq!(flag(r#"{"dangling":{"0":true}}"#).unwrap(), Some(false));
        assert!(flag(r#"{"dangling":["maybe"]}"#).is_err());
        assert!(flag(r#"{"dangling":["true","false"]}"#).is_err());
        let filters = Filters::parse(r#"{"nonsense":["x"]}"#).unwrap();
        assert!(filters.allow_only(&["label"]).is_err());
        assert!(filters.allow_only(&["nonsense"]).is_ok());
    }
}
