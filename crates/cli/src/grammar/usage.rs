//! Help and usage errors.

use super::{
    global,
    table::{Command, Flag, aliases_of, commands, flags_of, group_members},
};

const PROGRAM: &str = "gantry";

/// Commands that the top of the help names first.
const COMMON: [&str; 12] = [
    "run", "exec", "ps", "build", "pull", "push", "images", "login", "logout", "search", "version",
    "info",
];

fn usage_line(command: &Command, typed: &str) -> String {
    let mut text = String::new();
    for (index, form) in command.synopsis.split(';').enumerate() {
        let lead = if index == 0 { "Usage:  " } else { "\n\t" };
        // Further forms are shown under the short name.
        let name = if index == 0 { typed } else { typed.rsplit(' ').next().unwrap_or(typed) };
        text.push_str(format!("{lead}{PROGRAM} {name} {form}").trim_end_matches(' '));
    }
    text
}

/// The text for a flag that is wrong.
#[must_use]
pub fn flag_error(command: Option<&Command>, typed: &str, reason: &str) -> String {
    match command {
        Some(command) => format!(
            "{reason}\n\n{}\n\nRun '{PROGRAM} {typed} --help' for more information",
            usage_line(command, typed)
        ),
        None => format!(
            "{reason}\n\nUsage:  {PROGRAM} [OPTIONS] COMMAND [ARG...]\n\nRun '{PROGRAM} --help' for more information"
        ),
    }
}

/// The text for a wrong number of arguments, `None` when it is right.
#[must_use]
pub fn argument_error(command: &Command, typed: &str, count: usize) -> Option<String> {
    let (least, most) = (command.min_args, command.max_args);
    if count >= least && most.is_none_or(|most| count <= most) {
        return None;
    }
    let of = |n: usize| if n == 1 { "argument" } else { "arguments" };
    if command.path == "context use" {
        return Some(format!("accepts 1 arg(s), received {count}"));
    }
    let wanted = match (least, most) {
        (0, Some(0)) => "accepts no arguments".to_owned(),
        (0, Some(most)) => format!("requires at most {most} {}", of(most)),
        (least, Some(most)) if least == most => format!("requires {least} {}", of(least)),
        (least, Some(most)) => {
            format!("requires at least {least} and at most {most} {}", of(most))
        }
        (least, None) => format!("requires at least {least} {}", of(least)),
    };
    let pointer = if most.is_none() { "See" } else { "Run" };
    Some(format!(
        "{PROGRAM}: '{PROGRAM} {typed}' {wanted}\n\n{}\n\n{pointer} '{PROGRAM} {typed} --help' for more information",
        usage_line(command, typed)
    ))
}

fn flag_names(flag: &Flag) -> String {
    let short = flag.short.map_or("    ".to_owned(), |short| format!("-{short}, "));
    let word = flag.kind.placeholder();
    format!("  {short}--{} {word}", flag.long).trim_end().to_owned()
}

fn flag_list(flags: &[Flag]) -> String {
    let shown: Vec<_> = flags.iter().filter(|flag| !flag.is_hidden).collect();
    let width = shown.iter().map(|flag| flag_names(flag).len()).max().unwrap_or(0);
    let mut text = String::new();
    for flag in shown {
        let default = match flag.default {
            "" | "0" | "<nil>" | "map[]" => String::new(),
            value => format!(" (default {value})"),
        };
        let line = format!("{:width$}   {}{default}", flag_names(flag), flag.description);
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn command_list(entries: &[(&str, &str)]) -> String {
    let width = entries.iter().map(|(name, _)| name.len()).max().unwrap_or(0).max(11);
    entries.iter().map(|(name, summary)| format!("  {name:width$} {summary}\n")).collect()
}

/// The help of one command.
#[must_use]
pub fn command_help(command: &Command, typed: &str) -> String {
    let mut text = format!("{}\n\n{}\n", usage_line(command, typed), command.summary);
    let aliases = aliases_of(command);
    if aliases.len() > 1 {
        let names: Vec<_> = aliases.iter().map(|name| format!("{PROGRAM} {name}")).collect();
        text.push_str(&format!("\nAliases:\n  {}\n", names.join(", ")));
    }
    let flags = flags_of(command);
    if !flags.is_empty() {
        text.push_str(&format!("\nOptions:\n{}", flag_list(&flags)));
    }
    text
}

/// The help of a group.
#[must_use]
pub fn group_help(group: &Command) -> String {
    let members: Vec<_> = group_members(group).collect();
    let entries: Vec<_> =
        members.iter().map(|c| (c.path.split(' ').nth(1).unwrap_or(c.path), c.summary)).collect();
    format!(
        "Usage:  {PROGRAM} {path} COMMAND\n\n{}\n\nCommands:\n{}\n\
         Run '{PROGRAM} {path} COMMAND --help' for more information on a command.\n",
        group.summary,
        command_list(&entries),
        path = group.path
    )
}

/// The help of the program.
#[must_use]
pub fn root_help() -> String {
    let all: Vec<_> = commands().collect();
    let groups: Vec<_> = all.iter().filter(|c| c.is_group()).map(|c| (c.path, c.summary)).collect();
    let mut single = Vec::new();
    for command in all.iter().filter(|c| !c.is_group()) {
        single.extend(
            aliases_of(command)
                .into_iter()
                .filter(|name| !name.contains(' '))
                .map(|name| (name, command.summary)),
        );
    }
    single.sort_unstable();
    single.dedup();
    let (mut common, other): (Vec<_>, Vec<_>) =
        single.into_iter().partition(|(name, _)| COMMON.contains(name));
    common.sort_by_key(|(name, _)| COMMON.iter().position(|own| own == name));
    format!(
        "Usage:  {PROGRAM} [OPTIONS] COMMAND\n\nImages, containers and registries\n\n\
         Common Commands:\n{}\nManagement Commands:\n{}\nCommands:\n{}\nGlobal Options:\n{}\n\
         Run '{PROGRAM} COMMAND --help' for more information on a command.\n",
        command_list(&common),
        command_list(&groups),
        command_list(&other),
        flag_list(&global::FLAGS)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grammar::{Found, find};

    fn command(text: &str) -> Command {
        let words: Vec<String> = text.split(' ').map(Into::into).collect();
        let Found::Command(command, _) = find(&words) else { panic!("{text}") };
        command
    }

    #[test]
    fn usage_errors_are_dockers_with_our_name() {
        assert_eq!(
            argument_error(&command("run"), "run", 0).unwrap(),
            "gantry: 'gantry run' requires at least 1 argument\n\n\
             Usage:  gantry run [OPTIONS] IMAGE [COMMAND] [ARG...]\n\n\
             See 'gantry run --help' for more information"
        );
        assert_eq!(
            argument_error(&command("tag"), "tag", 1).unwrap(),
            "gantry: 'gantry tag' requires 2 arguments\n\n\
             Usage:  gantry tag SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]\n\n\
             Run 'gantry tag --help' for more information"
        );
        assert_eq!(
            flag_error(Some(&command("ps")), "ps", "unknown flag: --nosuch"),
            "unknown flag: --nosuch\n\nUsage:  gantry ps [OPTIONS]\n\n\
             Run 'gantry ps --help' for more information"
        );
        assert_eq!(argument_error(&command("rm"), "rm", 3), None);
    }

    #[test]
    fn help_names_every_flag_and_alias() {
        let text = command_help(&command("ps"), "ps");
        assert!(text.contains(
            "gantry container ls, gantry container list, gantry container ps, gantry ps"
        ));
        assert!(text.contains("  -f, --filter filter"));
        assert!(root_help().contains("\n  ps "));
    }
}
