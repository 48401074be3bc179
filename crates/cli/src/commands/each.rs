//! Commands that do one thing to many objects: all are tried, failures are printed, one is enough
//! for the exit code.

use crate::{failure, output};

/// Does `action` for each of `names`, prints what it gives, reports errors at the end.
///
/// # Errors
/// Only when standard output is closed.
pub async fn each(
    names: &[String],
    action_name: &str,
    action: impl AsyncFn(&str) -> anyhow::Result<String>,
) -> anyhow::Result<u8> {
    let mut failed = Vec::new();
    for name in names {
        match action(name).await {
            Ok(text) if text.is_empty() => {}
            Ok(text) => output::line(&text)?,
            Err(error) => {
                output::error_line(&failure::text(&error));
                failed.push(name.as_str());
            }
        }
    }
    if failed.is_empty() {
        return Ok(0);
    }
    if action_name == "start" {
        output::error_line(&format!("Error: failed to start containers: {}", failed.join(", ")));
    }
    Ok(1)
}

/// Does `action` for all of `names` at once, because each may take its time, and prints in order.
///
/// # Errors
/// Only when standard output is closed.
pub async fn together(
    names: &[String],
    action: impl AsyncFn(&str) -> anyhow::Result<String>,
) -> anyhow::Result<u8> {
    let mut code = 0;
    let mut failures = Vec::new();
    for names in names.chunks(MOST_AT_ONCE) {
        for result in futures_util::future::join_all(names.iter().map(|n| action(n))).await {
            match result {
                Ok(text) if text.is_empty() => {}
                Ok(text) => output::line(&text)?,
                Err(error) => {
                    failures.push(failure::text(&error));
                    code = 1;
                }
            }
        }
    }
    if !failures.is_empty() {
        output::error_line(&failures.join("\n"));
    }
    Ok(code)
}

/// Connections that one command opens.
const MOST_AT_ONCE: usize = 50;
