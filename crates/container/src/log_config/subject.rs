//! Whose log it is: the container as drivers and tags see it, with the attributes that were
//! picked from its labels and environment.

use std::collections::BTreeMap;

use container_log::sink::Subject;
use regex_lite::Regex;

use super::options::Options;
use crate::{clock::rfc3339, record::Record};

/// Digits of a short id.
pub(super) const SHORT_ID: usize = 12;

/// Describes a container, without the tag.
pub(super) fn describe(record: &Record, options: Options<'_>) -> Result<Subject, String> {
    Ok(Subject {
        id: record.id.to_string(),
        name: record.name.to_string(),
        image_id: record.image.to_string(),
        image_name: record.image_name.clone(),
        command: record.command.join(" "),
        created: rfc3339(record.created_nanos),
        tag: String::new(),
        attributes: attributes(record, options)?,
    })
}

/// Which names are wanted: those on a list, and those that match an expression.
struct Choice<'a> {
    names: Vec<&'a str>,
    expression: Option<Regex>,
}

impl<'a> Choice<'a> {
    fn parse(options: Options<'a>, kind: &str) -> Result<Self, String> {
        let expression = options.get(&format!("{kind}-regex")).map(Regex::new).transpose();
        Ok(Self {
            names: options.get(kind).map(|list| list.split(',').collect()).unwrap_or_default(),
            expression: expression.map_err(|error| format!("error parsing regexp: {error}"))?,
        })
    }

    fn takes(&self, name: &str) -> bool {
        self.names.contains(&name)
            || self.expression.as_ref().is_some_and(|expression| expression.is_match(name))
    }
}

/// Checks the expressions.
pub(super) fn check(options: Options<'_>) -> Result<(), String> {
    Choice::parse(options, "labels").and(Choice::parse(options, "env")).map(drop)
}

fn attributes(record: &Record, options: Options<'_>) -> Result<BTreeMap<String, String>, String> {
    let (labels, env) = (Choice::parse(options, "labels")?, Choice::parse(options, "env")?);
    let mut attributes = BTreeMap::new();
    for (name, value) in &record.config.labels {
        if labels.takes(name) {
            attributes.insert(name.clone(), value.clone());
        }
    }
    for entry in record.config.env.iter().flatten() {
        if let Some((name, value)) = entry.split_once('=')
            && env.takes(name)
        {
            attributes.insert(name.to_owned(), value.to_owned());
        }
    }
    Ok(attributes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_expressions_choose() {
        let options: BTreeMap<String, String> = [("labels", "a,b"), ("labels-regex", "^c")]
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .into();
        let choice = Choice::parse(Options(&options), "labels").unwrap();
        for (name, is_taken) in [("a", true), ("b", true), ("cd", true), ("dc", false)] {
            assert_eq!(choice.takes(name), is_taken);
        }
        let options = BTreeMap::from([("env-regex".to_owned(), "(".to_owned())]);
        assert!(check(Options(&options)).unwrap_err().starts_with("error parsing regexp"));
    }
}
