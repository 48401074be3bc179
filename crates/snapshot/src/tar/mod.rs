//! The tar format: reading with bounds, writing deterministically.
//!
//! Reads what layers in the wild are made of: v7, ustar (POSIX.1-1988), pax (POSIX.1-2001) and
//! GNU headers with long names, base-256 numbers and all four encodings of sparse files. Nothing
//! is read into memory without a bound, and every field that an entry takes from the network is
//! checked before it is used. Writes ustar with pax records where ustar does not suffice.
//!
//! The `tar` crate is not used for this: it has no bound on extended headers, does not know pax
//! sparse files and yields no attributes with their own limit. It is the second opinion of the
//! tests.
//!
//! Source: POSIX.1-2017, pax, "ustar Interchange Format"; GNU tar manual, appendix D; behaviour
//! in doubt follows Go's `archive/tar`, with which Docker reads layers.

mod entry;
mod header;
mod pax;
mod reader;
mod sparse;
mod writer;

pub use entry::{Entry, Kind, Timestamp, XattrList};
pub use reader::Reader;
pub use sparse::{Region, SparseMap};
pub use writer::Writer;

/// The unit of the format.
pub(crate) const BLOCK: usize = 512;
