//! The configuration: a JSON file, below the command line, above the defaults.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, bail};
use hub::SignUp;
use hub_http::PublicUrl;
use registry::{Limits, catalog::Visibility};
use serde::Deserialize;

use crate::arguments::{Place, ServeOptions, parse_listen};

const DATA_DIR: &str = "/var/lib/gantry-hub";
const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 5000);
const MAX_SECONDS: u64 = 10 * 365 * 24 * 60 * 60;

/// The file, key by key. An unknown key is refused.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    data_dir: Option<PathBuf>,
    listen: Option<String>,
    tls_cert: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    public_url: Option<String>,
    /// `open` or `closed`.
    signup: Option<String>,
    /// Name of the hub in its tokens and challenges.
    service: Option<String>,
    /// `public` or `private`.
    new_repositories: Option<String>,
    max_blob_bytes: Option<u64>,
    gc_interval_seconds: Option<u64>,
    gc_grace_seconds: Option<u64>,
    upload_expiry_seconds: Option<u64>,
    worker_threads: Option<usize>,
    /// As in `tracing_subscriber::EnvFilter`.
    log_level: Option<String>,
}

/// Everything decided.
pub struct Settings {
    pub data_dir: PathBuf,
    pub listen: SocketAddr,
    pub tls: Option<(PathBuf, PathBuf)>,
    pub public_url: Option<PublicUrl>,
    pub sign_up: SignUp,
    pub service: String,
    pub limits: Limits,
    pub gc_interval: Duration,
    pub worker_threads: usize,
    pub log_level: String,
}

impl Config {
    /// Reads the file, if one is named, and puts the place's own options above it.
    pub fn read(place: &Place) -> anyhow::Result<Self> {
        let mut config = match &place.config {
            None => Self::default(),
            Some(path) => read_file(path)?,
        };
        config.data_dir = place.data_dir.clone().or(config.data_dir);
        Ok(config)
    }

    /// Puts the command line above the file.
    pub fn with(mut self, options: &ServeOptions) -> Self {
        self.listen = options.listen.map(|address| address.to_string()).or(self.listen);
        self.public_url = options.public_url.clone().or(self.public_url);
        self.signup = options.signup.clone().or(self.signup);
        self.tls_cert = options.tls_cert.clone().or(self.tls_cert);
        self.tls_key = options.tls_key.clone().or(self.tls_key);
        self
    }

    pub fn data_dir(&self) -> PathBuf {
        self.data_dir.clone().unwrap_or_else(|| DATA_DIR.into())
    }

    /// Checks every value.
    pub fn settle(self) -> anyhow::Result<Settings> {
        let data_dir = self.data_dir();
        let limits = self.limits()?;
        let listen = self.listen.as_deref().map(parse_listen).transpose();
        let tls = match (self.tls_cert, self.tls_key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => bail!("tls-cert and tls-key go together"),
        };
        let sign_up = match self.signup.as_deref() {
            None | Some("closed") => SignUp::Closed,
            Some("open") => SignUp::Open,
            Some(other) => bail!("signup: {other:?} is neither open nor closed"),
        };
        let public_url = self.public_url.as_deref().map(str::parse).transpose();
        let gc_interval = seconds("gc-interval-seconds", self.gc_interval_seconds.unwrap_or(60))?;
        if gc_interval.is_zero() {
            bail!("gc-interval-seconds: must not be 0");
        }
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Settings {
            data_dir,
            listen: listen.map_err(|e| anyhow::anyhow!("listen: {e}"))?.unwrap_or(DEFAULT_LISTEN),
            tls,
            public_url: public_url.context("public-url")?,
            sign_up,
            service: service(self.service)?,
            limits,
            gc_interval,
            worker_threads: self.worker_threads.unwrap_or(processors.min(4)).clamp(1, 64),
            log_level: self.log_level.unwrap_or_else(|| "info".into()),
        })
    }

    fn limits(&self) -> anyhow::Result<Limits> {
        let default = Limits::default();
        let time = |key, value: Option<u64>, default: Duration| {
            value.map_or(Ok(default), |value| seconds(key, value))
        };
        let new_visibility: Option<Visibility> = self
            .new_repositories
            .as_deref()
            .map(str::parse)
            .transpose()
            .context("new-repositories")?;
        Ok(Limits {
            max_blob_bytes: self.max_blob_bytes.unwrap_or(default.max_blob_bytes),
            grace: time("gc-grace-seconds", self.gc_grace_seconds, default.grace)?,
            upload_expiry: time(
                "upload-expiry-seconds",
                self.upload_expiry_seconds,
                default.upload_expiry,
            )?,
            new_visibility: new_visibility.unwrap_or(default.new_visibility),
        })
    }
}

fn read_file(path: &Path) -> anyhow::Result<Config> {
    let text = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is not good", path.display()))
}

fn seconds(key: &str, value: u64) -> anyhow::Result<Duration> {
    if value > MAX_SECONDS {
        bail!("{key}: must be at most {MAX_SECONDS}");
    }
    Ok(Duration::from_secs(value))
}

/// It stands inside a quoted string of a header.
fn service(configured: Option<String>) -> anyhow::Result<String> {
    let service = configured.unwrap_or_else(|| "gantry-hub".into());
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'_');
    if service.is_empty() || !service.bytes().all(is_plain) {
        bail!("service: must be letters, digits, '.', '-', ':' or '_'");
    }
    Ok(service)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settle(text: &str) -> anyhow::Result<Settings> {
        serde_json::from_str::<Config>(text)?.settle()
    }

    #[test]
    fn defaults_are_private_closed_and_local() {
        let settings = settle("{}").unwrap();
        assert_eq!(settings.limits.new_visibility, Visibility::Private);
        assert_eq!(settings.sign_up, SignUp::Closed);
        assert_eq!(settings.listen, DEFAULT_LISTEN);
    }

    #[test]
    fn refuses_bad_values_and_names_the_key() {
        for (text, key) in [
            (r#"{"lissten": "1.2.3.4"}"#, "lissten"),
            (r#"{"listen": "example"}"#, "listen"),
            (r#"{"signup": "yes"}"#, "signup"),
            (r#"{"public-url": "hub"}"#, "public-url"),
            (r#"{"tls-cert": "a"}"#, "tls-key"),
            (r#"{"new-repositories": "secret"}"#, "new-repositories"),
            (r#"{"service": "a\"b"}"#, "service"),
            (r#"{"gc-interval-seconds": 0}"#, "gc-interval-seconds"),
            (r#"{"gc-grace-seconds": 99999999999}"#, "gc-grace-seconds"),
        ] {
            let error = settle(text).err().map(|error| format!("{error:#}")).unwrap();
            assert!(error.contains(key), "{text}: {error}");
        }
    }
}
