//! Which resource a path names. Repository names contain slashes, so paths are read from the end.

use http::Method;
use registry::{ManifestReference, RepositoryName, UploadId};
use types::Digest;

use crate::{
    answer::{Code, Failure},
    guard::{Action, Need},
};

/// A resource below `/v2/`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Base,
    Catalog,
    Tags(RepositoryName),
    Manifest(RepositoryName, ManifestReference),
    Blob(RepositoryName, Digest),
    Uploads(RepositoryName),
    Upload(RepositoryName, UploadId),
    Referrers(RepositoryName, Digest),
}

impl Route {
    /// Reads a path that begins with `/v2`.
    pub(crate) fn parse(path: &str) -> Result<Self, Failure> {
        let not_found = || Failure::new(Code::NotFound, "no such resource");
        let path = decode(path).ok_or_else(not_found)?;
        let rest = path.strip_prefix("/v2").ok_or_else(not_found)?;
        match rest {
            "" | "/" => return Ok(Self::Base),
            "/_catalog" => return Ok(Self::Catalog),
            _ => {}
        }
        let rest = rest.strip_prefix('/').ok_or_else(not_found)?;
        let (front, last) = rest.rsplit_once('/').ok_or_else(not_found)?;
        if let Some(name) = front.strip_suffix("/blobs/uploads") {
            return Self::upload(name, last);
        }
        let (name, kind) = front.rsplit_once('/').ok_or_else(not_found)?;
        match (kind, last) {
            ("tags", "list") => Ok(Self::Tags(repository(name)?)),
            // `POST .../blobs/uploads` without its slash: clients differ.
            ("blobs", "uploads") => Ok(Self::Uploads(repository(name)?)),
            ("blobs", digest) => Ok(Self::Blob(repository(name)?, parse_digest(digest)?)),
            ("referrers", digest) => Ok(Self::Referrers(repository(name)?, parse_digest(digest)?)),
            ("manifests", reference) => {
                Ok(Self::Manifest(repository(name)?, manifest_reference(reference)?))
            }
            _ => Err(not_found()),
        }
    }

    fn upload(name: &str, last: &str) -> Result<Self, Failure> {
        let name = repository(name)?;
        if last.is_empty() {
            return Ok(Self::Uploads(name));
        }
        let id = last.parse().map_err(|_| Failure::new(Code::UploadUnknown, "no such upload"))?;
        Ok(Self::Upload(name, id))
    }

    /// What a request for this resource needs.
    pub(crate) fn need(&self, method: &Method) -> Need {
        let of = |name: &RepositoryName, action| Need::Repository(name.clone(), action);
        let action = match *method {
            Method::GET | Method::HEAD => Action::Pull,
            Method::DELETE => Action::Delete,
            _ => Action::Push,
        };
        match self {
            Self::Base => Need::Base,
            Self::Catalog => Need::Catalog,
            // Whoever uploads may ask how far it is and give it up.
            Self::Uploads(name) | Self::Upload(name, _) => of(name, Action::Push),
            Self::Tags(name)
            | Self::Manifest(name, _)
            | Self::Blob(name, _)
            | Self::Referrers(name, _) => of(name, action),
        }
    }
}

fn repository(text: &str) -> Result<RepositoryName, Failure> {
    text.parse().map_err(|_| Failure::new(Code::NameInvalid, "invalid repository name"))
}

fn parse_digest(text: &str) -> Result<Digest, Failure> {
    text.parse().map_err(|_| Failure::new(Code::DigestInvalid, "invalid digest"))
}

fn manifest_reference(text: &str) -> Result<ManifestReference, Failure> {
    text.parse().map_err(|_| {
        let code = if text.contains(':') { Code::DigestInvalid } else { Code::TagInvalid };
        Failure::new(code, "invalid tag or digest")
    })
}

/// Undoes `%XX`; some clients write the colon of a digest so. What it yields is judged by the
/// grammars of names, so an encoded slash or dot gains nothing.
fn decode(path: &str) -> Option<String> {
    if !path.contains('%') {
        return Some(path.to_owned());
    }
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let high = char::from(rest.next()?).to_digit(16)?;
        let low = char::from(rest.next()?).to_digit(16)?;
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_names_with_slashes_and_awkward_components() {
        let hex = "a".repeat(64);
        let id = "b".repeat(32);
        let parsed = |path: &str| format!("{:?}", Route::parse(path).unwrap());
        assert_eq!(parsed("/v2"), "Base");
        assert_eq!(parsed("/v2/"), "Base");
        assert_eq!(parsed("/v2/_catalog"), "Catalog");
        assert_eq!(parsed("/v2/a/b/c/tags/list"), "Tags(a/b/c)");
        assert_eq!(parsed("/v2/tags/tags/list"), "Tags(tags)");
        assert_eq!(parsed(&format!("/v2/a/blobs/sha256:{hex}")), format!("Blob(a, sha256:{hex})"));
        assert_eq!(
            parsed(&format!("/v2/a/blobs/sha256%3A{hex}")),
            format!("Blob(a, sha256:{hex})")
        );
        assert_eq!(parsed("/v2/a/blobs/blobs/uploads/"), "Uploads(a/blobs)");
        assert_eq!(parsed("/v2/a/blobs/uploads"), "Uploads(a)");
        assert_eq!(parsed(&format!("/v2/a/blobs/uploads/{id}")), format!("Upload(a, {id})"));
    }

    #[test]
    fn refuses_traversal_in_every_disguise() {
        for path in [
            "/v2/../etc/tags/list",
            "/v2/a/../b/tags/list",
            "/v2/a%2f..%2f..%2fetc/tags/list",
            "/v2/%2e%2e/tags/list",
            "/v2/a/blobs/../../etc/passwd",
            "/v2/a/blobs/sha256:../../../etc/passwd",
            "/v2/a/blobs/uploads/../../../../etc/passwd",
            "/v2/a/blobs/uploads/..%2f..",
            "/v2/a/manifests/..",
            "/v2/a/manifests/%00",
            "/v2//tags/list",
            "/v2/a/unknown/x",
            "/v2x/a/tags/list",
            "/v2/a%zz/tags/list",
        ] {
            assert!(Route::parse(path).is_err(), "{path}");
        }
    }
}
