//! A client of the Engine API: unix sockets, TCP, TCP with mutual TLS, and SSH.
//!
//! [`Client::send`] is the one way a request goes out. The version is negotiated lazily: requests
//! carry the newest one until an engine refuses it, so that a command costs no extra round trip.
//! Nothing is retried but that refusal. Source: Engine API 1.24 to 1.55.

mod answer;
mod client;
mod container;
mod endpoint;
mod error;
mod hijack;
mod proxy;
mod request;
pub mod stdcopy;
mod tls;
mod transport;
mod version;

pub use answer::Answer;
pub use client::{Client, Options};
pub use container::{AttachOptions, Resizable, WaitCondition, Waiting};
pub use endpoint::{Endpoint, SshTarget};
pub use error::ClientError;
pub use hijack::Hijacked;
pub use request::{Body, Request, escape_path};
pub use tls::{TlsFiles, Verification};
pub use transport::{BoxStream, Stream};
pub use version::{ApiVersion, BadVersion, NEWEST, OLDEST};
