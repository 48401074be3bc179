//! Registry client: the distribution API (distribution-spec 1.1) and the token flow that
//! registries use (`/work/shared/spec/registry-auth-*.md`), over hyper and rustls.
//!
//! # Shape
//! A [`Client`] holds connections, tokens and the host's rules (insecure registries, mirrors,
//! certificates). [`Client::repository`] names one repository with one set of credentials; all
//! calls that concern it are methods of [`Repository`].
//!
//! # Invariants
//! - Bytes of manifests are returned as they came, verified against their digest.
//! - Credentials live in [`Secret`]; nothing here logs them, and they go to a host only over TLS
//!   unless that host is an insecure registry by configuration (or loopback).
//! - Every wait has a deadline: connecting, the head of an answer, silence within a body.
//! - Documents are bounded (manifest 4 MiB, other JSON 8 MiB).
//!
//! # Refuses
//! Schema 1 manifests, redirects from TLS to plain HTTP, blobs of another digest than asked.

mod challenge;
mod client;
mod config;
mod connector;
mod credentials;
mod download;
mod endpoint;
mod error;
mod exchange;
mod listing;
mod login;
mod manifest;
mod payload;
mod platform;
mod proxy;
mod repository;
mod search;
mod tls;
mod token;
mod upload;

pub use client::Client;
pub use config::{ClientConfig, InsecureRegistry, InsecureRegistryError, ProxyConfig};
pub use credentials::Credentials;
pub use download::Download;
pub use error::{DistributionError, Refusal, TransportError};
pub use login::Login;
pub use manifest::RawManifest;
pub use platform::select as select_platform;
pub use platform::{format as format_platform, matches as platform_matches};
pub use repository::{Purpose, Repository};
pub use search::SearchResult;
pub use types::Secret;
pub use upload::{BlobSource, BlobUpload, Uploaded};
