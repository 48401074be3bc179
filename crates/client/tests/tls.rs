//! TCP with mutual TLS against a real TLS server.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{net::SocketAddr, path::Path, sync::Arc};

use gantry_client::{Client, ClientError, Options, Request, TlsFiles, Verification};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{RootCertStore, ServerConfig, server::WebPkiClientVerifier};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A certificate authority, and certificates for the server and the client, as files.
fn write_certificates(dir: &Path) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let ca = params.self_signed(&key).unwrap();
    std::fs::write(dir.join("ca.pem"), ca.pem()).unwrap();
    let issuer = Issuer::new(params, key);
    for (name, host) in [("server", "localhost"), ("client", "client")] {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap();
        std::fs::write(dir.join(format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(dir.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
}

/// A server that wants a client certificate and answers every request with `[]`.
async fn serve(dir: &Path) -> SocketAddr {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(dir.join("ca.pem")).unwrap()).unwrap();
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .unwrap();
    let chain = vec![CertificateDer::from_pem_file(dir.join("server.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(dir.join("server.key")).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A client without a certificate fails here, which is what one test is about.
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut head = [0; 4096];
            let _ = stream.read(&mut head).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]").await;
        }
    });
    address
}

fn client(address: SocketAddr, host: &str, files: TlsFiles) -> Client {
    Client::new(Options {
        endpoint: format!("tcp://{host}:{}", address.port()).parse().unwrap(),
        tls: Some(files),
        version: None,
        headers: Vec::new(),
        user_agent: "test".to_owned(),
    })
}

fn files(dir: &Path) -> TlsFiles {
    TlsFiles {
        ca: Some(dir.join("ca.pem")),
        cert: Some(dir.join("client.pem")),
        key: Some(dir.join("client.key")),
        verification: Verification::Full,
    }
}

async fn ask(client: &Client) -> Result<Vec<u8>, ClientError> {
    client.document(Request::get("/containers/json")).await
}

#[tokio::test(flavor = "current_thread")]
async fn both_sides_are_checked() {
    let dir = tempfile::tempdir().unwrap();
    write_certificates(dir.path());
    let address = serve(dir.path()).await;
    assert!(ask(&client(address, "localhost", files(dir.path()))).await.unwrap().is_empty());
    let other_name = ask(&client(address, "127.0.0.1", files(dir.path()))).await;
    assert!(matches!(other_name, Err(ClientError::Tls { .. })), "{other_name:?}");
    let unchecked = TlsFiles { verification: Verification::None, ..files(dir.path()) };
    assert!(ask(&client(address, "127.0.0.1", unchecked)).await.is_ok());
    let nameless = TlsFiles { cert: None, key: None, ..files(dir.path()) };
    assert!(ask(&client(address, "localhost", nameless)).await.is_err());
    let no_ca = TlsFiles { ca: Some(dir.path().join("none.pem")), ..files(dir.path()) };
    let error = ask(&client(address, "localhost", no_ca)).await;
    assert!(matches!(error, Err(ClientError::TlsFile(_))));
}
