//! Reading a pushed manifest: what it is and what it needs.
//!
//! The bytes themselves are stored and served unchanged; nothing is ever re-serialised.

use std::collections::{BTreeMap, BTreeSet};

use oci::{
    image::{Descriptor, Index, Manifest},
    media_type,
};
use serde::Deserialize;
use types::Digest;

/// The largest manifest, the limit that the specification asks registries to accept.
pub const MAX_MANIFEST_BYTES: usize = 4 * 1024 * 1024;

/// Media types whose blobs registries do not hold.
const FOREIGN: [&str; 4] = [
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
];

/// Why bytes are not a manifest.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Too many bytes.
    #[error("manifest is larger than {MAX_MANIFEST_BYTES} bytes")]
    TooLarge,
    /// Neither an image manifest nor an index.
    #[error("media type {0:?} is not a manifest's")]
    MediaType(String),
    /// The header and the document disagree.
    #[error("content type {header:?} differs from the document's media type {document:?}")]
    MediaTypeMismatch {
        /// Of the request.
        header: String,
        /// In the document.
        document: String,
    },
    /// Only version 2 is accepted.
    #[error("schema version {0} is not supported")]
    SchemaVersion(u32),
    /// Both an index and an image.
    #[error("document has both layers and manifests")]
    Ambiguous,
    /// Not JSON, or not of the shape.
    #[error("not a manifest document")]
    Json(#[from] serde_json::Error),
}

/// What the registry needs to know of a manifest.
#[derive(Debug)]
pub(crate) struct ParsedManifest {
    pub(crate) media_type: String,
    pub(crate) blobs: BTreeSet<Digest>,
    pub(crate) children: BTreeSet<Digest>,
    pub(crate) subject: Option<Digest>,
    pub(crate) artifact_type: Option<String>,
    pub(crate) annotations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outline {
    schema_version: u32,
    media_type: Option<String>,
    layers: Option<serde::de::IgnoredAny>,
    manifests: Option<serde::de::IgnoredAny>,
}

impl ParsedManifest {
    /// Reads `content`, declared as `content_type` where the request says so.
    pub(crate) fn parse(content: &[u8], content_type: Option<&str>) -> Result<Self, ManifestError> {
        if content.len() > MAX_MANIFEST_BYTES {
            return Err(ManifestError::TooLarge);
        }
        let outline: Outline = serde_json::from_slice(content)?;
        let media_type = decide_media_type(&outline, content_type)?;
        if outline.schema_version != 2 {
            return Err(ManifestError::SchemaVersion(outline.schema_version));
        }
        // A document that two clients could read as two things is refused (CVE-2021-41190).
        if outline.layers.is_some() && outline.manifests.is_some() {
            return Err(ManifestError::Ambiguous);
        }
        if media_type::is_index(&media_type) {
            Ok(Self::of_index(media_type, serde_json::from_slice(content)?))
        } else {
            Ok(Self::of_image(media_type, serde_json::from_slice(content)?))
        }
    }

    fn of_image(media_type: String, manifest: Manifest) -> Self {
        let config_type = manifest.config.media_type.clone();
        let needed = std::iter::once(manifest.config).chain(manifest.layers).filter(is_held_here);
        Self {
            media_type,
            blobs: needed.map(|descriptor| descriptor.digest).collect(),
            children: BTreeSet::new(),
            subject: manifest.subject.map(|subject| subject.digest),
            artifact_type: manifest.artifact_type.or(Some(config_type)),
            annotations: manifest.annotations,
        }
    }

    fn of_index(media_type: String, index: Index) -> Self {
        let (children, blobs): (Vec<_>, Vec<_>) = index
            .manifests
            .into_iter()
            .filter(is_held_here)
            .partition(|d| is_manifest_type(&d.media_type));
        Self {
            media_type,
            blobs: blobs.into_iter().map(|d| d.digest).collect(),
            children: children.into_iter().map(|d| d.digest).collect(),
            subject: index.subject.map(|subject| subject.digest),
            artifact_type: index.artifact_type,
            annotations: index.annotations,
        }
    }
}

fn is_held_here(descriptor: &Descriptor) -> bool {
    !FOREIGN.contains(&descriptor.media_type.as_str())
}

fn is_manifest_type(text: &str) -> bool {
    media_type::is_index(text) || media_type::is_manifest(text)
}

fn decide_media_type(outline: &Outline, header: Option<&str>) -> Result<String, ManifestError> {
    // Parameters such as `charset` say nothing here.
    let header = header.map(|text| text.split(';').next().unwrap_or(text).trim());
    let decided = match (header, &outline.media_type) {
        (Some(header), Some(document)) if header != document => {
            return Err(ManifestError::MediaTypeMismatch {
                header: header.to_owned(),
                document: document.clone(),
            });
        }
        (_, Some(document)) => document.clone(),
        (Some(header), None) => header.to_owned(),
        (None, None) if outline.manifests.is_some() => media_type::OCI_INDEX.to_owned(),
        (None, None) => media_type::OCI_MANIFEST.to_owned(),
    };
    if is_manifest_type(&decided) { Ok(decided) } else { Err(ManifestError::MediaType(decided)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(extra: &str) -> String {
        let digest = format!("sha256:{}", "a".repeat(64));
        format!(
            r#"{{"schemaVersion":2,"config":{{"mediaType":"t","digest":"{digest}","size":1}},
               "layers":[]{extra}}}"#
        )
    }

    #[test]
    fn takes_the_type_from_header_or_document() {
        let parsed = ParsedManifest::parse(image("").as_bytes(), None).unwrap();
        assert_eq!(parsed.media_type, media_type::OCI_MANIFEST);
        assert_eq!(parsed.artifact_type.as_deref(), Some("t"));
        let header = Some("application/vnd.docker.distribution.manifest.v2+json; charset=utf-8");
        let parsed = ParsedManifest::parse(image("").as_bytes(), header).unwrap();
        assert_eq!(parsed.media_type, media_type::DOCKER_MANIFEST);
    }

    #[test]
    fn refuses_what_is_no_manifest() {
        let parse = |text: &str, t| ParsedManifest::parse(text.as_bytes(), t);
        assert!(matches!(parse("[", None), Err(ManifestError::Json(_))));
        assert!(matches!(parse("{}", None), Err(ManifestError::Json(_))));
        assert!(matches!(parse(&image(""), Some("text/plain")), Err(ManifestError::MediaType(_))));
        assert!(matches!(parse(&image(r#","manifests":[]"#), None), Err(ManifestError::Ambiguous)));
        assert!(matches!(
            parse(&image(r#","mediaType":"x""#), Some(media_type::OCI_MANIFEST)),
            Err(ManifestError::MediaTypeMismatch { .. })
        ));
        let old = image("").replace(":2", ":1");
        assert!(matches!(parse(&old, None), Err(ManifestError::SchemaVersion(1))));
        let big = " ".repeat(MAX_MANIFEST_BYTES + 1);
        assert!(matches!(parse(&big, None), Err(ManifestError::TooLarge)));
    }
}
