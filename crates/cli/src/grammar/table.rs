//! The tables of commands and flags, embedded as text and searched where needed: a command line
//! needs one command's rows, so nothing is built for the others.
//!
//! ```text
//! commands.tsv  path  aliases(;)  synopsis  min  max(* = any)  summary
//! flags.tsv     path  long  short  type  default  description
//! ```

use super::value::Kind;

const COMMANDS: &str = include_str!("../../data/commands.tsv");
const FLAGS: &str = include_str!("../../data/flags.tsv");

/// Old names that still work and are not shown.
const SYNONYMS: [(&str, &str, &str); 7] = [
    ("container run", "net", "network"),
    ("container create", "net", "network"),
    ("container run", "net-alias", "network-alias"),
    ("container create", "net-alias", "network-alias"),
    ("container run", "dns-opt", "dns-option"),
    ("container create", "dns-opt", "dns-option"),
    ("container stop", "time", "timeout"),
];

/// Flags that are accepted and not shown.
const HIDDEN: [&str; 3] = ["disable-content-trust", "kernel-memory", "pause"];

/// One command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Command {
    /// The canonical path, `container run`.
    pub path: &'static str,
    aliases: &'static str,
    /// What follows the path in the usage line; several forms are parted by `;`.
    pub synopsis: &'static str,
    /// Fewest arguments.
    pub min_args: usize,
    /// Most arguments, `None` for any number.
    pub max_args: Option<usize>,
    /// One line about it.
    pub summary: &'static str,
}

impl Command {
    /// All the ways to write it, the path itself too.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        self.aliases.split(';').chain([self.path]).filter(|name| !name.is_empty())
    }

    /// Whether it only holds other commands.
    #[must_use]
    pub fn is_group(&self) -> bool {
        self.synopsis == "COMMAND"
    }

    /// Whether its options end at the first argument, because what follows is another program's.
    #[must_use]
    pub fn ends_options_at_first_argument(&self) -> bool {
        matches!(
            self.path,
            "container run" | "container create" | "container exec" | "container top"
        )
    }
}

/// One flag of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flag {
    /// Name without dashes.
    pub long: &'static str,
    /// One letter.
    pub short: Option<char>,
    /// What its value is.
    pub kind: Kind,
    /// As the table has it; empty for the kind's zero.
    pub default: &'static str,
    /// One line about it.
    pub description: &'static str,
    /// Whether help leaves it out.
    pub is_hidden: bool,
}

fn command_of(line: &'static str) -> Option<Command> {
    let mut fields = line.split('\t');
    let mut next = || fields.next();
    Some(Command {
        path: next()?,
        aliases: next()?,
        synopsis: next()?,
        min_args: next()?.parse().ok()?,
        max_args: next()?.parse().ok(),
        summary: next()?,
    })
}

/// All commands in the table's order.
pub fn commands() -> impl Iterator<Item = Command> {
    COMMANDS.lines().filter_map(command_of)
}

/// The ways to write a command, its path first if it has no others.
#[must_use]
pub fn aliases_of(command: &Command) -> Vec<&'static str> {
    if command.aliases.is_empty() {
        return vec![command.path];
    }
    let mut names: Vec<_> = command.aliases.split(';').collect();
    // The table lists them by length for builds; the own path reads best at the front.
    names.sort_by_key(|name| *name != command.path);
    names
}

/// What a command line's first words name.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// A command, under the name that was typed, using that many words.
    Command(Command, usize),
    /// A group, with the unknown word that followed it, if any.
    Group(Command),
    /// Nothing.
    Unknown,
}

/// Finds the command that `words` begin with.
#[must_use]
pub fn find(words: &[String]) -> Found {
    let Some(first) = words.first() else { return Found::Unknown };
    if let Some(second) = words.get(1) {
        let typed = format!("{first} {second}");
        if let Some(command) = named(&typed) {
            return Found::Command(command, 2);
        }
    }
    match named(first) {
        Some(command) if command.is_group() => Found::Group(command),
        Some(command) => Found::Command(command, 1),
        None => Found::Unknown,
    }
}

fn named(typed: &str) -> Option<Command> {
    commands().find(|command| {
        command.path == typed || command.aliases.split(';').any(|alias| alias == typed)
    })
}

/// The commands of a group.
pub fn group_members(group: &Command) -> impl Iterator<Item = Command> {
    let prefix = format!("{} ", group.path);
    commands().filter(move |command| command.path.starts_with(&prefix))
}

fn flag_of(line: &'static str, path: &str) -> Option<Flag> {
    let rest = line.strip_prefix(path)?.strip_prefix('\t')?;
    let mut fields = rest.split('\t');
    let long = fields.next()?;
    let short = fields.next()?.chars().next();
    let kind = Kind::named(fields.next()?)?;
    // Before names were arguments.
    let is_hidden = HIDDEN.contains(&long) || (path == "volume create" && long == "name");
    let mut rest = || fields.next().unwrap_or("");
    Some(Flag { long, short, kind, default: rest(), description: rest(), is_hidden })
}

/// The flags of a command, in the table's order (by name).
#[must_use]
pub fn flags_of(command: &Command) -> Vec<Flag> {
    // `image build` has the rows of its other name.
    let path = if command.path == "image build" { "builder build" } else { command.path };
    let mut flags: Vec<_> = FLAGS.lines().filter_map(|line| flag_of(line, path)).collect();
    let synonyms = SYNONYMS
        .iter()
        .filter(|(of, ..)| *of == path || (*of == "container stop" && path == "container restart"));
    for (_, old, new) in synonyms {
        if let Some(target) = flags.iter().find(|flag| flag.long == *new) {
            flags.push(Flag { long: old, short: None, is_hidden: true, ..*target });
        }
    }
    flags
}

/// The name under which a flag's value is kept.
pub(super) fn canonical(long: &'static str) -> &'static str {
    SYNONYMS.iter().find(|(_, old, _)| *old == long).map_or(long, |(_, _, new)| new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(Into::into).collect()
    }

    #[test]
    fn every_row_of_the_flag_table_belongs_to_a_command_and_has_a_known_type() {
        let paths: Vec<_> = commands().map(|c| c.path).collect();
        for line in FLAGS.lines() {
            let path = line.split('\t').next().unwrap();
            assert!(paths.contains(&path), "{line}");
            assert!(flag_of(line, path).is_some_and(|flag| !flag.description.is_empty()), "{line}");
        }
    }

    #[test]
    fn aliases_lead_to_one_command() {
        for typed in ["ps", "container ls", "container ps", "container list"] {
            let Found::Command(command, _) = find(&words(typed)) else { panic!("{typed}") };
            assert_eq!(command.path, "container ls");
        }
        assert!(matches!(find(&words("container nosuch")), Found::Group(_)));
        assert_eq!(find(&words("nosuch")), Found::Unknown);
    }
}
