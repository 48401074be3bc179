//! A path in a container as a client writes it.
//!
//! `..` is taken back by its text before anything is resolved, and a trailing `/` or `/.` asks
//! for the directory that a link leads to: both as Docker does.

use std::path::Path;

/// A cleaned path with what its end says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PathInContainer {
    /// Absolute, without `.`, `..` and double slashes.
    clean: String,
    ending: Ending,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Plain,
    Slash,
    Dot,
}

impl PathInContainer {
    pub(crate) fn parse(text: &str) -> Self {
        let mut parts: Vec<&str> = Vec::new();
        for part in text.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    parts.pop();
                }
                name => parts.push(name),
            }
        }
        let ending = if text.ends_with("/.") || text == "." {
            Ending::Dot
        } else if text.ends_with('/') || parts.is_empty() {
            Ending::Slash
        } else {
            Ending::Plain
        };
        Self { clean: format!("/{}", parts.join("/")), ending }
    }

    /// The path itself.
    pub(crate) fn clean(&self) -> &str {
        &self.clean
    }

    /// For the kernel.
    pub(crate) fn resolving(&self) -> &Path {
        Path::new(&self.clean)
    }

    /// Whether only a directory will do, which a link may lead to.
    pub(crate) fn is_directory(&self) -> bool {
        self.ending != Ending::Plain
    }

    /// The last component as it was written.
    pub(crate) fn name(&self) -> &str {
        if self.clean == "/" {
            return "/";
        }
        if self.ending == Ending::Dot {
            return ".";
        }
        self.clean.rsplit('/').next().unwrap_or("/")
    }

    /// What it is called in an archive; the root's entries stand below `/`.
    pub(crate) fn stored_as(&self) -> &str {
        if self.clean == "/" { "" } else { self.name() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_and_climbs_are_read_as_docker_reads_them() {
        for (text, clean, name, is_directory) in [
            ("etc/passwd", "/etc/passwd", "passwd", false),
            ("/a/../../b", "/b", "b", false),
            ("/a//b/", "/a/b", "b", true),
            ("/a/b/.", "/a/b", ".", true),
            ("/", "/", "/", true),
            (".", "/", "/", true),
        ] {
            let path = PathInContainer::parse(text);
            assert_eq!(
                (path.clean(), path.name(), path.is_directory()),
                (clean, name, is_directory)
            );
        }
    }
}
