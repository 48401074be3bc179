//! What every command has: the engine's client, the configuration, and how it was called.

use client::{Client, Options};

use crate::{
    config::{Choice, ConfigFile, Credentials, Directory, choose, registry_of},
    grammar::Parsed,
    output,
};

/// The state of one invocation.
pub struct Session {
    /// The engine.
    pub client: Client,
    /// The configuration's place.
    pub directory: Directory,
    /// Its content.
    pub config: ConfigFile,
    /// The engine that was chosen.
    pub choice: Choice,
    /// The command as it was typed.
    pub typed: String,
    /// Whether `--debug` was given.
    pub is_debugging: bool,
}

/// The product's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

fn debug_variable() -> Option<client::ApiVersion> {
    std::env::var("DOCKER_API_VERSION").ok().and_then(|text| text.parse().ok())
}

/// Headers of every request: those of the configuration, or else of the environment, which has
/// them as `name=value` in fields parted by commas.
fn headers(config: &ConfigFile) -> anyhow::Result<Vec<(String, String)>> {
    let text = std::env::var("DOCKER_CUSTOM_HEADERS").unwrap_or_default();
    if text.is_empty() {
        return Ok(config.http_headers.clone().into_iter().collect());
    }
    let mut headers = Vec::new();
    for field in text.split(',') {
        let field = field.trim().trim_matches('"');
        let Some((name, value)) = field.split_once('=') else {
            anyhow::bail!(
                "failed to parse custom headers from DOCKER_CUSTOM_HEADERS environment variable: missing \"=\" in {field:?}"
            );
        };
        headers.push((name.trim().to_owned(), value.to_owned()));
    }
    Ok(headers)
}

impl Session {
    /// Prepares a command; nothing is connected yet.
    ///
    /// # Errors
    /// For a configuration that cannot be read or an engine that cannot be chosen.
    pub fn open(globals: &Parsed, typed: String) -> anyhow::Result<Self> {
        let directory = Directory::choose(globals.text("config"));
        let config = directory.load()?;
        let endpoint = |error: anyhow::Error| {
            anyhow::anyhow!("Failed to initialize: unable to resolve docker endpoint: {error:#}")
        };
        let choice = choose(globals, &directory, &config).map_err(endpoint)?;
        let is_debugging = globals.flag("debug");
        if is_debugging {
            output::error_line(&format!(
                "DEBUG: configuration {}, context {}, engine {}",
                directory.file().display(),
                choice.context,
                choice.host
            ));
        }
        let client = Client::new(Options {
            endpoint: choice.endpoint().map_err(endpoint)?,
            tls: choice.tls.clone(),
            version: debug_variable(),
            headers: headers(&config)?,
            user_agent: format!("Gantry-Client/{VERSION} ({})", std::env::consts::OS),
        });
        Ok(Self { client, directory, config, choice, typed, is_debugging })
    }

    /// The value of `X-Registry-Auth` for the registry of `reference`; the header is always sent,
    /// empty credentials are `{}`.
    ///
    /// # Errors
    /// When credentials cannot be read.
    pub fn registry_auth(&self, reference: &types::Reference) -> anyhow::Result<String> {
        use base64::{Engine, engine::general_purpose::URL_SAFE};
        let server = registry_of(reference.domain());
        let auth = Credentials::new(&self.directory).get(&server)?.unwrap_or_default();
        Ok(URL_SAFE.encode(serde_json::to_vec(&auth)?))
    }
}
