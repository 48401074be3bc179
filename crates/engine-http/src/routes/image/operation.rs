//! Which operation a path below `/images/` means: its last segment tells, as names have slashes.

use http::Method;

/// An operation on images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Delete,
    List,
    Search,
    SaveMany,
    Create,
    Load,
    Prune,
    Inspect,
    History,
    Save,
    Attestations,
    Push,
    Tag,
}

impl Operation {
    /// The operation and the image's name; `None` when there is no such route.
    pub(crate) fn of<'a>(method: &Method, path: &'a str) -> Option<(Self, &'a str)> {
        let (name, last) = path.rsplit_once('/').unwrap_or(("", path));
        let operation = match (method.as_str(), name, last) {
            ("DELETE", ..) => return Some((Self::Delete, path)),
            ("GET" | "HEAD", "", "json") => Self::List,
            ("GET" | "HEAD", "", "search") => Self::Search,
            ("GET" | "HEAD", "", "get") => Self::SaveMany,
            ("POST", "", "create") => Self::Create,
            ("POST", "", "load") => Self::Load,
            ("POST", "", "prune") => Self::Prune,
            (_, "", _) => return None,
            ("GET" | "HEAD", _, "json") => Self::Inspect,
            ("GET" | "HEAD", _, "history") => Self::History,
            ("GET" | "HEAD", _, "get") => Self::Save,
            ("GET" | "HEAD", _, "attestations") => Self::Attestations,
            ("POST", _, "push") => Self::Push,
            ("POST", _, "tag") => Self::Tag,
            _ => return None,
        };
        Some((operation, name))
    }
}
