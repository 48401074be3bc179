//! Unpacked layers and writable snapshots.
//!
//! [`Snapshotter`] is the contract, with its lifecycle and a worked example;
//! [`OverlaySnapshotter`] keeps it with directories for overlayfs; [`testsuite`] checks that an
//! implementation does. [`decompress`] and [`tar`] are the formats of layers.
//!
//! Archives come from the network: see [`Limits`] for what is bounded and the module `apply` for
//! what is refused. Nothing here mounts anything.
//!
//! Source: OCI image-spec 1.1, layer.md.

mod apply;
mod changes;
mod decompress;
mod error;
mod export;
mod key;
mod layer;
mod limits;
mod overlay;
mod pipeline;
mod snapshotter;
pub mod tar;
pub mod testsuite;
mod tree;
mod writable;

pub use apply::extract::{Collision, Extraction, extract};
pub use decompress::{Compression, DecompressError, Decompressed, decompress};
pub use error::{ArchiveError, SnapshotError};
pub use export::{Part, export_tree};
pub use key::{Key, KeyError};
pub use limits::Limits;
pub use overlay::OverlaySnapshotter;
pub use snapshotter::{Change, ChangeKind, Snapshotter, Unpacked, Usage};
