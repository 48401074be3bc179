//! Blobs by digest on one disk: written once, verified, read by many.
//!
//! ```text
//! ROOT/blobs/ALGORITHM/HEX    a finished blob, mode 0444, never changed
//! ROOT/ingest/KEY/data        the bytes of an unfinished blob so far; flock(2)ed by its writer
//! ROOT/ingest/KEY/ref         the caller's own key; KEY is its SHA-256 in hexadecimal
//! ```
//!
//! Invariants:
//! - A blob appears by one `rename(2)` after its digest and size were checked and its bytes were
//!   flushed. When [`Ingest::commit`] returns, the blob survives a power failure.
//! - An ingest has one writer at a time, in this and all other processes; the lock goes with its
//!   process. What was written before a crash is hashed again when the ingest is resumed: the
//!   file is the only state.
//! - No blob and no ingest grows past its bound; a full disk gives the space of the ingest back.
//!
//! Source: OCI image-spec 1.1, descriptor.md ("Digests").

mod blob;
mod error;
mod hasher;
mod ingest;
mod store;

pub use blob::BlobInfo;
pub use error::ContentError;
pub use hasher::Hasher;
pub use ingest::{Ingest, IngestInfo};
pub use store::{Durability, Options, Store};
