//! Processes of a container, as the host's `ps` shows them.

use std::process::Command;

use engine_api::container::TopResponse;

use crate::{ContainerError, Containers};

impl Containers {
    /// Runs the host's `ps` with `arguments` and keeps the lines of the container's processes.
    ///
    /// # Errors
    /// [`ContainerError::NotRunning`], [`ContainerError::Invalid`] when `ps` refuses its arguments
    /// or shows no `PID` column.
    pub fn top(&self, reference: &str, arguments: &str) -> Result<TopResponse, ContainerError> {
        let container = self.find(reference)?;
        if !container.state().is_running() {
            return Err(ContainerError::Conflict(format!(
                "container {} is not running",
                container.id
            )));
        }
        let arguments = if arguments.is_empty() { "-ef" } else { arguments };
        let path = self.cgroup_path(&container.record());
        let pids = runtime::cgroup::Cgroup::open(&path)
            .and_then(|cgroup| cgroup.pids())
            .map_err(|error| ContainerError::Conflict(types::error::chain(&error)))?;
        let output = Command::new("ps")
            .args(arguments.split_whitespace())
            .output()
            .map_err(|source| ContainerError::File { action: "run", path: "ps".into(), source })?;
        if !output.status.success() {
            return Err(ContainerError::Invalid(format!(
                "ps: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            )));
        }
        let top = parse(&String::from_utf8_lossy(&output.stdout), &pids)?;
        self.publish_plain(&container, "top");
        Ok(top)
    }
}

fn parse(text: &str, pids: &[i32]) -> Result<TopResponse, ContainerError> {
    let mut lines = text.lines();
    let titles: Vec<String> =
        lines.next().unwrap_or_default().split_whitespace().map(str::to_owned).collect();
    let column = titles.iter().position(|title| title == "PID").ok_or_else(|| {
        ContainerError::Invalid("Couldn't find PID field in ps output".to_owned())
    })?;
    let processes = lines
        .map(|line| fields(line, titles.len()))
        .filter(|row| {
            row.get(column).and_then(|pid| pid.parse().ok()).is_some_and(|pid| pids.contains(&pid))
        })
        .collect();
    Ok(TopResponse { titles, processes })
}

/// Splits a line into `count` fields; the last one keeps its blanks.
fn fields(line: &str, count: usize) -> Vec<String> {
    let mut row = Vec::new();
    let mut rest = line.trim_start();
    while row.len() + 1 < count {
        let Some((field, tail)) = rest.split_once(char::is_whitespace) else { break };
        row.push(field.to_owned());
        rest = tail.trim_start();
    }
    row.push(rest.to_owned());
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_the_container_only() {
        let text = "UID PID PPID CMD\nroot   7  1  sleep 10  20\nroot 8 1 other\n";
        let top = parse(text, &[7]).unwrap();
        assert_eq!(top.processes, [["root", "7", "1", "sleep 10  20"]]);
        assert!(parse("UID CMD\n", &[]).is_err());
    }
}
