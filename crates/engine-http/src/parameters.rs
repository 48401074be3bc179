//! Query parameters with Go's rules.

use std::{convert::Infallible, str::FromStr};

use axum::extract::{FromRequestParts, Query};
use engine_api::descriptor::Platform;
use http::request::Parts;
use types::Reference;

use crate::{ApiError, Filters, Timestamp, backend::TerminalSize};
use types::Signal;

/// The query of a request; a name may come several times, the first one counts.
#[derive(Debug, Clone, Default)]
pub struct Parameters(Vec<(String, String)>);

impl<S: Sync> FromRequestParts<S> for Parameters {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
            .map(|Query(pairs)| Self(pairs))
            .map_err(|error| ApiError::invalid(error.body_text()))
    }
}

impl Parameters {
    /// The first value, empty if there is none.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// The first value, unless it is missing or empty.
    #[must_use]
    pub fn given(&self, name: &str) -> Option<&str> {
        Some(self.text(name)).filter(|text| !text.is_empty())
    }

    /// All values.
    #[must_use]
    pub fn all(&self, name: &str) -> Vec<String> {
        self.0.iter().filter(|(key, _)| key == name).map(|(_, value)| value.clone()).collect()
    }

    /// Whether the name is there, with or without a value.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key == name)
    }

    /// A flag: off for nothing, `0`, `no`, `false`, `none`; on for everything else.
    #[must_use]
    pub fn flag(&self, name: &str) -> bool {
        let word = self.text(name).trim().to_ascii_lowercase();
        !matches!(word.as_str(), "" | "0" | "no" | "false" | "none")
    }

    /// A flag that is on when its name is missing.
    #[must_use]
    pub fn flag_default_on(&self, name: &str) -> bool {
        !self.has(name) || self.flag(name)
    }

    /// A number, `None` if missing or empty.
    ///
    /// # Errors
    /// 400 with the text of Go's `strconv`.
    pub fn number<T: FromStr>(&self, name: &str) -> Result<Option<T>, ApiError> {
        let parse = |text: &str| {
            text.parse().map_err(|_| {
                ApiError::invalid(format!("strconv.Atoi: parsing {text:?}: invalid syntax"))
            })
        };
        self.given(name).map(parse).transpose()
    }

    /// The `filters` parameter.
    ///
    /// # Errors
    /// 400 when it has neither of the two forms.
    pub fn filters(&self) -> Result<Filters, ApiError> {
        Filters::parse(self.text("filters"))
    }

    /// A point in time, `None` if missing or empty.
    ///
    /// # Errors
    /// 400 with `invalid value for "NAME": ..`.
    pub fn timestamp(&self, name: &str) -> Result<Option<Timestamp>, ApiError> {
        let parse = |text: &str| {
            text.parse::<Timestamp>()
                .map_err(|error| ApiError::invalid(format!("invalid value for {name:?}: {error}")))
        };
        self.given(name).map(parse).transpose()
    }

    /// A signal, `None` if missing or empty.
    ///
    /// # Errors
    /// 400 with `invalid signal: ..`.
    pub fn signal(&self, name: &str) -> Result<Option<Signal>, ApiError> {
        Ok(self.given(name).map(str::parse).transpose()?)
    }

    /// The size of a terminal from `h` and `w`.
    ///
    /// # Errors
    /// 400 when one is missing or no number.
    pub fn terminal_size(&self) -> Result<TerminalSize, ApiError> {
        let side = |name: &str, word: &str| {
            let text = self.text(name);
            let cause = if text.is_empty() || text.starts_with('+') || !is_number(text) {
                "invalid syntax"
            } else {
                "value out of range"
            };
            let is_plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            text.parse::<u32>().ok().filter(|_| is_plain).ok_or_else(|| {
                ApiError::invalid(format!("invalid resize {word} {text:?}: {cause}"))
            })
        };
        Ok(TerminalSize { height: side("h", "height")?, width: side("w", "width")? })
    }

    /// A name with an optional tag from `repo` and `tag`; `latest` is added.
    ///
    /// # Errors
    /// 400 when it is no valid reference, or has a digest.
    pub fn repo_and_tag(&self) -> Result<Option<Reference>, ApiError> {
        let Some(repo) = self.given("repo") else { return Ok(None) };
        let reference = reference(repo)?;
        if reference.digest().is_some() {
            return Err(ApiError::invalid("cannot import digest reference"));
        }
        match self.given("tag") {
            Some(tag) => Ok(Some(reference.with_tag(tag).map_err(invalid)?)),
            None => Ok(Some(reference.with_default_tag())),
        }
    }

    /// Platforms as JSON documents (`platform` since 1.48, `platforms`).
    ///
    /// # Errors
    /// 400 when one is no such document or lacks `os` or `architecture`.
    pub fn platform_documents(&self, name: &str) -> Result<Vec<Platform>, ApiError> {
        self.all(name).iter().filter(|text| !text.is_empty()).map(|text| document(text)).collect()
    }

    /// One platform as `os[/arch[/variant]]`.
    ///
    /// # Errors
    /// 400 when it is neither.
    pub fn platform_path(&self, name: &str) -> Result<Option<Platform>, ApiError> {
        self.given(name).map(platform_path).transpose()
    }
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}

fn invalid(error: impl std::fmt::Display) -> ApiError {
    ApiError::invalid(error.to_string())
}

/// Parses an image reference.
///
/// # Errors
/// 400 with the reference grammar's text.
pub fn reference(text: &str) -> Result<Reference, ApiError> {
    text.parse().map_err(invalid)
}

fn document(text: &str) -> Result<Platform, ApiError> {
    let platform: Platform = engine_api::from_slice(text.as_bytes())
        .map_err(|error| ApiError::invalid(format!("failed to parse platform: {error}")))?;
    match (platform.os.is_empty(), platform.architecture.is_empty()) {
        (false, false) => Ok(platform),
        (true, true) if platform != Platform::default() => Err(ApiError::invalid(
            "optional platform fields provided, but OS and Architecture are missing",
        )),
        _ => Err(ApiError::invalid("both OS and Architecture must be provided")),
    }
}

/// Architectures that a platform of one word may name.
const ARCHITECTURES: &[&str] = &[
    "386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64",
    "ppc64le", "riscv64", "s390x", "sparc64", "wasm",
];

fn platform_path(text: &str) -> Result<Platform, ApiError> {
    let is_word = |part: &&str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-()".contains(&b))
    };
    let parts: Vec<&str> = text.split('/').collect();
    if parts.len() > 3 || !parts.iter().all(is_word) {
        let bad = parts.iter().find(|part| !is_word(part)).unwrap_or(&text);
        return Err(ApiError::invalid(format!(
            "{bad:?} is an invalid OS component of {text:?}: platform specifier component must \
             match \"^[A-Za-z0-9_.-]+$\""
        )));
    }
    let is_arch = |word: &str| ARCHITECTURES.contains(&architecture(word));
    let lower = |part: &&str| part.to_ascii_lowercase();
    let is_os = |part: &str| {
        matches!(part, "linux" | "windows" | "freebsd" | "darwin" | "macos" | "wasip1")
    };
    let part = |index: usize| parts.get(index).map(lower).unwrap_or_default();
    let host = || architecture(std::env::consts::ARCH).to_owned();
    Ok(match parts.len() {
        // One word is either an operating system or an architecture of the host's one.
        1 if is_os(&part(0)) => {
            Platform { os: part(0), architecture: host(), ..Platform::default() }
        }
        1 if !is_arch(&part(0)) => {
            return Err(ApiError::invalid(format!(
                "{text:?}: unknown operating system or architecture"
            )));
        }
        1 => Platform {
            os: "linux".to_owned(),
            architecture: architecture(&part(0)).to_owned(),
            ..Platform::default()
        },
        _ => Platform {
            os: part(0),
            architecture: architecture(&part(1)).to_owned(),
            variant: part(2),
            ..Platform::default()
        },
    })
}

/// The OCI name of an architecture that is also known otherwise.
fn architecture(name: &str) -> &str {
    match name {
        "x86_64" | "x86-64" => "amd64",
        "aarch64" => "arm64",
        "i386" | "i686" => "386",
        "armhf" => "arm",
        other => other,
    }
}

/// The path of an object: `/containers/%2Fname/json` names `name`.
#[derive(Debug, Clone)]
pub struct ObjectName(pub String);

impl<S: Send + Sync> FromRequestParts<S> for ObjectName {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        // Two parts are the name that a link gives: `PARENT/ALIAS`.
        let path = axum::extract::Path::<Vec<String>>::from_request_parts(parts, state).await;
        let name = path.map(|axum::extract::Path(parts)| parts.join("/")).unwrap_or_default();
        Ok(Self(name.trim_start_matches('/').to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(query: &str) -> Parameters {
        let uri = format!("http://x/?{query}").parse().unwrap();
        Parameters(Query::<Vec<(String, String)>>::try_from_uri(&uri).unwrap().0)
    }

    #[test]
    fn flags_follow_dockers_words() {
        for off in ["a=", "a=0", "a=false", "a=False", "a=no", "a=%20none%20", "b=1", "a"] {
            assert!(!parameters(off).flag("a"), "{off}");
        }
        for on in ["a=1", "a=true", "a=yes", "a=whatever"] {
            assert!(parameters(on).flag("a"), "{on}");
        }
        assert!(parameters("").flag_default_on("stream"));
        assert!(!parameters("stream=").flag_default_on("stream"));
    }

    #[test]
    fn numbers_fail_with_gos_text() {
        assert_eq!(parameters("t=5").number::<i64>("t").unwrap(), Some(5));
        assert_eq!(parameters("t=").number::<i64>("t").unwrap(), None);
        let error = parameters("t=x").number::<i64>("t").unwrap_err();
        assert_eq!(error.message, "strconv.Atoi: parsing \"x\": invalid syntax");
    }

    #[test]
    fn a_terminal_size_needs_both_sides() {
        let size = parameters("h=24&w=80").terminal_size().unwrap();
        assert_eq!((size.height, size.width), (24, 80));
        let message = |query| parameters(query).terminal_size().unwrap_err().message;
        assert_eq!(message("w=80"), "invalid resize height \"\": invalid syntax");
        assert_eq!(message("h=1&w=-1"), "invalid resize width \"-1\": value out of range");
        assert_eq!(message("h=1&w=x"), "invalid resize width \"x\": invalid syntax");
    }

    #[test]
    fn repo_and_tag_make_a_reference() {
        let text = |query: &str| {
            parameters(query).repo_and_tag().map(|r| r.map(|r| r.familiar())).map_err(|e| e.status)
        };
        assert_eq!(text("").unwrap(), None);
        assert_eq!(text("repo=a").unwrap().as_deref(), Some("a:latest"));
        assert_eq!(text("repo=a:b&tag=c").unwrap().as_deref(), Some("a:c"));
        assert!(text("repo=A").is_err());
        assert!(text("repo=a&tag=/").is_err());
    }

    #[test]
    fn platforms_in_both_forms() {
        let path = |text: &str| platform_path(text).map(|p| (p.os, p.architecture, p.variant)).ok();
        let triple = |a: &str, b: &str, c: &str| Some((a.to_owned(), b.to_owned(), c.to_owned()));
        assert_eq!(path("linux/aarch64"), triple("linux", "arm64", ""));
        assert_eq!(path("arm64"), triple("linux", "arm64", ""));
        assert_eq!(path("linux/arm/v7"), triple("linux", "arm", "v7"));
        assert_eq!(path("a/b/c/d"), None);
        assert_eq!(path("linux//x"), None);
        assert_eq!(path("nintendo64"), None);
        assert_eq!(path("   "), None);
        assert!(document(r#"{"os":"linux","architecture":"arm"}"#).is_ok());
        assert!(document(r#"{"os":"linux"}"#).is_err());
        assert!(document("{").is_err());
    }
}
