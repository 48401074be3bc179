//! Why TLS cannot be set up.

use std::path::PathBuf;

use types::{Classify, ErrorKind};

/// Why TLS cannot be set up; each names the file.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is missing, or holds no PEM of the right kind.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls_pki_types::pem::Error,
    },
    /// A file has no certificate in it.
    #[error("no certificate in {0}")]
    Empty(PathBuf),
    /// A certificate of an authority is unusable.
    #[error("cannot use the certificate authority {path}")]
    Authority {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls::Error,
    },
    /// The set of authorities is unusable.
    #[error("cannot verify clients")]
    Verifier(#[source] rustls::server::VerifierBuilderError),
    /// Key and certificate do not fit, or have no supported algorithm.
    #[error("cannot use the certificate {path} with its key")]
    Certificate {
        /// The certificate's file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls::Error,
    },
}

impl Classify for TlsError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::InvalidArgument
    }
}
