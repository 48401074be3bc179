//! The server's certificate and key.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

/// Why TLS cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is missing, or holds no PEM of the right kind.
    #[error("cannot read {what} from {path}")]
    File {
        /// `certificates` or `private key`.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        source: rustls::pki_types::pem::Error,
    },
    /// There is no certificate in the file.
    #[error("no certificate in {path}")]
    Empty {
        /// Which file.
        path: PathBuf,
    },
    /// Key and certificate do not fit.
    #[error("certificate and key cannot be used")]
    Unusable(#[from] rustls::Error),
}

/// Reads a chain and its key from PEM files.
///
/// # Errors
/// [`TlsError`].
pub fn load(certificates: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let failed = |what, path: &Path| {
        let path = path.to_owned();
        move |source| TlsError::File { what, path, source }
    };
    let chain = CertificateDer::pem_file_iter(certificates)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(failed("certificates", certificates))?;
    if chain.is_empty() {
        return Err(TlsError::Empty { path: certificates.to_owned() });
    }
    let key = PrivateKeyDer::from_pem_file(key).map_err(failed("private key", key))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
