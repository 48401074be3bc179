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
