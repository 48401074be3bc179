//! The documents of the Open Container Initiative: images (image-spec 1.1), runtime
//! configuration (runtime-spec 1.2) and the distribution API (distribution-spec 1.1).
//!
//! Plain data with public fields, tolerant of unknown fields, no I/O. A manifest is never
//! re-serialised for its digest: keep the raw bytes beside the parsed document.

pub mod distribution;
pub mod image;
pub mod media_type;
pub mod runtime;
