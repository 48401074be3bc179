//! TLS set-up per registry host.
//!
//! Roots are the system's plus the host's `*.crt`; a `*.cert` with its `*.key` is the client's
//! certificate (Docker's `certs.d` layout). Insecure registries accept any certificate, but the
//! handshake's signatures are still checked.

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use rustls::{
    ClientConfig as TlsConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::CryptoProvider,
};
use rustls_pki_types::{
    CertificateDer, PrivateKeyDer, ServerName, UnixTime,
    pem::{self, PemObject},
};

use crate::{ClientConfig, DistributionError, TransportError};

/// Makes and keeps the TLS configuration of each host.
pub(crate) struct TlsConfigs {
    config: Arc<ClientConfig>,
    provider: Arc<CryptoProvider>,
    system_roots: OnceLock<RootCertStore>,
    by_authority: Mutex<HashMap<String, Arc<TlsConfig>>>,
}

impl TlsConfigs {
    pub(crate) fn new(config: Arc<ClientConfig>) -> Result<Self, DistributionError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        // Fails here, once, rather than at every connection.
        TlsConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(DistributionError::Tls)?;
        Ok(Self { config, provider, system_roots: OnceLock::new(), by_authority: Mutex::default() })
    }

    pub(crate) fn of(&self, authority: &str) -> Result<Arc<TlsConfig>, TransportError> {
        let mut known = self.by_authority.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.get(authority) {
            return Ok(found.clone());
        }
        let made = Arc::new(self.make(authority)?);
        known.insert(authority.to_owned(), made.clone());
        Ok(made)
    }

    fn make(&self, authority: &str) -> Result<TlsConfig, TransportError> {
        let files = HostFiles::find(&self.config, authority)?;
        let broken = |path: &Path, source: io::Error| TransportError::Certificates {
            host: authority.to_owned(),
            path: path.to_owned(),
            source,
        };
        let builder = TlsConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| broken(Path::new(""), io::Error::other(error)))?;
        let builder = if self.config.is_insecure(authority) {
            let verifier = Arc::new(AcceptAny(self.provider.clone()));
            builder.dangerous().with_custom_certificate_verifier(verifier)
        } else {
            let mut roots = self.system_roots().clone();
            for path in files.roots.iter().chain(&self.config.extra_roots) {
                add_roots(&mut roots, path).map_err(|source| broken(path, source))?;
            }
            builder.with_root_certificates(roots)
        };
        let Some((certificate, key)) = &files.client else {
            return Ok(builder.with_no_client_auth());
        };
        let chain = certificates(certificate).map_err(|source| broken(certificate, source))?;
        let key_der =
            PrivateKeyDer::from_pem_file(key).map_err(|error| broken(key, pem_error(error)))?;
        builder
            .with_client_auth_cert(chain, key_der)
            .map_err(|error| broken(certificate, io::Error::other(error)))
    }

    fn system_roots(&self) -> &RootCertStore {
        self.system_roots.get_or_init(|| {
            let mut roots = RootCertStore::empty();
            let found = rustls_native_certs::load_native_certs();
            for error in &found.errors {
                tracing::warn!(%error, "a system root certificate does not load");
            }
            roots.add_parsable_certificates(found.certs);
            roots
        })
    }
}

fn pem_error(error: pem::Error) -> io::Error {
    match error {
        pem::Error::Io(error) => error,
        other => io::Error::new(io::ErrorKind::InvalidData, format!("{other:?}")),
    }
}

fn certificates(path: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_file_iter(path)
        .map_err(pem_error)?
        .collect::<Result<Vec<_>, _>>()
        .map_err(pem_error)
}

fn add_roots(roots: &mut RootCertStore, path: &Path) -> io::Result<()> {
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(io::Error::other)?;
    }
    Ok(())
}

/// What the directories of certificates hold for one host.
#[derive(Default)]
struct HostFiles {
    roots: Vec<PathBuf>,
    client: Option<(PathBuf, PathBuf)>,
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
                    return Err(TransportError::Certificates { host, path: dir, source });
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
                self.client = Some((path, key));
            }
            _ => {}
        }
    }
}

/// Accepts any certificate: only for registries that the operator declared insecure.
#[derive(Debug)]
struct AcceptAny(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
