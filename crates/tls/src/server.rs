//! The server's end.

use std::{path::Path, sync::Arc};

use rustls::{RootCertStore, ServerConfig, crypto::ring, server::WebPkiClientVerifier};

use crate::{Identity, TlsError, add_roots};

/// Makes a server's configuration; with an authority, only clients that it signed get in.
///
/// # Errors
/// [`TlsError`]: a file cannot be read, or its content cannot be used.
///
/// # Panics
/// Never: ring supports the protocol versions that rustls takes as safe.
pub fn server_config(
    identity: &Identity,
    client_authority: Option<&Path>,
) -> Result<ServerConfig, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("ring supports the default protocol versions");
    let builder = match client_authority {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            add_roots(&mut roots, path)?;
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .map_err(TlsError::Verifier)?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let (chain, key) = identity.load()?;
    builder.with_single_cert(chain, key).map_err(|source| identity.unusable(source))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn each_mistake_names_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(path("cert.pem"), made.cert.pem()).unwrap();
        fs::write(path("key.pem"), made.signing_key.serialize_pem()).unwrap();
        fs::write(path("other.pem"), other.signing_key.serialize_pem()).unwrap();
        fs::write(path("empty.pem"), "").unwrap();
        let try_with = |certificate: &str, key: &str, authority: Option<&str>| {
            let identity = Identity { certificate: path(certificate), key: path(key) };
            let authority = authority.map(path);
            match server_config(&identity, authority.as_deref()) {
                Ok(_) => "fits".to_owned(),
                Err(error) => error.to_string(),
            }
        };
        assert_eq!(try_with("cert.pem", "key.pem", Some("cert.pem")), "fits");
        let shown = |text: &str| text.replace("DIR", &dir.path().display().to_string());
        assert_eq!(try_with("absent.pem", "key.pem", None), shown("cannot read DIR/absent.pem"));
        assert_eq!(
            try_with("empty.pem", "key.pem", None),
            shown("no certificate in DIR/empty.pem")
        );
        assert_eq!(try_with("cert.pem", "empty.pem", None), shown("cannot read DIR/empty.pem"));
        assert_eq!(
            try_with("cert.pem", "other.pem", None),
            shown("cannot use the certificate DIR/cert.pem with its key")
        );
        assert_eq!(
            try_with("cert.pem", "key.pem", Some("empty.pem")),
            shown("no certificate in DIR/empty.pem")
        );
    }
}
