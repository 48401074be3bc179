//! `--change`: the Dockerfile instructions that edit a configuration.

use std::{borrow::Cow, collections::BTreeMap};

use oci::image::{Empty, ExecutionConfig};

/// Why a change is not one.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ChangeError {
    /// An instruction that edits no configuration.
    #[error("{0} is not a valid change command")]
    NotAChange(String),
    /// No argument where one is needed.
    #[error("{0} requires at least one argument")]
    NoArgument(String),
    /// An argument that cannot be read.
    #[error("invalid {instruction} argument: {argument:?}")]
    Argument {
        /// Which instruction.
        instruction: &'static str,
        /// What was given.
        argument: String,
    },
}

/// Applies instructions in order.
///
/// # Errors
/// [`ChangeError`]; the configuration may be half changed then.
pub(crate) fn apply(config: &mut ExecutionConfig, changes: &[String]) -> Result<(), ChangeError> {
    let mut is_cmd_set = false;
    for change in changes.iter().flat_map(|change| change.lines()) {
        let change = change.trim();
        if change.is_empty() || change.starts_with('#') {
            continue;
        }
        let (word, rest) = change.split_once(char::is_whitespace).unwrap_or((change, ""));
        let (word, rest) = (word.to_uppercase(), rest.trim());
        let rest = match word.as_str() {
            "ENV" | "LABEL" | "EXPOSE" | "USER" | "VOLUME" | "WORKDIR" | "STOPSIGNAL" => {
                Cow::Owned(expand(rest, config.env.as_deref().unwrap_or_default()))
            }
            _ => Cow::Borrowed(rest),
        };
        let rest = &*rest;
        if rest.is_empty() && !matches!(word.as_str(), "CMD" | "ENTRYPOINT") {
            return Err(ChangeError::NoArgument(word));
        }
        match word.as_str() {
            "CMD" => {
                config.cmd = Some(command(rest));
                is_cmd_set = true;
            }
            "ENTRYPOINT" => {
                config.entrypoint = Some(command(rest));
                if !is_cmd_set {
                    config.cmd = None;
                }
            }
            _ => instruction(config, &word, rest)?,
        }
    }
    Ok(())
}

fn instruction(config: &mut ExecutionConfig, word: &str, rest: &str) -> Result<(), ChangeError> {
    match word {
        "ENV" => set_env(config, pairs("ENV", rest)?),
        "LABEL" => {
            config.labels.get_or_insert_default().extend(pairs("LABEL", rest)?);
        }
        "EXPOSE" => {
            let ports = config.exposed_ports.get_or_insert_default();
            for word in rest.split_whitespace() {
                expose(ports, word)?;
            }
        }
        "USER" => config.user = Some(rest.to_owned()),
        "VOLUME" => {
            let volumes = config.volumes.get_or_insert_default();
            let paths = json_list(rest).unwrap_or_else(|| words(rest));
            volumes.extend(paths.into_iter().map(|path| (path, Empty {})));
        }
        "WORKDIR" => config.working_dir = Some(work_dir(config.working_dir.as_deref(), rest)),
        "STOPSIGNAL" => config.stop_signal = Some(rest.to_owned()),
        "ONBUILD" => config.on_build.get_or_insert_default().push(rest.to_owned()),
        "SHELL" => {
            let list = json_list(rest).filter(|list| !list.is_empty());
            config.shell = Some(list.ok_or_else(|| bad("SHELL", rest))?);
        }
        "HEALTHCHECK" => config.healthcheck = Some(healthcheck(rest)?),
        other => return Err(ChangeError::NotAChange(other.to_owned())),
    }
    Ok(())
}

fn bad(instruction: &'static str, argument: &str) -> ChangeError {
    ChangeError::Argument { instruction, argument: argument.to_owned() }
}

fn json_list(text: &str) -> Option<Vec<String>> {
    if text.starts_with('[') { serde_json::from_str(text).ok() } else { None }
}

/// The exec form, else the shell form.
fn command(text: &str) -> Vec<String> {
    match json_list(text) {
        Some(list) => list,
        None if text.is_empty() => Vec::new(),
        None => ["/bin/sh", "-c", text].map(str::to_owned).to_vec(),
    }
}

fn set_env(config: &mut ExecutionConfig, pairs: Vec<(String, String)>) {
    let env = config.env.get_or_insert_default();
    for (name, value) in pairs {
        let entry = format!("{name}={value}");
        match env.iter_mut().find(|old| old.split('=').next() == Some(name.as_str())) {
            Some(old) => *old = entry,
            None => env.push(entry),
        }
    }
}

/// `a=b c="d e"`, or the old form `a b c`.
fn pairs(instruction: &'static str, text: &str) -> Result<Vec<(String, String)>, ChangeError> {
    let list = words(text);
    let first = list.first().map_or("", String::as_str);
    if !first.contains('=') {
        let (name, value) =
            text.split_once(char::is_whitespace).ok_or_else(|| bad(instruction, text))?;
        return Ok(vec![(name.to_owned(), value.trim().to_owned())]);
    }
    list.iter()
        .map(|word| match word.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
            _ => Err(bad(instruction, word)),
        })
        .collect()
}

/// Puts the values of variables in: `$NAME`, `${NAME}`, `${NAME:-default}`, `${NAME:+instead}`.
/// Single quotes and a backslash keep a dollar sign as it is.
fn expand(text: &str, env: &[String]) -> String {
    let value = |name: &str| {
        env.iter().find_map(|entry| Some(entry.split_once('=')?).filter(|(n, _)| *n == name))
    };
    let value = |name: &str| value(name).map_or("", |(_, value)| value);
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let (mut result, mut rest, mut is_quoted) = (String::new(), text, false);
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        if c == '\'' {
            is_quoted = !is_quoted;
        }
        if c == '\\' && !is_quoted {
            let escaped = after.chars().next().map_or(0, char::len_utf8);
            result.push_str(&rest[..1 + escaped]);
            rest = &after[escaped..];
            continue;
        }
        if c != '$' || is_quoted {
            result.push(c);
            rest = after;
            continue;
        }
        if let Some((inner, tail)) = after.strip_prefix('{').and_then(|a| a.split_once('}')) {
            let end = inner.find(|c| !is_name(c)).unwrap_or(inner.len());
            let (found, modifier) = (value(&inner[..end]), &inner[end..]);
            match modifier.get(..2) {
                Some(":-") if found.is_empty() => result.push_str(&modifier[2..]),
                Some(":+") if !found.is_empty() => result.push_str(&modifier[2..]),
                Some(":+") => {}
                _ => result.push_str(found),
            }
            rest = tail;
            continue;
        }
        let end = after.find(|c| !is_name(c)).unwrap_or(after.len());
        result.push_str(if end == 0 { "$" } else { value(&after[..end]) });
        rest = &after[end..];
    }
    result
}

/// Splits at white space outside quotes; quotes and backslashes are taken away.
fn words(text: &str) -> Vec<String> {
    let (mut all, mut word, mut quote, mut is_word) = (Vec::new(), String::new(), None, false);
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match (c, quote) {
            ('\\', None | Some('"')) => word.extend(characters.next()),
            (c, Some(q)) if c == q => quote = None,
            ('"' | '\'', None) => quote = Some(c),
            (c, None) if c.is_whitespace() => {
                if is_word {
                    all.push(std::mem::take(&mut word));
                }
                is_word = false;
                continue;
            }
            (c, _) => word.push(c),
        }
        is_word = true;
    }
    if is_word {
        all.push(word);
    }
    all
}

fn expose(ports: &mut BTreeMap<String, Empty>, text: &str) -> Result<(), ChangeError> {
    let (range, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = protocol.to_lowercase();
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let port = |text: &str| text.parse::<u16>().map_err(|_| bad("EXPOSE", text));
    let (first, last) = (port(first)?, port(last)?);
    if first > last || !matches!(protocol.as_str(), "tcp" | "udp" | "sctp") {
        return Err(bad("EXPOSE", text));
    }
    ports.extend((first..=last).map(|port| (format!("{port}/{protocol}"), Empty {})));
    Ok(())
}

fn work_dir(current: Option<&str>, path: &str) -> String {
    if path.starts_with('/') {
        return path.to_owned();
    }
    let base = current.filter(|base| !base.is_empty()).unwrap_or("/");
    format!("{}/{path}", base.trim_end_matches('/'))
}

fn healthcheck(text: &str) -> Result<serde_json::Value, ChangeError> {
    if text.eq_ignore_ascii_case("none") {
        return Ok(serde_json::json!({"Test": ["NONE"]}));
    }
    let mut check = serde_json::Map::new();
    let mut rest = text;
    while let Some(option) = rest.strip_prefix("--") {
        let (option, after) = option.split_once(char::is_whitespace).unwrap_or((option, ""));
        let (name, value) = option.split_once('=').ok_or_else(|| bad("HEALTHCHECK", option))?;
        let invalid = || bad("HEALTHCHECK", option);
        let (field, number) = match name {
            "interval" => ("Interval", duration_ns(value)),
            "timeout" => ("Timeout", duration_ns(value)),
            "start-period" => ("StartPeriod", duration_ns(value)),
            "start-interval" => ("StartInterval", duration_ns(value)),
            "retries" => ("Retries", value.parse().ok()),
            _ => return Err(invalid()),
        };
        check.insert(field.to_owned(), number.ok_or_else(invalid)?.into());
        rest = after.trim_start();
    }
    let (word, argument) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    if !word.eq_ignore_ascii_case("cmd") || argument.trim().is_empty() {
        return Err(bad("HEALTHCHECK", text));
    }
    let test = match json_list(argument.trim()) {
        Some(list) => std::iter::once("CMD".to_owned()).chain(list).collect(),
        None => vec!["CMD-SHELL".to_owned(), argument.trim().to_owned()],
    };
    check.insert("Test".to_owned(), serde_json::json!(test));
    Ok(check.into())
}

/// A Go duration (`1m30s`, `500ms`) in nanoseconds.
pub(crate) fn duration_ns(text: &str) -> Option<i64> {
    let mut total = 0f64;
    let mut rest = text;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        let unit = &rest[digits..];
        let length = unit.find(|c: char| c.is_ascii_digit()).unwrap_or(unit.len());
        total += number
            * match &unit[..length] {
                "ns" => 1.0,
                "us" | "µs" => 1e3,
                "ms" => 1e6,
                "s" => 1e9,
                "m" => 60e9,
                "h" => 3600e9,
                _ => return None,
            };
        rest = &unit[length..];
    }
    Some(total as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(changes: &[&str]) -> ExecutionConfig {
        let mut config = ExecutionConfig::default();
        let list: Vec<String> = changes.iter().map(|change| (*change).to_owned()).collect();
        apply(&mut config, &list).unwrap();
        config
    }

    #[test]
    fn variables_are_expanded_from_the_configuration() {
        let env = ["PATH=/bin".to_owned(), "EMPTY=".to_owned()];
        for (text, expected) in [
            ("PATH=/usr/bin:$PATH", "PATH=/usr/bin:/bin"),
            ("A=${PATH}x", "A=/binx"),
            ("A=${EMPTY:-none} ${PATH:+set} ${EMPTY:+set}", "A=none set "),
            (r"A=\$PATH '$PATH' $", r"A=\$PATH '$PATH' $"),
            ("A=$NOSUCH.", "A=."),
        ] {
            assert_eq!(expand(text, &env), expected);
        }
    }

    #[test]
    fn commands_take_both_forms() {
        let config = applied(&["CMD [\"a\", \"b c\"]", "entrypoint echo $X"]);
        assert_eq!(config.cmd.unwrap(), ["a", "b c"]);
        assert_eq!(config.entrypoint.unwrap(), ["/bin/sh", "-c", "echo $X"]);
        let reset = applied(&["ENTRYPOINT [\"x\"]"]);
        assert_eq!(reset.cmd, None);
    }

    #[test]
    fn pairs_ports_and_paths() {
        let config = applied(&[
            "ENV A=1 B=\"two words\" C=x\\ y",
            "ENV A one more",
            "LABEL k=v l='w x'",
            "EXPOSE 80 443/tcp 8000-8001/udp",
            "VOLUME [\"/data\"]",
            "VOLUME /a /b",
            "WORKDIR /srv",
            "WORKDIR app",
            "STOPSIGNAL SIGINT",
            "USER app:app",
            "ONBUILD RUN x",
        ]);
        assert_eq!(config.env.unwrap(), ["A=one more", "B=two words", "C=x y"]);
        assert_eq!(config.labels.unwrap()["l"], "w x");
        let ports: Vec<String> = config.exposed_ports.unwrap().into_keys().collect();
        assert_eq!(ports, ["443/tcp", "80/tcp", "8000/udp", "8001/udp"]);
        assert_eq!(config.volumes.unwrap().into_keys().collect::<Vec<_>>(), ["/a", "/b", "/data"]);
        assert_eq!(config.working_dir.unwrap(), "/srv/app");
    }

    #[test]
    fn health_checks() {
        let config = applied(&["HEALTHCHECK --interval=1m30s --retries=3 CMD curl -f x"]);
        let check = config.healthcheck.unwrap();
        assert_eq!(check["Interval"], 90_000_000_000i64);
        assert_eq!(check["Test"][0], "CMD-SHELL");
        assert_eq!(applied(&["HEALTHCHECK NONE"]).healthcheck.unwrap()["Test"][0], "NONE");
    }

    #[test]
    fn other_instructions_are_refused() {
        let mut config = ExecutionConfig::default();
        let run = |config: &mut ExecutionConfig, text: &str| apply(config, &[text.to_owned()]);
        assert_eq!(run(&mut config, "RUN x"), Err(ChangeError::NotAChange("RUN".into())));
        assert_eq!(run(&mut config, "ENV"), Err(ChangeError::NoArgument("ENV".into())));
        assert!(run(&mut config, "EXPOSE 99999").is_err());
        assert!(run(&mut config, "HEALTHCHECK --x=1 CMD y").is_err());
    }
}
