//! Scopes: `repository:NAME:pull,push,delete` and `registry:catalog:*`, by the token scope
//! specification.

use std::fmt;

use registry::RepositoryName;

const MAX_SCOPES: usize = 64;

/// A set of actions on a repository.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Actions(u8);

impl Actions {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Read.
    pub const PULL: Self = Self(1);
    /// Write.
    pub const PUSH: Self = Self(2);
    /// Delete.
    pub const DELETE: Self = Self(4);
    /// Everything.
    pub const ALL: Self = Self(7);
    const NAMES: [(Self, &str); 3] =
        [(Self::PULL, "pull"), (Self::PUSH, "push"), (Self::DELETE, "delete")];

    /// Both sets together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in both.
    #[must_use]
    pub const fn within(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether all of `other` is in it.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The names, in the order in which Docker writes them.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().filter(move |(one, _)| self.contains(*one)).map(|(_, name)| name)
    }

    /// Reads names; what is not known is not granted.
    pub(crate) fn from_names<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        names.fold(Self::NONE, |set, name| {
            let known = Self::NAMES.into_iter().find(|(_, known)| *known == name);
            match (known, name) {
                (Some((one, _)), _) => set.and(one),
                (None, "*") => Self::ALL,
                _ => set,
            }
        })
    }
}

impl fmt::Debug for Actions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

/// What is asked for, or granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Actions on a repository.
    Repository {
        /// Which.
        name: RepositoryName,
        /// What.
        actions: Actions,
    },
    /// The list of all repositories.
    Catalog,
}

/// Why a scope cannot be granted or refused: it means nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// More than anybody needs.
    #[error("more than {MAX_SCOPES} scopes")]
    TooMany,
    /// Not `TYPE:NAME:ACTIONS`.
    #[error("malformed scope")]
    Malformed,
}

/// Reads scopes separated by spaces; types that are not known are left out, as nothing of them
/// can be granted.
///
/// # Errors
/// [`ScopeError`].
pub fn parse_scopes(text: &str) -> Result<Vec<Access>, ScopeError> {
    let mut scopes = Vec::new();
    for scope in text.split_ascii_whitespace() {
        if scopes.len() >= MAX_SCOPES {
            return Err(ScopeError::TooMany);
        }
        scopes.extend(parse_scope(scope)?);
    }
    Ok(scopes)
}

fn parse_scope(text: &str) -> Result<Option<Access>, ScopeError> {
    // The name may contain a colon (`host:port/name`), type and actions may not.
    let (kind, rest) = text.split_once(':').ok_or(ScopeError::Malformed)?;
    let (name, actions) = rest.rsplit_once(':').ok_or(ScopeError::Malformed)?;
    match (kind, name) {
        ("repository", _) => Ok(name.parse().ok().map(|name| Access::Repository {
            name,
            actions: Actions::from_names(actions.split(',')),
        })),
        ("registry", "catalog") if actions == "*" => Ok(Some(Access::Catalog)),
        _ => Ok(None),
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Catalog => f.write_str("registry:catalog:*"),
            Self::Repository { name, actions } => {
                let names: Vec<_> = actions.names().collect();
                write!(f, "repository:{name}:{}", names.join(","))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_scopes() {
        let text = "repository:alice/web:pull,push registry:catalog:*";
        let scopes = parse_scopes(text).unwrap();
        let written: Vec<_> = scopes.iter().map(ToString::to_string).collect();
        assert_eq!(written.join(" "), text);
        let all = parse_scopes("repository:a/b:*").unwrap();
        assert_eq!(all[0].to_string(), "repository:a/b:pull,push,delete");
    }

    #[test]
    fn grants_nothing_for_what_it_does_not_know() {
        assert_eq!(parse_scopes("repository:../x:pull"), Ok(vec![]));
        assert_eq!(parse_scopes("registry:other:* plugin:a:pull"), Ok(vec![]));
        let none = parse_scopes("repository:a/b:own").unwrap();
        assert!(matches!(&none[0], Access::Repository { actions: Actions::NONE, .. }));
        assert_eq!(parse_scopes("repository"), Err(ScopeError::Malformed));
        assert_eq!(parse_scopes(&"repository:a:pull ".repeat(65)), Err(ScopeError::TooMany));
    }
}
