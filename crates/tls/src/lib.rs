//! Certificates, keys and trust from PEM files, made into rustls configurations.
//!
//! One place for every end of a TLS connection: the engine and the hub as servers, the client and
//! the registry client as clients. Cryptography is ring's; TLS 1.2 and 1.3. It refuses files
//! without a certificate and keys that do not fit; it never falls back to less verification than
//! was asked for.

mod client;
mod error;
mod pem;
mod server;
mod unverified;

pub use client::{Trust, client_config};
pub use error::TlsError;
pub use pem::{Identity, add_roots, system_roots};
pub use server::server_config;
