//! Reads a command's arguments.

use std::collections::BTreeMap;

use super::{
    table::{Command, Flag, canonical, flags_of},
    value::{Kind, Value},
};

/// The flags that were set and the arguments that are left.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Parsed {
    values: BTreeMap<&'static str, Value>,
    defaults: BTreeMap<&'static str, Value>,
    /// The arguments.
    pub args: Vec<String>,
}

/// A flag that is wrong, in pflag's words.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FlagError(pub String);

/// What reading came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The arguments were read.
    Parsed(Parsed),
    /// Help was asked for.
    Help,
}

impl Parsed {
    fn value(&self, name: &str) -> Option<&Value> {
        self.values.get(name).or_else(|| self.defaults.get(name))
    }

    /// Whether the flag was given.
    #[must_use]
    pub fn is_set(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// A switch.
    #[must_use]
    pub fn flag(&self, name: &str) -> bool {
        matches!(self.value(name), Some(Value::Bool(true)))
    }

    /// A text; empty when not given.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        match self.value(name) {
            Some(Value::Text(text)) => text,
            _ => "",
        }
    }

    /// A number; zero when not given.
    #[must_use]
    pub fn int(&self, name: &str) -> i64 {
        match self.value(name) {
            Some(Value::Int(number)) => *number,
            _ => 0,
        }
    }

    /// All the values of a repeated flag.
    #[must_use]
    pub fn list(&self, name: &str) -> &[String] {
        match self.value(name) {
            Some(Value::List(values)) => values,
            _ => &[],
        }
    }

    /// `key=value` pairs of a repeated flag; a pair without `=` has an empty value.
    #[must_use]
    pub fn map(&self, name: &str) -> BTreeMap<String, String> {
        pairs(self.list(name))
    }

    /// The first argument; commands that use it require one.
    #[must_use]
    pub fn first(&self) -> &str {
        self.args.first().map_or("", String::as_str)
    }
}

fn pairs(values: &[String]) -> BTreeMap<String, String> {
    let split = |text: &String| match text.split_once('=') {
        Some((key, value)) => (key.to_owned(), value.to_owned()),
        None => (text.clone(), String::new()),
    };
    values.iter().map(split).collect()
}

struct Reader<'a> {
    flags: &'a [Flag],
    rest: std::slice::Iter<'a, String>,
    parsed: Parsed,
}

/// Reads `arguments` by the flags of `command`.
///
/// # Errors
/// [`FlagError`] for the first flag that is wrong.
pub fn parse(command: &Command, arguments: &[String]) -> Result<Outcome, FlagError> {
    let flags = flags_of(command);
    read(&flags, arguments, command.ends_options_at_first_argument())
}

/// Reads `arguments` by `flags`.
pub(super) fn read(
    flags: &[Flag],
    arguments: &[String],
    ends_at_first_argument: bool,
) -> Result<Outcome, FlagError> {
    let mut reader = Reader { flags, rest: arguments.iter(), parsed: Parsed::default() };
    for flag in flags.iter().filter(|flag| !matches!(flag.default, "" | "<nil>")) {
        if let Ok(value) = flag.kind.read(flag.long, flag.default, None) {
            let is_zero_of_list = matches!(value, Value::List(_));
            if !is_zero_of_list {
                reader.parsed.defaults.insert(flag.long, value);
            }
        }
    }
    while let Some(word) = reader.rest.next() {
        let is_help = match word.as_str() {
            "--" => {
                reader.parsed.args.extend(reader.rest.by_ref().cloned());
                false
            }
            long if long.starts_with("--") => reader.long(&long[2..])?,
            short if short.starts_with('-') && short.len() > 1 => reader.bundle(&short[1..])?,
            _ => {
                reader.parsed.args.push(word.clone());
                if ends_at_first_argument {
                    reader.parsed.args.extend(reader.rest.by_ref().cloned());
                }
                false
            }
        };
        if is_help {
            return Ok(Outcome::Help);
        }
    }
    Ok(Outcome::Parsed(reader.parsed))
}

impl Reader<'_> {
    /// Reads `name[=value]`; true when it asks for help.
    fn long(&mut self, text: &str) -> Result<bool, FlagError> {
        if text.starts_with(['-', '=']) {
            return Err(FlagError(format!("bad flag syntax: --{text}")));
        }
        let (name, glued) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        let Some(flag) = self.flags.iter().find(|flag| flag.long == name).copied() else {
            return match name {
                "help" => Ok(!matches!(glued, Some("false" | "0"))),
                _ => Err(FlagError(format!("unknown flag: --{name}"))),
            };
        };
        if name == "help" {
            return Ok(!matches!(glued, Some("false" | "0")));
        }
        let value = match glued {
            Some(value) => value.to_owned(),
            None if flag.kind == Kind::Bool => "true".to_owned(),
            None => self
                .rest
                .next()
                .cloned()
                .ok_or_else(|| FlagError(format!("flag needs an argument: --{name}")))?,
        };
        self.set(flag, &value).map(|()| false)
    }

    /// Reads the letters after one dash; true when they ask for help.
    fn bundle(&mut self, letters: &str) -> Result<bool, FlagError> {
        let mut rest = letters;
        while let Some(letter) = rest.chars().next() {
            let after = &rest[letter.len_utf8()..];
            let Some(flag) = self.flags.iter().find(|f| f.short == Some(letter)).copied() else {
                return match letter {
                    'h' => Ok(true),
                    _ => Err(FlagError(format!("unknown shorthand flag: '{letter}' in -{rest}"))),
                };
            };
            if let Some(value) = after.strip_prefix('=') {
                return self.set(flag, value).map(|()| false);
            }
            if flag.kind == Kind::Bool {
                self.set(flag, "true")?;
                rest = after;
                continue;
            }
            let value = match after {
                "" => self.rest.next().cloned().ok_or_else(|| {
                    FlagError(format!("flag needs an argument: '{letter}' in -{rest}"))
                })?,
                glued => glued.to_owned(),
            };
            return self.set(flag, &value).map(|()| false);
        }
        Ok(false)
    }

    fn set(&mut self, flag: Flag, text: &str) -> Result<(), FlagError> {
        let name = canonical(flag.long);
        let before = self.parsed.values.remove(name);
        let value = flag.kind.read(name, text, before).map_err(|reason| {
            let shown = match flag.short {
                Some(short) => format!("-{short}, --{}", flag.long),
                None => format!("--{}", flag.long),
            };
            FlagError(format!("invalid argument {text:?} for \"{shown}\" flag: {reason}"))
        })?;
        self.parsed.values.insert(name, value);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grammar::{Found, find};

    fn line(text: &str) -> Result<Outcome, String> {
        let words: Vec<String> = text.split(' ').map(Into::into).collect();
        let Found::Command(command, used) = find(&words) else { panic!("{text}") };
        parse(&command, &words[used..]).map_err(|e| e.0)
    }

    fn parsed(text: &str) -> Parsed {
        match line(text) {
            Ok(Outcome::Parsed(parsed)) => parsed,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn options_of_run_end_at_the_image() {
        let run = parsed("run -it --rm -p8080:80 -p=9:9 -e A=1 --env B busybox ls -l --rm");
        assert!(run.flag("interactive") && run.flag("tty") && run.flag("rm"));
        assert_eq!(run.list("publish"), ["8080:80", "9:9"]);
        assert_eq!(run.list("env"), ["A=1", "B"]);
        assert_eq!(run.args, ["busybox", "ls", "-l", "--rm"]);
    }

    #[test]
    fn other_commands_mix_options_and_arguments() {
        let rm = parsed("rm a -f b -- -c");
        assert!(rm.flag("force"));
        assert_eq!(rm.args, ["a", "b", "-c"]);
        assert!(!parsed("logs x --follow=false").flag("follow"));
    }

    #[test]
    fn synonyms_and_defaults() {
        assert_eq!(parsed("run --net host x").list("network"), ["host"]);
        assert_eq!(parsed("run x").int("memory-swappiness"), -1);
        assert_eq!(parsed("run x").text("restart"), "no");
        assert!(parsed("attach x").flag("sig-proxy"));
        assert_eq!(parsed("stop --time 3 x").int("timeout"), 3);
    }

    #[test]
    fn errors_have_pflags_words() {
        for (text, error) in [
            ("run --nosuch x", "unknown flag: --nosuch"),
            ("ps -zq", "unknown shorthand flag: 'z' in -zq"),
            ("ps -f", "flag needs an argument: 'f' in -f"),
            ("run --network", "flag needs an argument: --network"),
            ("ps --=x", "bad flag syntax: --=x"),
            (
                "run -m x busybox",
                "invalid argument \"x\" for \"-m, --memory\" flag: invalid size: 'x'",
            ),
            (
                "ps -n x",
                "invalid argument \"x\" for \"-n, --last\" flag: strconv.ParseInt: parsing \"x\": invalid syntax",
            ),
            (
                "ps --no-trunc=x",
                "invalid argument \"x\" for \"--no-trunc\" flag: strconv.ParseBool: parsing \"x\": invalid syntax",
            ),
            (
                "ps -f bad",
                "invalid argument \"bad\" for \"-f, --filter\" flag: bad format of filter (expected name=value)",
            ),
            (
                "run -a x y",
                "invalid argument \"x\" for \"-a, --attach\" flag: valid streams are STDIN, STDOUT and STDERR",
            ),
        ] {
            assert_eq!(line(text), Err(error.into()), "{text}");
        }
        assert_eq!(line("ps -h"), Ok(Outcome::Help));
        assert_eq!(line("run --help"), Ok(Outcome::Help));
    }
}
