//! Where the registry's blobs live: a trait, a disk and a memory implementation.
//!
//! A store knows bytes and digests, not repositories or who may see them; that is `registry`.
//!
//! # Invariants
//! - A committed blob has the bytes its name says: every commit hashes what it names.
//! - A commit is durable and atomic: after it returns, the blob survives a crash; before it
//!   returns, nobody can see it.
//! - An upload has one writer at a time; a second one is refused, never interleaved.
//! - An upload's offset survives a restart of the program.
//!
//! Every implementation passes [`testsuite::run`].

mod disk;
mod error;
mod memory;
mod store;
mod sum;
#[doc(hidden)]
pub mod testsuite;
mod upload_id;

pub use disk::DiskStore;
pub use error::BlobStoreError;
pub use memory::MemoryStore;
pub use store::{BlobInfo, BlobReader, BlobStore, ByteRange, Upload, UploadInfo};
pub use upload_id::{UploadId, UploadIdError};
