//! How failures are told.

use std::{fs::OpenOptions, io::Write};

use crate::arguments::{Arguments, LogFormat};

/// Writes to standard error, and to the log if there is one (engines read it from there).
pub fn failure(arguments: &Arguments, error: &anyhow::Error) {
    let message = text(error);
    eprintln!("gantry-runtime: {message}");
    let Some(path) = &arguments.log else { return };
    let line = match arguments.log_format {
        LogFormat::Text => format!("level=error msg={message:?}"),
        LogFormat::Json => {
            serde_json::json!({"level": "error", "msg": message, "time": now()}).to_string()
        }
    };
    let written = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .and_then(|mut log| writeln!(log, "{line}"));
    if let Err(error) = written {
        eprintln!("gantry-runtime: cannot write {}: {error}", path.display());
    }
}

fn text(error: &anyhow::Error) -> String {
    // The library's errors do not print their sources themselves; `{:#}` joins them all.
    format!("{error:#}")
}

/// The time, as logs and state files have it.
pub fn now() -> String {
    time::OffsetDateTime::now_utc()
        .format(&time::format_description::well_known::Rfc3339)
        .unwrap_or_default()
}
