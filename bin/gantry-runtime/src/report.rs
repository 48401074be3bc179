//! What is told besides results: failures, warnings, and with `--debug` more, in runc's form, on
//! standard error and in the log if there is one (engines read it from there).

use std::{fs::OpenOptions, io::Write, path::PathBuf, sync::OnceLock};

use crate::arguments::{Arguments, LogFormat};

/// Where to and how.
#[derive(Debug)]
struct Target {
    log: Option<PathBuf>,
    format: LogFormat,
    is_verbose: bool,
}

static TARGET: OnceLock<Target> = OnceLock::new();

/// Takes the global options.
pub fn configure(arguments: &Arguments) {
    TARGET.get_or_init(|| Target {
        log: arguments.log.clone(),
        format: arguments.log_format,
        is_verbose: arguments.debug,
    });
}

/// Tells why nothing came of it.
pub fn failure(error: &anyhow::Error) {
    tell("error", &text(error));
}

/// Tells what was passed over.
pub fn warning(message: &str) {
    tell("warning", message);
}

/// Tells a detail, if details are wanted.
pub fn detail(message: &str) {
    if TARGET.get().is_some_and(|target| target.is_verbose) {
        tell("debug", message);
    }
}

fn tell(level: &str, message: &str) {
    let plain = format!("time={:?} level={level} msg={message:?}", now());
    let Some(target) = TARGET.get() else {
        eprintln!("{plain}");
        return;
    };
    let json = || serde_json::json!({"level": level, "msg": message, "time": now()}).to_string();
    let line = match target.format {
        LogFormat::Text => plain.clone(),
        LogFormat::Json => json(),
    };
    // A failure is told to whoever sees standard error, too.
    if target.log.is_none() {
        eprintln!("{line}");
    } else if level == "error" {
        eprintln!("{plain}");
    }
    let Some(path) = &target.log else { return };
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
