//! The client's end.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore, crypto::ring};

use crate::{Identity, TlsError, unverified::Unverified};

/// Which servers a client believes.
#[derive(Debug)]
pub enum Trust {
    /// Those with a certificate for their name below one of these roots.
    Roots(RootCertStore),
    /// Any: the link is encrypted, the peer unknown. Only where a person asked for it.
    Anyone,
}

/// Makes a client's configuration, with a certificate of its own where one is given.
///
/// # Errors
/// The identity's files cannot be read or do not fit each other.
///
/// # Panics
/// Never: ring supports the protocol versions that rustls takes as safe.
pub fn client_config(trust: Trust, identity: Option<&Identity>) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("ring supports the default protocol versions");
    let builder = match trust {
        Trust::Roots(roots) => builder.with_root_certificates(roots),
        Trust::Anyone => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Unverified::new(provider))),
    };
    let Some(identity) = identity else { return Ok(builder.with_no_client_auth()) };
    let (chain, key) = identity.load()?;
    builder.with_client_auth_cert(chain, key).map_err(|source| identity.unusable(source))
}
