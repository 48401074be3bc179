//! Reading and writing single values of cgroup files.

use std::{fs, io, path::Path};

use super::{CgroupError, Result};

/// Writes one value.
pub(super) fn set(directory: &Path, file: &str, value: &str) -> Result<()> {
    let path = directory.join(file);
    write(&path, value).map_err(|source| CgroupError::Limit {
        path,
        value: value.to_owned(),
        source: source.into(),
    })
}

/// Writes one value to a file that some kernels do not have; `false`: it is not there.
pub(super) fn set_if_there(directory: &Path, file: &str, value: &str) -> Result<bool> {
    if !directory.join(file).exists() {
        return Ok(false);
    }
    set(directory, file, value).map(|()| true)
}

/// Control files must exist: none is ever created by a write.
fn write(path: &Path, value: &str) -> io::Result<()> {
    use std::io::Write;
    fs::OpenOptions::new().write(true).open(path)?.write_all(value.as_bytes())
}

/// Reads a file's whole text.
pub(super) fn text(directory: &Path, file: &str) -> Result<String> {
    let path = directory.join(file);
    fs::read_to_string(&path).map_err(|e| CgroupError::file("read", &path, e))
}

/// Reads one number; `max` is the largest. A file that is not there counts as 0.
pub(super) fn number(directory: &Path, file: &str) -> Result<u64> {
    let path = directory.join(file);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(parse(text.trim())),
        Err(e) if super::is_gone(&e) => Ok(0),
        Err(e) => Err(CgroupError::file("read", &path, e)),
    }
}

/// A number as cgroup files write it.
pub(super) fn parse(text: &str) -> u64 {
    if text == "max" { u64::MAX } else { text.parse().unwrap_or(0) }
}

/// Reads `key value` lines. A file that is not there has none.
pub(super) fn pairs(directory: &Path, file: &str) -> Result<Vec<(String, u64)>> {
    let path = directory.join(file);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if super::is_gone(&e) => return Ok(Vec::new()),
        Err(e) => return Err(CgroupError::file("read", &path, e)),
    };
    Ok(text
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(key, value)| (key.to_owned(), parse(value.trim())))
        .collect())
}
