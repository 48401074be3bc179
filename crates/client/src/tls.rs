//! TLS with client certificates: `ca.pem`, `cert.pem` and `key.pem`.
//!
//! System roots are loaded only when verification is wanted and no CA file is there.

use std::{path::PathBuf, sync::Arc};

use rustls::{ClientConfig, RootCertStore};
use tls::{Identity, TlsError, Trust};

/// Whether the engine's certificate is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verification {
    /// Against the CA file or the system's roots.
    Full,
    /// Not at all (`--tls` without `--tlsverify`): the link is encrypted, the peer unknown.
    None,
}

/// The files of a TLS client; those that are `None` are not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificate authority that signs the engine's certificate.
    pub ca: Option<PathBuf>,
    /// The client's certificate chain.
    pub cert: Option<PathBuf>,
    /// The client's key.
    pub key: Option<PathBuf>,
    /// Whether to check the engine.
    pub verification: Verification,
}

impl TlsFiles {
    /// Builds the configuration of the connections.
    ///
    /// # Errors
    /// [`TlsError`] when a file cannot be read or they do not fit each other.
    pub(crate) fn config(&self) -> Result<Arc<ClientConfig>, TlsError> {
        let trust = match self.verification {
            Verification::Full => Trust::Roots(self.roots()?),
            Verification::None => Trust::Anyone,
        };
        let identity = match (&self.cert, &self.key) {
            (Some(certificate), Some(key)) => {
                Some(Identity { certificate: certificate.clone(), key: key.clone() })
            }
            _ => None,
        };
        let mut config = tls::client_config(trust, identity.as_ref())?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    fn roots(&self) -> Result<RootCertStore, TlsError> {
        let Some(path) = &self.ca else { return Ok(tls::system_roots().0) };
        let mut roots = RootCertStore::empty();
        tls::add_roots(&mut roots, path)?;
        Ok(roots)
    }
}
