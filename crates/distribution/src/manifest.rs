//! Manifests as they come: verified, of a known kind, and kept byte for byte.

use bytes::Bytes;
use oci::{image::Descriptor, media_type as media};
use sha2::{Digest as _, Sha256, Sha512};
use types::{Digest, Reference, digest::Algorithm};

use crate::DistributionError;

/// A manifest or index as it came.
#[derive(Debug, Clone)]
pub struct RawManifest {
    /// Its media type, digest and length.
    pub descriptor: Descriptor,
    /// Byte for byte.
    pub bytes: Bytes,
}

/// Computes a digest with the algorithm of another one.
pub(crate) fn digest_like(algorithm: Algorithm, bytes: &[u8]) -> Digest {
    match algorithm {
        Algorithm::Sha256 => Digest::from_sha256(&Sha256::digest(bytes).into()),
        Algorithm::Sha512 => {
            let hex: String =
                Sha512::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
            format!("sha512:{hex}").parse().expect("128 hexadecimal characters are a digest")
        }
    }
}

pub(crate) fn raw_manifest(
    bytes: Bytes,
    declared: &str,
    reference: &Reference,
) -> Result<RawManifest, DistributionError> {
    let algorithm = reference.digest().map_or(Algorithm::Sha256, Digest::algorithm);
    let digest = digest_like(algorithm, &bytes);
    if let Some(expected) = reference.digest().filter(|expected| **expected != digest) {
        return Err(DistributionError::DigestMismatch {
            expected: expected.clone(),
            actual: digest,
        });
    }
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Kind {
        media_type: Option<String>,
    }
    let kind: Kind = serde_json::from_slice(&bytes)
        .map_err(|source| DistributionError::Malformed { what: "manifest", source })?;
    // The document's own word is covered by the digest, the header's is not.
    let media_type = kind.media_type.unwrap_or_else(|| declared.to_owned());
    if !media::is_manifest(&media_type) && !media::is_index(&media_type) {
        return Err(DistributionError::MediaType { media_type, reference: reference.familiar() });
    }
    let descriptor = Descriptor {
        media_type,
        digest,
        size: bytes.len() as u64,
        urls: None,
        annotations: None,
        platform: None,
        artifact_type: None,
    };
    Ok(RawManifest { descriptor, bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_are_checked_against_the_digest_asked_for() {
        let bytes = Bytes::from(format!("{{\"mediaType\":\"{}\"}}", media::OCI_MANIFEST));
        let tagged: Reference = "x:1".parse().unwrap();
        let raw = raw_manifest(bytes.clone(), "text/plain", &tagged).unwrap();
        let pinned = tagged.with_digest(raw.descriptor.digest.clone());
        assert!(raw_manifest(bytes.clone(), "", &pinned).is_ok());
        let other = tagged.with_digest(Digest::from_sha256(&[0; 32]));
        let error = raw_manifest(bytes, "", &other).unwrap_err();
        assert!(matches!(error, DistributionError::DigestMismatch { .. }));
    }

    #[test]
    fn unknown_kinds_are_refused() {
        let tagged: Reference = "x:1".parse().unwrap();
        let signed = "application/vnd.docker.distribution.manifest.v1+prettyjws";
        let error = raw_manifest(Bytes::from_static(b"{}"), signed, &tagged).unwrap_err();
        assert!(matches!(error, DistributionError::MediaType { .. }), "{error}");
    }
}
