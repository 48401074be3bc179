//! Manifest lists in the making: which manifests they name, kept in the configuration directory.
//!
//! ```text
//! manifests/LIST/MANIFEST    one JSON document each; `:` is written `-` and `/` is written `_`
//! ```
//!
//! Layout and documents are docker's, so that either program goes on where the other stopped.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use types::{Digest, Reference};

use crate::config::Directory;

const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Most that is read of one stored document; a registry's manifests have 4 MiB at most.
const MAX_FILE_LEN: u64 = 16 << 20;

/// Where an image runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Platform {
    /// `amd64`, ...
    pub architecture: String,
    /// `linux`, ...
    pub os: String,
    /// Windows only.
    #[serde(rename = "os.version", skip_serializing_if = "String::is_empty")]
    pub os_version: String,
    /// Windows only.
    #[serde(rename = "os.features", skip_serializing_if = "Vec::is_empty")]
    pub os_features: Vec<String>,
    /// `v7`, ...
    #[serde(skip_serializing_if = "String::is_empty")]
    pub variant: String,
}

/// What a list says of a manifest.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The manifest's media type.
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// Where its image runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
}

/// A manifest and what its list says of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Manifest {
    /// The name by which it was fetched.
    #[serde(rename = "Ref")]
    pub reference: String,
    /// What the list says.
    pub descriptor: Entry,
    /// Its bytes in base64.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    raw: String,
    #[serde(rename = "SchemaV2Manifest", default, skip_serializing_if = "Option::is_none")]
    docker: Option<Box<RawValue>>,
    #[serde(rename = "OCIManifest", default, skip_serializing_if = "Option::is_none")]
    oci: Option<Box<RawValue>>,
}

impl Manifest {
    /// A manifest as a registry gave it.
    ///
    /// # Errors
    /// When its bytes are no JSON.
    pub fn new(reference: &Reference, descriptor: Entry, bytes: &[u8]) -> anyhow::Result<Self> {
        let document: Box<RawValue> = serde_json::from_slice(bytes)?;
        let is_oci = descriptor.media_type == OCI_MANIFEST;
        let (docker, oci) = if is_oci { (None, Some(document)) } else { (Some(document), None) };
        let raw = STANDARD.encode(bytes);
        Ok(Self { reference: reference.to_string(), descriptor, raw, docker, oci })
    }

    /// Its bytes.
    ///
    /// # Errors
    /// When they do not have the digest that the list says.
    pub fn bytes(&self) -> anyhow::Result<Vec<u8>> {
        let document = self.docker.as_ref().or(self.oci.as_ref());
        let bytes = match (self.raw.as_str(), document) {
            ("", Some(document)) => document.get().as_bytes().to_vec(),
            ("", None) => bail!("{} has no payload", self.reference),
            (raw, _) => STANDARD.decode(raw).context("a stored manifest is damaged")?,
        };
        let found = digest(&bytes);
        let wanted = &self.descriptor.digest;
        if found != *wanted {
            bail!(
                "internal digest mismatch for {}: expected {wanted}, got {found}",
                self.reference
            );
        }
        Ok(bytes)
    }

    /// Its name.
    ///
    /// # Errors
    /// When the stored one is none.
    pub fn name(&self) -> anyhow::Result<Reference> {
        Ok(self.reference.parse()?)
    }
}

/// The lists of a configuration directory.
pub struct Store {
    root: PathBuf,
}

fn file_name(reference: &Reference) -> String {
    reference.to_string().replace(':', "-").replace('/', "_")
}

impl Store {
    /// The lists in `directory`.
    #[must_use]
    pub fn new(directory: &Directory) -> Self {
        Self { root: directory.path().join("manifests") }
    }

    fn dir(&self, list: &Reference) -> PathBuf {
        self.root.join(file_name(list))
    }

    /// One manifest of a list, `None` when the list does not have it.
    ///
    /// # Errors
    /// When its document cannot be read.
    pub fn get(&self, list: &Reference, name: &Reference) -> anyhow::Result<Option<Manifest>> {
        read(&self.dir(list).join(file_name(name)))
    }

    /// All manifests of a list in the order of their file names, `None` when there is no such list.
    ///
    /// # Errors
    /// When a document cannot be read.
    pub fn list(&self, list: &Reference) -> anyhow::Result<Option<Vec<Manifest>>> {
        let entries = match std::fs::read_dir(self.dir(list)) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            entries => entries.with_context(|| format!("cannot read the list {list}"))?,
        };
        let mut paths = entries
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<Vec<_>, _>>()
            .with_context(|| format!("cannot read the list {list}"))?;
        paths.sort();
        let all = paths.iter().map(|path| read(path)).collect::<anyhow::Result<Vec<_>>>()?;
        Ok(Some(all.into_iter().flatten().collect()))
    }

    /// Keeps a manifest of a list.
    ///
    /// # Errors
    /// What the system says.
    pub fn save(
        &self,
        list: &Reference,
        name: &Reference,
        manifest: &Manifest,
    ) -> anyhow::Result<()> {
        let path = self.dir(list).join(file_name(name));
        crate::config::write_private(&path, &serde_json::to_vec(manifest)?)
    }

    /// Forgets a list.
    ///
    /// # Errors
    /// What the system says.
    pub fn remove(&self, list: &Reference) -> anyhow::Result<()> {
        let dir = self.dir(list);
        std::fs::remove_dir_all(&dir).with_context(|| format!("cannot remove {}", dir.display()))
    }
}

fn read(path: &Path) -> anyhow::Result<Option<Manifest>> {
    use std::io::Read;
    let file = match std::fs::File::open(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        file => file.with_context(|| format!("cannot read {}", path.display()))?,
    };
    let mut bytes = Vec::new();
    file.take(MAX_FILE_LEN)
        .read_to_end(&mut bytes)
        .with_context(|| format!("cannot read {}", path.display()))?;
    let manifest = serde_json::from_slice(&bytes)
        .with_context(|| format!("cannot understand {}", path.display()))?;
    Ok(Some(manifest))
}

/// The digest of `bytes`.
#[must_use]
pub fn digest(bytes: &[u8]) -> Digest {
    Digest::from_sha256(&Sha256::digest(bytes).into())
}

/// The media type of a list: the first manifest's family decides.
#[must_use]
pub fn media_type(entries: &[&Entry]) -> &'static str {
    match entries.first() {
        Some(first) if first.media_type == OCI_MANIFEST => OCI_INDEX,
        _ => LIST,
    }
}

/// A list as it is pushed and shown: three blanks per level, as docker writes it.
///
/// # Errors
/// Never for the documents that are here.
pub fn document(entries: &[&Entry]) -> anyhow::Result<Vec<u8>> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Listed<'a> {
        media_type: &'a str,
        size: u64,
        digest: &'a Digest,
        platform: Platform,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct List<'a> {
        schema_version: u32,
        media_type: &'a str,
        manifests: Vec<Listed<'a>>,
    }
    let manifests = entries.iter().map(|entry| Listed {
        media_type: &entry.media_type,
        size: entry.size,
        digest: &entry.digest,
        platform: entry.platform.clone().unwrap_or_default(),
    });
    let media_type = media_type(entries);
    let list = List { schema_version: 2, media_type, manifests: manifests.collect() };
    let mut bytes = Vec::new();
    let blanks = serde_json::ser::PrettyFormatter::with_indent(b"   ");
    list.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, blanks))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_kept_and_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(&Directory::choose(&dir.path().to_string_lossy()));
        let list: Reference = "hub.example:5000/a/b:1".parse().unwrap();
        let name: Reference = "hub.example:5000/a/b:amd64".parse().unwrap();
        assert!(store.list(&list).unwrap().is_none());
        let bytes = br#"{"schemaVersion":2}"#;
        let descriptor = Entry {
            media_type: OCI_MANIFEST.to_owned(),
            digest: digest(bytes),
            size: 19,
            platform: None,
        };
        let mut manifest = Manifest::new(&name, descriptor, bytes).unwrap();
        store.save(&list, &name, &manifest).unwrap();
        assert!(dir.path().join("manifests/hub.example-5000_a_b-1").is_dir());
        let kept = store.get(&list, &name).unwrap().unwrap();
        assert_eq!(
            (kept.bytes().unwrap().as_slice(), kept.reference),
            (&bytes[..], name.to_string())
        );
        assert_eq!(store.list(&list).unwrap().unwrap().len(), 1);
        manifest.raw = STANDARD.encode("other");
        assert!(manifest.bytes().unwrap_err().to_string().contains("digest mismatch"));
        store.remove(&list).unwrap();
        assert!(store.get(&list, &name).unwrap().is_none());
    }
}
