//! TLS set-up per registry host.
//!
//! Roots are the system's plus the host's `*.crt`; a `*.cert` with its `*.key` is the client's
//! certificate (Docker's `certs.d` layout). Insecure registries accept any certificate, but the
//! handshake's signatures are still checked.

use std::{
    io,
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use rustls::{ClientConfig as TlsConfig, RootCertStore};
use tls::{Identity, Trust};

use crate::{ClientConfig, TransportError};

/// Makes the TLS configuration of each connection; the files are read anew each time, so that a
/// certificate put there counts from the next connection on, as in Docker.
pub(crate) struct TlsConfigs {
    config: Arc<ClientConfig>,
    system_roots: OnceLock<RootCertStore>,
}

impl TlsConfigs {
    pub(crate) fn new(config: Arc<ClientConfig>) -> Self {
        Self { config, system_roots: OnceLock::new() }
    }

    pub(crate) fn of(&self, authority: &str) -> Result<Arc<TlsConfig>, TransportError> {
        let files = HostFiles::find(&self.config, authority)?;
        let unusable = |source| TransportError::Certificates {
            host: authority.to_owned(),
            source: Arc::new(source),
        };
        let trust = if self.config.is_insecure(authority) {
            Trust::Anyone
        } else {
            let mut roots = self.system_roots().clone();
            for path in files.roots.iter().chain(&self.config.extra_roots) {
                tls::add_roots(&mut roots, path).map_err(unusable)?;
            }
            Trust::Roots(roots)
        };
        let made = tls::client_config(trust, files.client.as_ref()).map_err(unusable)?;
        Ok(Arc::new(made))
    }

    fn system_roots(&self) -> &RootCertStore {
        self.system_roots.get_or_init(|| {
            let (roots, errors) = tls::system_roots();
            for error in &errors {
                tracing::warn!(%error, "a system root certificate does not load");
            }
            roots
        })
    }
}

/// What the directories of certificates hold for one host.
#[derive(Default)]
struct HostFiles {
    roots: Vec<PathBuf>,
    client: Option<Identity>,
}

impl HostFiles {
    fn find(config: &ClientConfig, authority: &str) -> Result<Self, TransportError> {
        let mut files = Self::default();
        for base in &config.certificate_dirs {
            let dir = base.join(authority);
            let entries = match std::fs::read_dir(&dir) {
                Ok(entries) => entries,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(source) => {
                    let host = authority.to_owned();
                    return Err(TransportError::CertificateDirectory { host, path: dir, source });
                }
            };
            for path in entries.flatten().map(|entry| entry.path()) {
                files.note(path);
            }
        }
        Ok(files)
    }

    fn note(&mut self, path: PathBuf) {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("crt") => self.roots.push(path),
            Some("cert") => {
                let key = path.with_extension("key");
                self.client = Some(Identity { certificate: path, key });
            }
            _ => {}
        }
    }
}
