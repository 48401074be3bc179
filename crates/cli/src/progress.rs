//! The progress of pull, push, load and import: bars on a terminal, lines in a pipe.

use std::{
    collections::HashMap,
    io::{self, IsTerminal, Write},
};

use anyhow::bail;
use bytes::BytesMut;
use client::Answer;
use engine_api::progress::{ProgressDetail, ProgressMessage};

use crate::{human, output::OutputClosed, terminal};

/// Where progress goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sink {
    /// Standard output.
    Output,
    /// Standard error, because standard output is the container's.
    Error,
    /// Nowhere: only failures are told.
    Nothing,
}

/// Shows a stream of messages to its end.
///
/// # Errors
/// The failure that the stream tells of, or that broke it.
pub async fn show(answer: Answer, sink: Sink) -> anyhow::Result<()> {
    show_with(answer, sink, |_| {}).await
}

/// Shows a stream; results for programs go to `aux`.
///
/// # Errors
/// As [`show`].
pub async fn show_with(
    mut answer: Answer,
    sink: Sink,
    mut aux: impl FnMut(serde_json::Value),
) -> anyhow::Result<()> {
    let is_terminal = match sink {
        Sink::Output => io::stdout().is_terminal(),
        Sink::Error => io::stderr().is_terminal(),
        Sink::Nothing => false,
    };
    let width = terminal::size().map_or(200, |(_, columns)| usize::from(columns));
    let mut screen = Screen { is_terminal, width, ..Screen::default() };
    let mut pending = BytesMut::new();
    while let Some(messages) = answer.documents::<ProgressMessage>(&mut pending).await? {
        let mut text = String::new();
        for message in messages {
            if let Some(failure) = failure(&message) {
                write(sink, &text)?;
                bail!("{failure}");
            }
            match message.aux {
                Some(value) => aux(value),
                None => screen.show(&message, &mut text),
            }
        }
        write(sink, &text)?;
    }
    if !pending.iter().all(u8::is_ascii_whitespace) {
        bail!("the engine's progress ended in the middle of a message");
    }
    Ok(())
}

fn failure(message: &ProgressMessage) -> Option<String> {
    if let Some(detail) = &message.error_detail
        && !detail.message.is_empty()
    {
        return Some(detail.message.clone());
    }
    (!message.error.is_empty()).then(|| message.error.clone())
}

fn write(sink: Sink, text: &str) -> anyhow::Result<()> {
    let result = match sink {
        Sink::Output => {
            let mut out = io::stdout().lock();
            out.write_all(text.as_bytes()).and_then(|()| out.flush())
        }
        Sink::Error => io::stderr().lock().write_all(text.as_bytes()),
        Sink::Nothing => Ok(()),
    };
    match result {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Err(OutputClosed.into()),
        result => Ok(result?),
    }
}

/// Which line each layer has.
#[derive(Default)]
struct Screen {
    is_terminal: bool,
    width: usize,
    lines: HashMap<String, usize>,
}

impl Screen {
    fn show(&mut self, message: &ProgressMessage, out: &mut String) {
        let has_bar = message.progress_detail.as_ref().is_some_and(is_shown);
        if !message.stream.is_empty() {
            out.push_str(&message.stream);
            return;
        }
        if !self.is_terminal {
            // In a pipe only what is finished is worth a line.
            if !has_bar && message.progress.is_empty() {
                out.push_str(&named(message, &message.status));
                out.push('\n');
            }
            return;
        }
        if message.id.is_empty()
            || message.progress_detail.is_none() && !self.lines.contains_key(&message.id)
        {
            self.lines.clear();
            out.push_str(&named(message, &message.status));
            out.push('\n');
            return;
        }
        self.show_line(message, out);
    }

    /// Redraws the layer's own line: up to it, clear, write, back down.
    fn show_line(&mut self, message: &ProgressMessage, out: &mut String) {
        let count = self.lines.len();
        let is_new = !self.lines.contains_key(&message.id);
        let line = *self.lines.entry(message.id.clone()).or_insert(count);
        if is_new {
            out.push('\n');
        }
        let up = self.lines.len() - line;
        out.push_str(&format!("\x1b[{up}A\x1b[2K\r"));
        let bar = message
            .progress_detail
            .as_ref()
            .filter(|detail| is_shown(detail))
            .map(|detail| bar(detail, self.width))
            .unwrap_or_default();
        let gap = if bar.is_empty() { "" } else { " " };
        out.push_str(&named(message, &format!("{} {gap}{bar}", message.status)));
        out.push_str(&format!("\r\x1b[{up}B"));
    }
}

fn named(message: &ProgressMessage, text: &str) -> String {
    if message.id.is_empty() { text.to_owned() } else { format!("{}: {text}", message.id) }
}

fn is_shown(detail: &ProgressDetail) -> bool {
    detail.current > 0 || detail.total > 0
}

fn bar(detail: &ProgressDetail, width: usize) -> String {
    let current = human::size(detail.current);
    if detail.total <= 0 {
        return if detail.units.is_empty() {
            format!("{current:>8}")
        } else {
            format!("{} {}", detail.current, detail.units)
        };
    }
    let total = human::size(detail.total);
    let percent =
        (detail.current.min(detail.total) as f64 / detail.total as f64 * 100.0) as usize / 2;
    let percent = percent.min(50);
    let mut text = String::new();
    if width > 110 {
        let spaces = " ".repeat(50 - percent);
        text = format!("[{}>{spaces}] ", "=".repeat(percent));
    }
    if !detail.hide_counts {
        let count = if detail.current > detail.total {
            format!("{current:>8}")
        } else {
            format!("{current:>8}/{total}")
        };
        text.push_str(&count);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(is_terminal: bool, lines: &[&str]) -> String {
        let mut screen = Screen { is_terminal, width: 200, ..Screen::default() };
        let mut out = String::new();
        for line in lines {
            screen.show(&serde_json::from_str(line).unwrap(), &mut out);
        }
        out
    }

    const PULL: [&str; 4] = [
        r#"{"status":"Pulling from library/busybox","id":"latest"}"#,
        r#"{"status":"Pulling fs layer","progressDetail":{},"id":"abc"}"#,
        r#"{"status":"Downloading","progressDetail":{"current":500,"total":1000},"id":"abc"}"#,
        r#"{"status":"Pull complete","progressDetail":{},"id":"abc"}"#,
    ];

    #[test]
    fn a_pipe_gets_lines_without_bars() {
        assert_eq!(
            run(false, &PULL),
            "latest: Pulling from library/busybox\nabc: Pulling fs layer\nabc: Pull complete\n"
        );
    }

    #[test]
    fn a_terminal_gets_one_line_per_layer() {
        let text = run(true, &PULL);
        assert!(text.starts_with("latest: Pulling from library/busybox\n\n\x1b[1A\x1b[2K\rabc: "));
        let bar = format!("[{}>{}]     500B/1kB", "=".repeat(25), " ".repeat(25));
        assert!(text.contains(&bar), "{text:?}");
    }
}
