//! Manifests, their tags and their referrers.

use std::collections::BTreeMap;

use bytes::Bytes;
use sha2::{Digest as _, Sha256, Sha512};
use types::{Digest, digest::Algorithm};

use super::Registry;
use crate::{
    CatalogError, ManifestReference, RegistryError, RepositoryName,
    catalog::{Deletion, ManifestRow, NewManifest, Page, Put, ReferrerRow},
    manifest::ParsedManifest,
};

/// A manifest to store.
#[derive(Debug)]
pub struct PutManifest<'a> {
    /// Under which name.
    pub reference: &'a ManifestReference,
    /// The request's content type.
    pub content_type: Option<&'a str>,
    /// The bytes.
    pub content: Bytes,
}

/// Where a manifest went.
#[derive(Debug, PartialEq, Eq)]
pub struct StoredManifest {
    /// Its digest.
    pub digest: Digest,
    /// What it is about.
    pub subject: Option<Digest>,
}

/// Which referrers to list.
#[derive(Debug)]
pub struct ReferrerQuery<'a> {
    /// What they are about.
    pub subject: &'a Digest,
    /// Only this type.
    pub artifact_type: Option<&'a str>,
    /// Which part of the list.
    pub page: Page<'a>,
}

/// A manifest that names another as its subject.
#[derive(Debug, PartialEq, Eq)]
pub struct Referrer {
    /// The manifest.
    pub manifest: ManifestRow,
    /// Its artifact type.
    pub artifact_type: Option<String>,
    /// Its annotations.
    pub annotations: Option<BTreeMap<String, String>>,
}

impl Registry {
    /// Stores a manifest whose blobs and children the repository has.
    ///
    /// # Errors
    /// [`RegistryError::ManifestInvalid`], [`RegistryError::ManifestBlobUnknown`],
    /// [`RegistryError::ManifestChildUnknown`], [`RegistryError::DigestMismatch`].
    pub async fn put_manifest(
        &self,
        name: &RepositoryName,
        put: PutManifest<'_>,
    ) -> Result<StoredManifest, RegistryError> {
        let parsed = ParsedManifest::parse(&put.content, put.content_type)?;
        let digest = digest_for(put.reference, &put.content)?;
        let annotations = parsed.annotations.as_ref().map(annotations_text).transpose()?;
        let new = NewManifest {
            digest: &digest,
            media_type: &parsed.media_type,
            content: &put.content,
            blobs: parsed.blobs.iter().collect(),
            children: parsed.children.iter().collect(),
            subject: parsed.subject.as_ref(),
            artifact_type: parsed.artifact_type.as_deref(),
            annotations,
            tag: match put.reference {
                ManifestReference::Tag(tag) => Some(tag),
                ManifestReference::Digest(_) => None,
            },
        };
        match self.catalog.put_manifest(self.target(name), new).await? {
            Put::Done => Ok(StoredManifest { digest, subject: parsed.subject }),
            Put::BlobMissing(digest) => Err(RegistryError::ManifestBlobUnknown { digest }),
            Put::ChildMissing(digest) => Err(RegistryError::ManifestChildUnknown { digest }),
        }
    }

    /// Finds a manifest.
    ///
    /// # Errors
    /// [`RegistryError::ManifestUnknown`].
    pub async fn manifest(
        &self,
        name: &RepositoryName,
        reference: &ManifestReference,
    ) -> Result<ManifestRow, RegistryError> {
        let found = self.catalog.manifest(name, reference).await?;
        found.ok_or_else(|| RegistryError::ManifestUnknown { reference: reference.clone() })
    }

    /// Finds a manifest and reads it.
    ///
    /// # Errors
    /// [`RegistryError::ManifestUnknown`].
    pub async fn manifest_content(
        &self,
        name: &RepositoryName,
        reference: &ManifestReference,
    ) -> Result<(ManifestRow, Bytes), RegistryError> {
        let row = self.manifest(name, reference).await?;
        // Deleted between the two reads: as if it had been deleted before both.
        let content = self.catalog.manifest_content(&row.digest).await?;
        let unknown = || RegistryError::ManifestUnknown { reference: reference.clone() };
        Ok((row, content.ok_or_else(unknown)?))
    }

    /// Deletes a tag, or a manifest with all its tags.
    ///
    /// # Errors
    /// [`RegistryError::ManifestUnknown`], [`RegistryError::ManifestInUse`].
    pub async fn delete_manifest(
        &self,
        name: &RepositoryName,
        reference: &ManifestReference,
    ) -> Result<(), RegistryError> {
        let deletion = match reference {
            ManifestReference::Tag(tag) if self.catalog.delete_tag(name, tag).await? => {
                Deletion::Done
            }
            ManifestReference::Tag(_) => Deletion::NotFound,
            ManifestReference::Digest(digest) => self.catalog.delete_manifest(name, digest).await?,
        };
        match (deletion, reference) {
            (Deletion::Done, _) => Ok(()),
            (Deletion::InUse, ManifestReference::Digest(digest)) => {
                Err(RegistryError::ManifestInUse { digest: digest.clone() })
            }
            _ => Err(RegistryError::ManifestUnknown { reference: reference.clone() }),
        }
    }

    /// Lists the manifests about a subject, by digest.
    ///
    /// # Errors
    /// [`RegistryError::Catalog`].
    pub async fn referrers(
        &self,
        name: &RepositoryName,
        query: ReferrerQuery<'_>,
    ) -> Result<Vec<Referrer>, RegistryError> {
        let ReferrerQuery { subject, artifact_type, page } = query;
        let rows = self.catalog.referrers(name, subject, artifact_type, page).await?;
        rows.into_iter().map(referrer).collect()
    }
}

fn referrer(row: ReferrerRow) -> Result<Referrer, RegistryError> {
    let annotations = row.annotations.map(|text| {
        serde_json::from_str(&text)
            .map_err(|_| CatalogError::Damaged { what: "annotations", value: text })
    });
    Ok(Referrer {
        manifest: row.manifest,
        artifact_type: row.artifact_type,
        annotations: annotations.transpose()?,
    })
}

fn annotations_text(annotations: &BTreeMap<String, String>) -> Result<String, RegistryError> {
    let text = serde_json::to_string(annotations);
    text.map_err(|error| RegistryError::ManifestInvalid(error.into()))
}

/// The digest to store the content under: the one asked for, verified, or SHA-256.
fn digest_for(reference: &ManifestReference, content: &[u8]) -> Result<Digest, RegistryError> {
    let ManifestReference::Digest(expected) = reference else {
        return Ok(Digest::from_sha256(&Sha256::digest(content).into()));
    };
    let hex = match expected.algorithm() {
        Algorithm::Sha256 => hex::encode(Sha256::digest(content)),
        Algorithm::Sha512 => hex::encode(Sha512::digest(content)),
    };
    if hex == expected.hex() {
        return Ok(expected.clone());
    }
    Err(RegistryError::DigestMismatch { expected: expected.clone() })
}
