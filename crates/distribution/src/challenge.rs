//! `WWW-Authenticate` (RFC 9110, section 11.6.1), as far as registries use it.

use std::collections::HashMap;

/// What a 401 asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// User name and password on every request.
    Basic,
    /// A token from `realm`.
    Bearer {
        /// Token server.
        realm: String,
        /// Its name for the registry.
        service: String,
        /// Scopes, when the registry names them.
        scope: Option<String>,
    },
}

/// Parses one header value: one scheme with its parameters. Bearer is preferred by the caller.
pub(crate) fn parse(value: &str) -> Option<Challenge> {
    let value = value.trim();
    let (scheme, rest) = value.split_once(char::is_whitespace).unwrap_or((value, ""));
    if scheme.eq_ignore_ascii_case("basic") {
        return Some(Challenge::Basic);
    }
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let mut parameters = parameters(rest);
    Some(Challenge::Bearer {
        realm: parameters.remove("realm")?,
        service: parameters.remove("service").unwrap_or_default(),
        scope: parameters.remove("scope").filter(|scope| !scope.is_empty()),
    })
}

fn parameters(text: &str) -> HashMap<String, String> {
    let mut found = HashMap::new();
    let mut rest = text;
    while let Some((name, after)) = rest.split_once('=') {
        let name = name.trim_matches(|c: char| c == ',' || c.is_whitespace()).to_lowercase();
        let (value, remaining) = value(after.trim_start());
        found.insert(name, value);
        rest = remaining;
    }
    found
}

/// Reads a token or a quoted string; returns it and what follows.
fn value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(',').unwrap_or(text.len());
        return (text[..end].trim().to_owned(), &text[end..]);
    };
    let mut out = String::new();
    let mut escaped = false;
    for (at, c) in quoted.char_indices() {
        match c {
            _ if escaped => {
                out.push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => return (out, &quoted[at + 1..]),
            _ => out.push(c),
        }
    }
    (out, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_bearer_with_commas_inside_quotes() {
        let text = r#"Bearer realm="https://auth.test/token?a=1",service="reg",scope="repository:x:pull,push""#;
        assert_eq!(
            parse(text),
            Some(Challenge::Bearer {
                realm: "https://auth.test/token?a=1".into(),
                service: "reg".into(),
                scope: Some("repository:x:pull,push".into()),
            })
        );
    }

    #[test]
    fn reads_basic_and_refuses_others() {
        assert_eq!(parse("Basic realm=\"x\""), Some(Challenge::Basic));
        assert_eq!(parse("basic"), Some(Challenge::Basic));
        assert_eq!(parse("Negotiate abc"), None);
        assert_eq!(parse("Bearer service=x"), None);
    }

    #[test]
    fn unfinished_quotes_end_with_the_text() {
        assert!(
            matches!(parse("Bearer realm=\"abc"), Some(Challenge::Bearer { realm, .. }) if realm == "abc")
        );
    }
}
