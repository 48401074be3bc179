//! TLS towards a sink.

use std::{net::TcpStream, path::Path, sync::Arc};

use container_log::sink::Tls;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::ServerName;
use tls::{Identity, TlsError, Trust};

use super::{SinkError, transport::Connection};

/// Makes a connection a TLS one; the handshake is complete when it returns.
pub(super) fn connect(
    stream: TcpStream,
    address: &str,
    keys: &Tls,
) -> Result<Box<dyn Connection>, SinkError> {
    let failed = |error: &dyn std::fmt::Display| SinkError::Tls(error.to_string());
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let name = ServerName::try_from(host.to_owned()).map_err(|e| failed(&e))?;
    let connection =
        ClientConnection::new(Arc::new(configure(keys)?), name).map_err(|e| failed(&e))?;
    let mut stream = StreamOwned::new(connection, stream);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock).map_err(|e| failed(&e))?;
    }
    Ok(Box::new(stream))
}

fn configure(keys: &Tls) -> Result<ClientConfig, SinkError> {
    let failed = |error: &TlsError| SinkError::Tls(types::error::chain(error));
    let trust = if keys.skip_verify {
        Trust::Anyone
    } else {
        Trust::Roots(roots(keys.ca.as_deref()).map_err(|error| failed(&error))?)
    };
    let identity = match (&keys.certificate, &keys.key) {
        (Some(certificate), Some(key)) => {
            Some(Identity { certificate: certificate.clone(), key: key.clone() })
        }
        _ => None,
    };
    tls::client_config(trust, identity.as_ref()).map_err(|error| failed(&error))
}

fn roots(ca: Option<&Path>) -> Result<RootCertStore, TlsError> {
    let Some(path) = ca else { return Ok(tls::system_roots().0) };
    let mut roots = RootCertStore::empty();
    tls::add_roots(&mut roots, path)?;
    Ok(roots)
}
