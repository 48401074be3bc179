//! `config.json`. Keys that are not known here are kept as they are when the file is written.

use std::{
    collections::BTreeMap,
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Where the configuration is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    path: PathBuf,
    fallback: Option<PathBuf>,
}

fn home() -> PathBuf {
    std::env::var_os("HOME").map_or_else(|| PathBuf::from("/"), PathBuf::from)
}

impl Directory {
    /// The directory that `--config`, the environment or the default name.
    #[must_use]
    pub fn choose(flag: &str) -> Self {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        if !flag.is_empty() {
            return Self { path: PathBuf::from(flag), fallback: None };
        }
        match variable("GANTRY_CONFIG").or_else(|| variable("DOCKER_CONFIG")) {
            Some(path) => Self { path: PathBuf::from(path), fallback: None },
            None => Self {
                path: home().join(".gantry"),
                fallback: Some(home().join(".docker/config.json")),
            },
        }
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The configuration file's path.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.path.join("config.json")
    }

    /// Reads the configuration; a file that is not there is empty.
    ///
    /// # Errors
    /// When it exists and cannot be read or understood.
    pub fn load(&self) -> anyhow::Result<ConfigFile> {
        read(&self.file())
    }

    /// Reads docker's own file, where credentials may be found too.
    ///
    /// # Errors
    /// As [`Directory::load`].
    pub fn load_fallback(&self) -> anyhow::Result<ConfigFile> {
        self.fallback.as_deref().map_or_else(|| Ok(ConfigFile::default()), read)
    }

    /// Writes the configuration, whole or not at all, readable by its owner only.
    ///
    /// # Errors
    /// What the system says.
    pub fn save(&self, config: &ConfigFile) -> anyhow::Result<()> {
        let mut bytes = Vec::new();
        let tabs = serde_json::ser::PrettyFormatter::with_indent(b"\t");
        config.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, tabs))?;
        write_private(&self.file(), &bytes)
    }
}

/// Replaces a file by rename; its directory is made.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
    let parent = path.parent().unwrap_or(Path::new("."));
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(parent)
        .with_context(|| format!("cannot make {}", parent.display()))?;
    // The file may be a link to where somebody keeps it.
    let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let temporary = target.with_extension(format!("{}.tmp", std::process::id()));
    let write = || -> std::io::Result<()> {
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary)?;
        file.write_all(bytes)?;
        std::fs::rename(&temporary, &target)
    };
    write().with_context(|| format!("cannot write {}", target.display()))
}

fn read(path: &Path) -> anyhow::Result<ConfigFile> {
    match std::fs::read(path) {
        Ok(bytes) if bytes.is_empty() => Ok(ConfigFile::default()),
        Ok(bytes) => serde_json::from_slice(&bytes)
            .with_context(|| format!("loading config file: {}", path.display())),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(ConfigFile::default()),
        Err(e) => Err(e).with_context(|| format!("loading config file: {}", path.display())),
    }
}

/// What `config.json` says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConfigFile {
    /// Credentials by registry.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub auths: BTreeMap<String, StoredAuth>,
    /// The helper that stores all credentials.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub creds_store: String,
    /// Helpers by registry.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub cred_helpers: BTreeMap<String, String>,
    /// Headers of every request to the engine.
    #[serde(rename = "HttpHeaders", skip_serializing_if = "BTreeMap::is_empty")]
    pub http_headers: BTreeMap<String, String>,
    /// The current context.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub current_context: String,
    /// Keys that detach from a container.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detach_keys: String,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// An entry of `auths`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StoredAuth {
    /// `base64(username:password)`.
    #[serde(skip_serializing_if = "engine_api::Secret::is_empty")]
    pub auth: engine_api::Secret,
    /// A refresh token.
    #[serde(rename = "identitytoken", skip_serializing_if = "engine_api::Secret::is_empty")]
    pub identity_token: engine_api::Secret,
}

/// Keys of `proxies` and the variables that they become, in upper and lower case.
const PROXIES: [(&str, &str); 5] = [
    ("httpProxy", "HTTP_PROXY"),
    ("httpsProxy", "HTTPS_PROXY"),
    ("noProxy", "NO_PROXY"),
    ("ftpProxy", "FTP_PROXY"),
    ("allProxy", "ALL_PROXY"),
];

impl ConfigFile {
    /// The variables that `proxies` gives containers of the engine at `host`, but for those that
    /// were `given`.
    #[must_use]
    pub fn proxies(&self, host: &str, given: &[String]) -> Vec<String> {
        let Some(all) = self.rest.get("proxies") else { return Vec::new() };
        let own = all.get(host).or_else(|| all.get("default"));
        let is_given = |name: &str| given.iter().any(|own| own.split('=').next() == Some(name));
        let mut variables = Vec::new();
        for (key, name) in PROXIES {
            let value = own.and_then(|own| own.get(key)).and_then(Value::as_str).unwrap_or("");
            for name in [name.to_owned(), name.to_lowercase()] {
                if !value.is_empty() && !is_given(&name) {
                    variables.push(format!("{name}={value}"));
                }
            }
        }
        variables
    }

    /// The default of `--format` for a command (`psFormat`, `imagesFormat`, ...).
    #[must_use]
    pub fn format(&self, key: &str) -> &str {
        self.rest.get(key).and_then(Value::as_str).unwrap_or("")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_become_variables_unless_they_are_given() {
        let config: ConfigFile = serde_json::from_str(
            r#"{"proxies":{"default":{"httpProxy":"http://p:1","noProxy":"x"},"tcp://far:1":{"ftpProxy":"f"}}}"#,
        )
        .unwrap();
        let given = ["http_proxy=other".to_owned(), "NO_PROXY".to_owned()];
        assert_eq!(config.proxies("unix:///x", &given), ["HTTP_PROXY=http://p:1", "no_proxy=x"]);
        assert_eq!(config.proxies("tcp://far:1", &[]), ["FTP_PROXY=f", "ftp_proxy=f"]);
        assert!(ConfigFile::default().proxies("x", &[]).is_empty());
    }

    #[test]
    fn unknown_keys_survive_a_change() {
        let dir = tempfile::tempdir().unwrap();
        let home = Directory::choose(&dir.path().to_string_lossy());
        std::fs::write(
            home.file(),
            r#"{"psFormat":"{{.ID}}  {{.Names}}","plugins":{"x":{"y":"1"}}}"#,
        )
        .unwrap();
        let mut config = home.load().unwrap();
        assert_eq!(config.format("psFormat"), "{{.ID}}  {{.Names}}");
        config.current_context = "far".into();
        home.save(&config).unwrap();
        let again = home.load().unwrap();
        assert_eq!(again, config);
        assert_eq!(again.rest["plugins"]["x"]["y"], "1");
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(home.file()).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
