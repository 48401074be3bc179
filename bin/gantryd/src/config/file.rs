//! The configuration file and how it meets the flags.

use std::{fs, io, path::Path};

use anyhow::{Context, bail};
use serde_json::{Map, Value};

use super::{Config, Flags};

/// The largest file that is read.
const MAX_BYTES: u64 = 1024 * 1024;
const DEFAULT_PATH: &str = "/etc/gantry/daemon.json";

type Values = Map<String, Value>;

/// Reads the file; the default one need not exist.
pub fn read(flags: &Flags) -> anyhow::Result<Values> {
    let path = &flags.config_file;
    let about = || format!("unable to configure the engine with file {}", path.display());
    let text = match bounded(path) {
        Ok(text) => text,
        Err(error)
            if error.kind() == io::ErrorKind::NotFound && path == Path::new(DEFAULT_PATH) =>
        {
            return Ok(Values::new());
        }
        Err(error) => return Err(error).with_context(about),
    };
    if text.trim().is_empty() {
        return Ok(Values::new());
    }
    // Editors on other systems put a byte order mark at the front.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    serde_json::from_str(text).context("invalid JSON").with_context(about)
}

fn bounded(path: &Path) -> io::Result<String> {
    if fs::metadata(path)?.len() > MAX_BYTES {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the file is larger than 1 MiB"));
    }
    fs::read_to_string(path)
}

/// Joins flags and file.
///
/// # Errors
/// A key of the file is unknown, or is a flag as well.
pub fn merge(flags: Values, mut file: Values, path: &Path) -> anyhow::Result<Values> {
    let about = || format!("unable to configure the engine with file {}", path.display());
    // null is as good as not there.
    file.retain(|_, value| !value.is_null());
    let known = serde_json::to_value(Config::default())?;
    let unknown: Vec<&str> =
        file.keys().map(String::as_str).filter(|key| known.get(key).is_none()).collect();
    if !unknown.is_empty() {
        let text = unknown.join(", ");
        return Err(anyhow::anyhow!(
            "the following directives don't match any configuration option: {text}"
        ))
        .with_context(about);
    }
    let both: Vec<String> = file
        .iter()
        .filter_map(|(key, in_file)| {
            let flag = flags.get(key)?;
            Some(format!("{key}: (from flag: {}, from file: {})", plain(flag), plain(in_file)))
        })
        .collect();
    if !both.is_empty() {
        return Err(anyhow::anyhow!(
            "the following directives are specified both as a flag and in the configuration \
             file: {}",
            both.join(", ")
        ))
        .with_context(about);
    }
    file.extend(flags);
    Ok(file)
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Reads the values, one key at a time so that an error can name it.
///
/// # Errors
/// A value has the wrong type or form.
pub fn decode(values: Values) -> anyhow::Result<Config> {
    for (key, value) in &values {
        let one = Values::from_iter([(key.clone(), value.clone())]);
        if let Err(error) = serde_json::from_value::<Config>(Value::Object(one)) {
            bail!("invalid value for {key}: {error}");
        }
    }
    Ok(serde_json::from_value(Value::Object(values))?)
}
