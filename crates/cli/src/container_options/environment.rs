//! Environment and labels, from flags and from files.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, bail};

/// `NAME` alone takes the value from this process, or stays as it is (which unsets it inside).
fn resolve(text: &str) -> String {
    if text.contains('=') {
        return text.to_owned();
    }
    match std::env::var(text) {
        Ok(value) => format!("{text}={value}"),
        Err(_) => text.to_owned(),
    }
}

/// The variables of all files, then those of the flags.
///
/// # Errors
/// When a file cannot be read or has a malformed line.
pub fn variables(files: &[String], flags: &[String]) -> anyhow::Result<Vec<String>> {
    let mut all = Vec::new();
    for file in files {
        for line in lines(Path::new(file))? {
            let name = line.split('=').next().unwrap_or("");
            if name.contains(char::is_whitespace) {
                bail!("invalid env file ({file}): variable '{name}' contains whitespaces");
            }
            if name.is_empty() {
                bail!("invalid env file ({file}): no variable name on line '{line}'");
            }
            if line.contains('=') {
                all.push(line);
            } else if let Ok(value) = std::env::var(&line) {
                all.push(format!("{line}={value}"));
            }
        }
    }
    all.extend(flags.iter().map(|text| resolve(text)));
    Ok(all)
}

/// The labels of all files, then those of the flags; later ones win.
///
/// # Errors
/// When a file cannot be read or has a malformed line.
pub fn labels(files: &[String], flags: &[String]) -> anyhow::Result<BTreeMap<String, String>> {
    let mut all = Vec::new();
    for file in files {
        for line in lines(Path::new(file))? {
            let name = line.split('=').next().unwrap_or("");
            if name.contains(char::is_whitespace) {
                bail!("invalid label file ({file}): label '{name}' contains whitespaces");
            }
            all.push(line);
        }
    }
    all.extend(flags.iter().cloned());
    let split = |text: String| match text.split_once('=') {
        Some((name, value)) => (name.to_owned(), value.to_owned()),
        None => (text, String::new()),
    };
    Ok(all.into_iter().map(split).collect())
}

/// The lines that hold something: not empty, not a comment; leading blanks are taken off.
fn lines(path: &Path) -> anyhow::Result<Vec<String>> {
    let bytes = std::fs::read(path)
        .map_err(|e| anyhow::anyhow!("open {}: {}", path.display(), reason(&e)))?;
    let text = String::from_utf8(bytes)
        .with_context(|| format!("invalid utf8 bytes in {}", path.display()))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let kept =
        text.lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(kept.map(Into::into).collect())
}

/// A system error as Go prints it.
#[must_use]
pub fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        std::io::ErrorKind::IsADirectory => "is a directory".to_owned(),
        std::io::ErrorKind::AlreadyExists => "file exists".to_owned(),
        _ => {
            let text = error.to_string();
            text.split(" (os error").next().unwrap_or(&text).to_lowercase()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_before_flags() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("env");
        std::fs::write(&file, "# note\n\n  A=1\nB=x y\nGANTRY_TEST_NOT_SET\n").unwrap();
        let file = file.to_string_lossy().into_owned();
        let all = variables(&[file], &["A=2".into(), "GANTRY_TEST_NOT_SET".into()]).unwrap();
        assert_eq!(all, ["A=1", "B=x y", "A=2", "GANTRY_TEST_NOT_SET"]);
        let error = variables(&["/nonex".into()], &[]).unwrap_err();
        assert_eq!(error.to_string(), "open /nonex: no such file or directory");
    }
}
