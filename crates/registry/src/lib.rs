//! The registry: repositories, uploads, blobs, manifests, tags and referrers, without HTTP and
//! without accounts.
//!
//! Follows OCI distribution-spec 1.1 and Docker's image manifest version 2, schema 2.
//!
//! # Invariants
//! - A stored manifest's blobs and children are in the same repository (foreign keys say so); what
//!   is in use is not deleted. `subject` alone may name what is not there.
//! - A blob is served by a repository that it is linked to, never by its digest alone.
//! - An acknowledged push is on disk: blob bytes are synced before their row, and rows are
//!   committed with `synchronous = FULL`.
//! - The collector never takes a blob that a push relies on; [`catalog`] has the protocol.
//!
//! # Refuses
//! Schema 1 manifests, manifests over 4 MiB, unknown media types, sparse indexes.

pub mod catalog;
mod error;
mod manifest;
mod name;
mod service;
mod sqlite;

pub use blob_store::{BlobReader, ByteRange, UploadId};
pub use error::{CatalogError, RegistryError};
pub use manifest::MAX_MANIFEST_BYTES;
pub use name::{ManifestReference, NameError, RepositoryName, Tag};
pub use service::{
    Appender, Collected, Limits, PutManifest, Referrer, ReferrerQuery, Registry, StoredManifest,
};
pub use sqlite::{Database, SqliteCatalog};
