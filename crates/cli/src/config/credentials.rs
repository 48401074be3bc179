//! Registry credentials: the file's `auths`, and `docker-credential-*` helpers.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use anyhow::{Context, bail};
use base64::{Engine, engine::general_purpose::STANDARD};
use engine_api::{Secret, auth::AuthConfig};
use serde::{Deserialize, Serialize};

use super::file::{ConfigFile, Directory, StoredAuth};

/// The key of the default registry, as docker has it.
const DEFAULT_REGISTRY: &str = "https://index.docker.io/v1/";

/// The user name that says "the secret is a refresh token".
const TOKEN_USER: &str = "<token>";

/// The key under which credentials for a reference's domain are kept.
#[must_use]
pub fn registry_of(domain: &str) -> String {
    if domain == types::reference::DEFAULT_DOMAIN {
        DEFAULT_REGISTRY.to_owned()
    } else {
        domain.to_owned()
    }
}

/// A server's name as `login` keeps it.
#[must_use]
pub fn shown_registry(server: &str) -> String {
    if matches!(server, "" | "docker.io" | "index.docker.io" | "registry-1.docker.io") {
        return DEFAULT_REGISTRY.to_owned();
    }
    server.to_owned()
}

/// `https://host/v1/` and `host` are the same registry.
fn host_of(key: &str) -> &str {
    let bare = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    bare.split('/').next().unwrap_or(bare)
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HelperEntry {
    #[serde(rename = "ServerURL", default)]
    server_url: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    secret: Secret,
}

/// Access to the stored credentials.
pub struct Credentials<'a> {
    directory: &'a Directory,
}

fn helper(config: &ConfigFile, server: &str) -> Option<String> {
    let own = config.cred_helpers.get(server).or_else(|| config.cred_helpers.get(host_of(server)));
    own.cloned().or_else(|| (!config.creds_store.is_empty()).then(|| config.creds_store.clone()))
}

fn call_helper(name: &str, action: &str, input: &str) -> anyhow::Result<String> {
    if name.contains('/') {
        bail!("invalid credential helper name {name:?}");
    }
    let program = format!("docker-credential-{name}");
    let mut child = Command::new(&program)
        .arg(action)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("error getting credentials - cannot run {program}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes()).with_context(|| format!("cannot write to {program}"))?;
    }
    let output = child.wait_with_output().with_context(|| format!("cannot run {program}"))?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if !output.status.success() {
        bail!("error getting credentials - err: {}, out: `{text}`", output.status);
    }
    Ok(text)
}

fn decode(stored: &StoredAuth, server: &str) -> Option<AuthConfig> {
    let bytes = STANDARD.decode(stored.auth.expose()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (username, password) = text.split_once(':').unwrap_or((&text, ""));
    Some(AuthConfig {
        username: username.to_owned(),
        password: Secret::new(password.trim_end_matches('\0')),
        identity_token: stored.identity_token.clone(),
        server_address: server.to_owned(),
        ..AuthConfig::default()
    })
}

impl<'a> Credentials<'a> {
    /// Those of a configuration directory.
    #[must_use]
    pub fn new(directory: &'a Directory) -> Self {
        Self { directory }
    }

    /// What is known for `server`.
    ///
    /// # Errors
    /// When a file cannot be read or a helper fails.
    pub fn get(&self, server: &str) -> anyhow::Result<Option<AuthConfig>> {
        let own = Self::find(&self.directory.load()?, server)?;
        match own {
            Some(found) => Ok(Some(found)),
            None => Self::find(&self.directory.load_fallback()?, server),
        }
    }

    fn find(config: &ConfigFile, server: &str) -> anyhow::Result<Option<AuthConfig>> {
        if let Some(name) = helper(config, server) {
            return Self::from_helper(&name, server);
        }
        let exact = config.auths.get(server);
        let stored = exact.or_else(|| {
            let same = |key: &&String| host_of(key) == host_of(server);
            config.auths.keys().find(same).and_then(|key| config.auths.get(key))
        });
        Ok(stored.and_then(|stored| decode(stored, server)))
    }

    fn from_helper(name: &str, server: &str) -> anyhow::Result<Option<AuthConfig>> {
        let text = match call_helper(name, "get", server) {
            Err(e) if e.to_string().contains("credentials not found") => return Ok(None),
            text => text?,
        };
        let entry: HelperEntry = serde_json::from_str(&text)
            .with_context(|| format!("docker-credential-{name} gave no credentials document"))?;
        let mut auth = AuthConfig { server_address: server.to_owned(), ..AuthConfig::default() };
        if entry.username == TOKEN_USER {
            auth.identity_token = entry.secret;
        } else {
            auth.username = entry.username;
            auth.password = entry.secret;
        }
        Ok(Some(auth))
    }

    /// Keeps `auth`; true when it went to the file in readable form.
    ///
    /// # Errors
    /// When the file cannot be written or the helper fails.
    pub fn store(&self, auth: &AuthConfig) -> anyhow::Result<bool> {
        let mut config = self.directory.load()?;
        let server = auth.server_address.clone();
        let has_token = !auth.identity_token.is_empty();
        if let Some(name) = helper(&config, &server) {
            let entry = HelperEntry {
                server_url: server.clone(),
                username: if has_token { TOKEN_USER.to_owned() } else { auth.username.clone() },
                secret: if has_token { auth.identity_token.clone() } else { auth.password.clone() },
            };
            call_helper(&name, "store", &serde_json::to_string(&entry)?)?;
            config.auths.insert(server, StoredAuth::default());
            self.directory.save(&config)?;
            return Ok(false);
        }
        let password = if has_token { "" } else { auth.password.expose() };
        let encoded = STANDARD.encode(format!("{}:{password}", auth.username));
        let stored =
            StoredAuth { auth: Secret::new(encoded), identity_token: auth.identity_token.clone() };
        config.auths.insert(server, stored);
        self.directory.save(&config)?;
        Ok(true)
    }

    /// Forgets what is known for `server`.
    ///
    /// # Errors
    /// When the file cannot be written or the helper fails.
    pub fn erase(&self, server: &str) -> anyhow::Result<()> {
        let mut config = self.directory.load()?;
        if let Some(name) = helper(&config, server) {
            call_helper(&name, "erase", server)?;
        }
        config.auths.retain(|key, _| key != server && host_of(key) != host_of(server));
        self.directory.save(&config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_kept_found_and_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let directory = Directory::choose(&dir.path().to_string_lossy());
        let store = Credentials::new(&directory);
        let auth = AuthConfig {
            username: "me".into(),
            password: Secret::new("pass:word"),
            server_address: "hub.example:5000".into(),
            ..AuthConfig::default()
        };
        assert!(store.store(&auth).unwrap());
        assert_eq!(store.get("hub.example:5000").unwrap().unwrap(), auth);
        let found = store.get("https://hub.example:5000/v1/").unwrap().unwrap();
        assert_eq!(found.password.expose(), "pass:word");
        assert_eq!(store.get("other").unwrap(), None);
        store.erase("hub.example:5000").unwrap();
        assert_eq!(store.get("hub.example:5000").unwrap(), None);
    }
}
