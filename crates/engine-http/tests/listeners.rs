//! Unix sockets and their files, TCP, TLS with client certificates.
#![allow(clippy::unwrap_used)] // Helpers of tests, not only tests.

mod fake;

use std::{os::unix::fs::PermissionsExt, path::Path, sync::Arc};

use fake::{Fake, Fixture};
use gantry_engine_http::server::{Limits, ListenError, Listener};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use tls::Identity;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn a_unix_socket_has_its_mode_and_replaces_only_a_dead_one() {
    let fixture = Fixture::start().await;
    let mode = std::fs::metadata(fixture.socket()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    let second = Listener::unix(&fixture.socket(), 0).await;
    assert!(matches!(second, Err(ListenError::InUse(_))));

    let dead = fixture.directory.path().join("dead.sock");
    drop(std::os::unix::net::UnixListener::bind(&dead).unwrap());
    assert!(dead.exists());
    let listener = Listener::unix(&dead, 0).await.unwrap();
    drop(listener);
    assert!(!dead.exists());

    let file = fixture.directory.path().join("file");
    std::fs::write(&file, "keep me").unwrap();
    assert!(matches!(Listener::unix(&file, 0).await, Err(ListenError::NotASocket(_))));
    assert_eq!(std::fs::read(&file).unwrap(), b"keep me");
}

#[tokio::test]
async fn a_listener_leaves_a_socket_alone_that_is_not_its_own_any_more() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let listener = Listener::unix(&path, 0).await.unwrap();
    std::fs::remove_file(&path).unwrap();
    let _other = std::os::unix::net::UnixListener::bind(&path).unwrap();
    drop(listener);
    assert!(path.exists());
}

#[tokio::test]
async fn connections_beyond_the_bound_wait_for_their_turn() {
    let fixture = Fixture::start_with(Limits { connections: 1, ..Limits::default() }).await;
    let first = fixture.connect().await;
    let mut second = fixture.connect().await;
    second.write_all(b"GET /_ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    drop(first);
    let mut answer = String::new();
    second.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("OK"), "{answer}");
}

#[tokio::test]
async fn a_head_that_does_not_come_ends_the_connection() {
    let limits = Limits { head_time: std::time::Duration::from_millis(50), ..Limits::default() };
    let fixture = Fixture::start_with(limits).await;
    let mut slow = fixture.connect().await;
    slow.write_all(b"GET /_pi").await.unwrap();
    let mut answer = Vec::new();
    slow.read_to_end(&mut answer).await.unwrap();
    assert!(!String::from_utf8_lossy(&answer).contains("200"));
}

type Issuer = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Issuer {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

struct Leaf {
    certificate: String,
    key: String,
}

fn leaf(issuer: &Issuer, usage: ExtendedKeyUsagePurpose) -> Leaf {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.extended_key_usages = vec![usage];
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, issuer).unwrap().pem();
    Leaf { certificate, key: key.serialize_pem() }
}

fn acceptor(directory: &Path, issuer: &Issuer, leaf: &Leaf) -> TlsAcceptor {
    let file = |name: &str, text: &str| {
        let path = directory.join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let identity = Identity {
        certificate: file("cert.pem", &leaf.certificate),
        key: file("key.pem", &leaf.key),
    };
    let authority = file("ca.pem", &issuer.pem());
    TlsAcceptor::from(Arc::new(tls::server_config(&identity, Some(&authority)).unwrap()))
}

/// Asks for `/_ping` over TLS and returns the whole answer.
async fn ask(port: u16, issuer: &Issuer, client: Option<&Leaf>) -> std::io::Result<String> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(issuer.pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match client {
        None => builder.with_no_client_auth(),
        Some(leaf) => builder
            .with_client_auth_cert(
                vec![CertificateDer::from_pem_slice(leaf.certificate.as_bytes()).unwrap()],
                PrivateKeyDer::from_pem_slice(leaf.key.as_bytes()).unwrap(),
            )
            .unwrap(),
    };
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let name = ServerName::try_from("localhost").unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let mut stream = connector.connect(name, stream).await?;
    stream.write_all(b"GET /_ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[tokio::test]
async fn tls_lets_in_clients_of_its_authority_and_nobody_else() {
    let directory = tempfile::tempdir().unwrap();
    let (ours, foreign) = (authority(), authority());
    let server_leaf = leaf(&ours, ExtendedKeyUsagePurpose::ServerAuth);
    let acceptor = acceptor(directory.path(), &ours, &server_leaf);
    let listener = Listener::tcp("127.0.0.1", 0, Some(acceptor)).await.unwrap();
    let port = listener.port().unwrap();
    let stop = CancellationToken::new();
    let fake = Arc::new(Fake::default());
    let task =
        tokio::spawn(fake::server(&fake, Limits::default()).serve(vec![listener], stop.clone()));

    let good = leaf(&ours, ExtendedKeyUsagePurpose::ClientAuth);
    assert!(ask(port, &ours, Some(&good)).await.unwrap().ends_with("OK"));
    assert!(ask(port, &ours, None).await.is_err(), "no certificate");
    let stranger = leaf(&foreign, ExtendedKeyUsagePurpose::ClientAuth);
    assert!(ask(port, &ours, Some(&stranger)).await.is_err(), "another authority");
    let server_only = leaf(&ours, ExtendedKeyUsagePurpose::ServerAuth);
    assert!(ask(port, &ours, Some(&server_only)).await.is_err(), "not a client's certificate");
    // Plain HTTP on a TLS port is closed, and the server goes on.
    let mut plain = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    plain.write_all(b"GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!String::from_utf8_lossy(&answer).contains("200 OK"));
    assert!(ask(port, &ours, Some(&good)).await.unwrap().ends_with("OK"));
    stop.cancel();
    task.await.unwrap();
}
