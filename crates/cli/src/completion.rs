//! Completion of command lines: the scripts that shells load, and the answers to their questions.
//!
//! A script calls `gantry __complete WORD...` with all words before the cursor and the one it
//! stands in. The answer is one candidate per line and, last, `:file` where file names fit better.
//! Whatever goes wrong gives no candidates: a shell has nowhere to show an error.

use client::Request;
use serde_json::Value;

use crate::{
    config::{ContextStore, Directory},
    grammar::{
        Command, Flag, Found, GLOBAL_FLAGS, Kind, Parsed, commands, find, flags_of, group_members,
    },
    output,
    session::Session,
};

/// The hidden command by which scripts ask.
pub const REQUEST: &str = "__complete";
const FILES: &str = ":file";

/// What an argument of a command names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Object {
    Containers,
    RunningContainers,
    Images,
    Networks,
    Volumes,
    Contexts,
    Files,
    Nothing,
}

/// The shell's script.
///
/// # Errors
/// For a shell that there is none for.
pub fn script(shell: &str) -> anyhow::Result<&'static str> {
    match shell {
        "bash" => Ok(include_str!("../data/completion.bash")),
        "zsh" => Ok(include_str!("../data/completion.zsh")),
        "fish" => Ok(include_str!("../data/completion.fish")),
        other => {
            anyhow::bail!("no completion for the shell {other:?}: bash, fish and zsh have one")
        }
    }
}

/// Answers a question.
///
/// # Errors
/// When standard output is closed.
pub fn answer(globals: &Parsed, words: &[String]) -> anyhow::Result<u8> {
    let (last, before) = match words.split_last() {
        Some((last, before)) => (last.as_str(), before),
        None => ("", words),
    };
    let mut found: Vec<String> = candidates(globals, before, last)
        .into_iter()
        .filter(|text| text == FILES || text.starts_with(last))
        .collect();
    found.sort();
    found.dedup();
    output::print(&found.iter().map(|text| format!("{text}\n")).collect::<String>())?;
    Ok(0)
}

fn candidates(globals: &Parsed, before: &[String], last: &str) -> Vec<String> {
    match find(before) {
        Found::Command(command, used) => of_command(globals, &command, &before[used..], last),
        Found::Group(group) if before.len() == 1 => last_words(group_members(&group)),
        Found::Unknown if before.is_empty() && last.starts_with('-') => names(&GLOBAL_FLAGS),
        Found::Unknown if before.is_empty() => commands()
            .flat_map(|command| command.names())
            .filter(|name| !name.contains(' '))
            .map(Into::into)
            .collect(),
        _ => Vec::new(),
    }
}

fn last_words(members: impl Iterator<Item = Command>) -> Vec<String> {
    members.filter_map(|c| c.path.split(' ').nth(1).map(Into::into)).collect()
}

fn names(flags: &[Flag]) -> Vec<String> {
    let shown = flags.iter().filter(|flag| !flag.is_hidden);
    shown.map(|flag| format!("--{}", flag.long)).chain(["--help".to_owned()]).collect()
}

fn of_command(globals: &Parsed, command: &Command, words: &[String], last: &str) -> Vec<String> {
    let flags = flags_of(command);
    if let Some(flag) = words.last().and_then(|word| waiting(&flags, word)) {
        return of_flag(globals, flag);
    }
    if last.starts_with('-') {
        return names(&flags);
    }
    let count = arguments(&flags, words);
    if command.max_args.is_some_and(|most| count >= most) {
        return Vec::new();
    }
    objects(globals, argument(command, count))
}

/// The flag that `word` is, if the next word is its value.
fn waiting<'a>(flags: &'a [Flag], word: &str) -> Option<&'a Flag> {
    let flag = match word.strip_prefix("--") {
        Some(long) => flags.iter().find(|flag| flag.long == long),
        None => {
            let letter = word.strip_prefix('-')?.chars().last()?;
            flags.iter().find(|flag| flag.short == Some(letter))
        }
    };
    flag.filter(|flag| flag.kind != Kind::Bool)
}

/// How many of `words` are arguments.
fn arguments(flags: &[Flag], words: &[String]) -> usize {
    let mut count = 0;
    let mut is_value = false;
    for word in words {
        if !is_value && !word.starts_with('-') {
            count += 1;
        }
        is_value = !is_value && waiting(flags, word).is_some();
    }
    count
}

fn of_flag(globals: &Parsed, flag: &Flag) -> Vec<String> {
    let fixed: &[&str] = match flag.long {
        "restart" => &["no", "always", "on-failure", "unless-stopped"],
        "pull" => &["always", "missing", "never"],
        "type" => &["container", "image", "network", "volume"],
        "format" => &["json", "table"],
        "platform" => &["linux/amd64", "linux/arm64", "linux/arm/v7", "linux/386"],
        "network" | "net" => return objects(globals, Object::Networks),
        "volumes-from" | "link" => return objects(globals, Object::Containers),
        "env-file" | "label-file" | "cidfile" | "input" | "output" | "iidfile" | "file" => {
            return objects(globals, Object::Files);
        }
        _ => &[],
    };
    fixed.iter().map(|text| (*text).to_owned()).collect()
}

fn argument(command: &Command, index: usize) -> Object {
    match command.path {
        "container attach" | "container exec" | "container kill" | "container pause"
        | "container port" | "container stats" | "container stop" | "container top"
        | "container unpause"
            if index == 0 || command.max_args.is_none() =>
        {
            match command.path {
                "container exec" | "container top" if index > 0 => Object::Files,
                _ => Object::RunningContainers,
            }
        }
        "container run" | "container create" if index == 0 => Object::Images,
        "container run" | "container create" => Object::Files,
        "container cp" | "image import" | "builder build" | "image build" => Object::Files,
        "container commit" if index > 0 => Object::Images,
        path if path.starts_with("container ") => Object::Containers,
        "image load" | "image search" => Object::Nothing,
        path if path.starts_with("image ") || path == "manifest inspect" => Object::Images,
        "network connect" | "network disconnect" if index > 0 => Object::Containers,
        "network create" | "volume create" | "context create" => Object::Nothing,
        path if path.starts_with("network ") => Object::Networks,
        path if path.starts_with("volume ") => Object::Volumes,
        path if path.starts_with("context ") => Object::Contexts,
        "inspect" => Object::Containers,
        _ => Object::Nothing,
    }
}

fn objects(globals: &Parsed, object: Object) -> Vec<String> {
    let ask = |path: &str| question(globals, path).unwrap_or_default();
    let texts = |list: &Value, field: &str| -> Vec<String> {
        let items = list.as_array().into_iter().flatten();
        let own = items.flat_map(|item| match &item[field] {
            Value::Array(names) => names.clone(),
            name => vec![name.clone()],
        });
        own.filter_map(|name| Some(name.as_str()?.trim_start_matches('/').to_owned())).collect()
    };
    match object {
        Object::Containers => texts(&ask("/containers/json?all=1"), "Names"),
        Object::RunningContainers => texts(&ask("/containers/json"), "Names"),
        Object::Images => texts(&ask("/images/json"), "RepoTags"),
        Object::Networks => texts(&ask("/networks"), "Name"),
        Object::Volumes => texts(&ask("/volumes")["Volumes"], "Name"),
        Object::Contexts => {
            let store = ContextStore::new(&Directory::choose(globals.text("config")));
            let names = store.list().unwrap_or_default().into_iter().map(|context| context.name);
            names.chain(["default".to_owned()]).collect()
        }
        Object::Files => vec![FILES.to_owned()],
        Object::Nothing => Vec::new(),
    }
}

fn question(globals: &Parsed, path: &str) -> anyhow::Result<Value> {
    let session = Session::open(globals, REQUEST.to_owned())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(session.client.document(Request::get(path)))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(line: &str) -> Vec<String> {
        let words: Vec<String> = line.split(' ').map(Into::into).collect();
        let (last, before) = words.split_last().unwrap();
        let mut found = candidates(&Parsed::default(), before, last);
        found.retain(|text| text == FILES || text.starts_with(last.as_str()));
        found.sort();
        found.dedup();
        found
    }

    #[test]
    fn commands_flags_and_values() {
        assert_eq!(ask("volu"), ["volume"]);
        assert_eq!(ask("container pa"), ["pause"]);
        assert_eq!(ask("ps --no-"), ["--no-trunc"]);
        assert_eq!(ask("run --restart on"), ["on-failure"]);
        assert_eq!(ask("cp a"), [FILES]);
        assert_eq!(ask("run x "), [FILES]);
        assert_eq!(ask("rename a b "), Vec::<String>::new());
        assert_eq!(ask("--con"), ["--config", "--context"]);
        assert!(ask("nosuch ").is_empty());
    }

    #[test]
    fn there_is_a_script_for_each_shell() {
        for shell in ["bash", "zsh", "fish"] {
            assert!(script(shell).unwrap().contains(REQUEST));
        }
        assert!(script("powershell").is_err());
    }
}
