//! Contexts: named engines. `contexts/meta/SHA256(NAME)/meta.json`, TLS files in
//! `contexts/tls/SHA256(NAME)/docker/{ca,cert,key}.pem`.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use client::{TlsFiles, Verification};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::file::{Directory, write_private};

/// The context that is not stored: what flags and environment say.
pub const DEFAULT_CONTEXT: &str = "default";
const ENDPOINT: &str = "docker";

/// A stored context.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Context {
    /// Name.
    pub name: String,
    /// Free values; `Description` is one.
    pub metadata: Map<String, Value>,
    /// Endpoints by kind.
    pub endpoints: BTreeMap<String, EndpointMeta>,
}

/// Where a context's engine is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct EndpointMeta {
    /// Address.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub host: String,
    /// Whether the engine's certificate is not checked.
    #[serde(rename = "SkipTLSVerify")]
    pub skip_tls_verify: bool,
}

impl Context {
    /// Its description.
    #[must_use]
    pub fn description(&self) -> &str {
        self.metadata.get("Description").and_then(Value::as_str).unwrap_or("")
    }

    /// Its engine's address.
    #[must_use]
    pub fn host(&self) -> &str {
        self.endpoints.get(ENDPOINT).map_or("", |endpoint| endpoint.host.as_str())
    }
}

/// The contexts of a configuration directory.
pub struct ContextStore {
    root: PathBuf,
}

fn hash(name: &str) -> String {
    Sha256::digest(name.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Checks a name that becomes a context.
pub(crate) fn check_name(name: &str) -> anyhow::Result<()> {
    let mut chars = name.chars();
    let is_valid = chars.next().is_some_and(|c| c.is_ascii_alphanumeric())
        && name.len() > 1
        && chars.all(|c| c.is_ascii_alphanumeric() || "_.+-".contains(c));
    if name.is_empty() {
        bail!("context name cannot be empty");
    }
    if name == DEFAULT_CONTEXT {
        bail!("\"default\" is a reserved context name");
    }
    if !is_valid {
        bail!(
            "context name {name:?} is invalid, names are validated against regexp \"^[a-zA-Z0-9][a-zA-Z0-9_.+-]+$\""
        );
    }
    Ok(())
}

impl ContextStore {
    /// The contexts in `directory`.
    #[must_use]
    pub fn new(directory: &Directory) -> Self {
        Self { root: directory.path().join("contexts") }
    }

    /// Where a context's document is.
    #[must_use]
    pub fn meta_dir(&self, name: &str) -> PathBuf {
        self.root.join("meta").join(hash(name))
    }

    /// Where a context's TLS files are.
    #[must_use]
    pub fn tls_dir(&self, name: &str) -> PathBuf {
        self.root.join("tls").join(hash(name))
    }

    /// One context.
    ///
    /// # Errors
    /// When there is none of that name or its document cannot be read.
    pub fn get(&self, name: &str) -> anyhow::Result<Context> {
        let path = self.meta_dir(name).join("meta.json");
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .with_context(|| format!("cannot read {}", path.display())),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => bail!(
                "context {name:?}: context not found: open {}: no such file or directory",
                path.display()
            ),
            Err(e) => Err(e).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Whether there is one of that name.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.meta_dir(name).join("meta.json").exists()
    }

    /// All contexts by name.
    ///
    /// # Errors
    /// When a document cannot be read.
    pub fn list(&self) -> anyhow::Result<Vec<Context>> {
        let mut all = Vec::new();
        let Ok(entries) = std::fs::read_dir(self.root.join("meta")) else { return Ok(all) };
        for entry in entries {
            let path = entry.context("cannot list contexts")?.path().join("meta.json");
            let Ok(bytes) = std::fs::read(&path) else { continue };
            let context: Context = serde_json::from_slice(&bytes)
                .with_context(|| format!("cannot read {}", path.display()))?;
            all.push(context);
        }
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    /// Writes a context.
    ///
    /// # Errors
    /// What the system says.
    pub fn save(&self, context: &Context) -> anyhow::Result<()> {
        let path = self.meta_dir(&context.name).join("meta.json");
        write_private(&path, &serde_json::to_vec(context)?)
    }

    /// Writes a context's TLS files, `ENDPOINT/FILE`; those it had go.
    ///
    /// # Errors
    /// What the system says.
    pub fn save_tls(&self, name: &str, files: &[(String, Vec<u8>)]) -> anyhow::Result<()> {
        let dir = self.tls_dir(name);
        remove_dir(&dir)?;
        for (file, bytes) in files {
            write_private(&dir.join(file), bytes)?;
        }
        Ok(())
    }

    /// Removes a context and its files.
    ///
    /// # Errors
    /// What the system says.
    pub fn remove(&self, name: &str) -> anyhow::Result<()> {
        remove_dir(&self.meta_dir(name))?;
        remove_dir(&self.tls_dir(name))
    }

    /// The TLS files of a context, `None` when it has none.
    #[must_use]
    pub fn tls(&self, context: &Context) -> Option<TlsFiles> {
        let dir = self.tls_dir(&context.name).join(ENDPOINT);
        let file = |name: &str| Some(dir.join(name)).filter(|path| path.exists());
        let skip = context.endpoints.get(ENDPOINT).is_some_and(|e| e.skip_tls_verify);
        let files = TlsFiles {
            ca: file("ca.pem"),
            cert: file("cert.pem"),
            key: file("key.pem"),
            verification: if skip { Verification::None } else { Verification::Full },
        };
        let has_any = files.ca.is_some() || files.cert.is_some() || files.key.is_some() || skip;
        has_any.then_some(files)
    }
}

fn remove_dir(path: &Path) -> anyhow::Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(e).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}
