//! Tables: for the terminal and for `docs/benchmarks.md`, the same text in both.

use std::{fmt::Write as _, fs, path::Path};

use anyhow::{Context, Result};

use super::sample::Samples;

/// A table of a scenario, in the order in which its rows were added.
pub struct Table {
    title: String,
    header: Vec<String>,
    rows: Vec<Vec<String>>,
    notes: Vec<String>,
}

impl Table {
    pub fn new(title: impl Into<String>, header: &[&str]) -> Self {
        let header = header.iter().map(|&name| name.to_owned()).collect();
        Self { title: title.into(), header, rows: Vec::new(), notes: Vec::new() }
    }

    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    pub fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// A table of samples, each compared with the one called `baseline`; `target` is the factor
    /// that the first and the second must be faster by.
    pub fn compare(title: &str, series: &[Series], baseline: &str, targets: &[Target]) -> Self {
        let mut table = Self::new(title, &["", "median ms", "p10", "p90", "n", "faster by"]);
        let base = series.iter().find(|s| s.label == baseline).and_then(|s| s.samples.median());
        for one in series {
            let median = one.samples.median();
            let factor = base.zip(median).map(|(base, median)| base / median);
            table.row(vec![
                one.label.clone(),
                number(median),
                number(one.samples.quantile(0.1)),
                number(one.samples.quantile(0.9)),
                one.samples.len().to_string(),
                factor.map_or_else(|| "-".to_owned(), |factor| format!("{factor:.1}x")),
            ]);
            for target in targets.iter().filter(|target| target.label == one.label) {
                table.notes.extend(factor.map(|factor| target.judge(factor)));
            }
        }
        table
    }

    /// As Markdown.
    pub fn markdown(&self) -> String {
        let mut text = format!("**{}**\n\n", self.title);
        line(&mut text, &self.header);
        line(&mut text, &vec!["---".to_owned(); self.header.len()]);
        self.rows.iter().for_each(|row| line(&mut text, row));
        for note in &self.notes {
            let _ = write!(text, "\n- {note}");
        }
        text.push_str(if self.notes.is_empty() { "\n" } else { "\n\n" });
        text
    }
}

/// Samples under a name.
pub struct Series {
    pub label: String,
    pub samples: Samples,
}

/// A factor that is wanted.
pub struct Target {
    pub label: &'static str,
    pub factor: f64,
}

impl Target {
    fn judge(&self, factor: f64) -> String {
        let verdict = if factor >= self.factor { "reached" } else { "**missed**" };
        format!("{}: {:.0}x is wanted, {factor:.1}x measured: {verdict}", self.label, self.factor)
    }
}

/// Milliseconds, or a dash.
pub fn number(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(value) if value >= 100.0 => format!("{value:.0}"),
        Some(value) => format!("{value:.1}"),
    }
}

fn line(text: &mut String, cells: &[String]) {
    let _ = writeln!(text, "| {} |", cells.join(" | "));
}

/// Puts a scenario's text between its marks in the document, or at the end if it has none yet.
///
/// # Errors
/// The document cannot be read or written.
pub fn put(document: &Path, scenario: &str, text: &str) -> Result<()> {
    let old =
        fs::read_to_string(document).with_context(|| format!("read {}", document.display()))?;
    let new = replaced(&old, scenario, text);
    fs::write(document, new).with_context(|| format!("write {}", document.display()))
}

fn replaced(old: &str, scenario: &str, text: &str) -> String {
    let (open, close) =
        (format!("<!-- bench:{scenario} -->"), format!("<!-- /bench:{scenario} -->"));
    let section = format!("{open}\n{}\n{close}", text.trim());
    let found = old.split_once(&open).and_then(|(before, rest)| {
        rest.split_once(&close).map(|(_, after)| format!("{before}{section}{after}"))
    });
    found.unwrap_or_else(|| format!("{}\n\n{section}\n", old.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_takes_the_place_of_its_former_figures_only() {
        let old = "a\n<!-- bench:run -->\nold\n<!-- /bench:run -->\nb\n";
        let new = replaced(old, "run", "new\n");
        assert_eq!(new, "a\n<!-- bench:run -->\nnew\n<!-- /bench:run -->\nb\n");
    }

    #[test]
    fn a_scenario_without_a_place_goes_to_the_end() {
        assert_eq!(replaced("a\n", "ps", "x"), "a\n\n<!-- bench:ps -->\nx\n<!-- /bench:ps -->\n");
    }

    #[test]
    fn a_missed_target_says_so() {
        let target = Target { label: "gantry", factor: 10.0 };
        assert!(target.judge(9.9).contains("missed"));
        assert!(target.judge(10.0).contains("reached"));
    }
}
