//! PEM files: certificates, keys, authorities.

use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use crate::TlsError;

/// The files of one's own certificate and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The certificate and the chain above it.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

impl Identity {
    pub(crate) fn load(
        &self,
    ) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
        let chain = certificates(&self.certificate)?;
        let key = PrivateKeyDer::from_pem_file(&self.key)
            .map_err(|source| TlsError::Read { path: self.key.clone(), source })?;
        Ok((chain, key))
    }

    pub(crate) fn unusable(&self, source: rustls::Error) -> TlsError {
        TlsError::Certificate { path: self.certificate.clone(), source }
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|source| TlsError::Read { path: path.to_owned(), source })?;
    if found.is_empty() { Err(TlsError::Empty(path.to_owned())) } else { Ok(found) }
}

/// Adds the certificates of a file to those trusted.
///
/// # Errors
/// [`TlsError::Read`], [`TlsError::Empty`], [`TlsError::Authority`].
pub fn add_roots(roots: &mut RootCertStore, path: &Path) -> Result<(), TlsError> {
    for certificate in certificates(path)? {
        roots
            .add(certificate)
            .map_err(|source| TlsError::Authority { path: path.to_owned(), source })?;
    }
    Ok(())
}

/// Reads the roots that the system trusts, and says which of them do not load.
///
/// Takes milliseconds: callers keep the answer, and do not ask before they need it.
#[must_use]
pub fn system_roots() -> (RootCertStore, Vec<rustls_native_certs::Error>) {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    (roots, found.errors)
}
