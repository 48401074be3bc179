//! Volumes of the `local` driver: directories that outlive containers.
//!
//! # Layout
//! `ROOT/NAME/_data` is the volume's content; the row in `metadata::volume` is its existence.
//! The directory is made before the row and removed after it, so that a row always has its
//! directory; a directory without a row is a leftover that [`Volumes::reconcile`] removes only
//! when it is empty, because data is never thrown away on a guess.
//!
//! Uses are rows too: removing a volume and starting to use it exclude each other by a
//! foreign key, not by a lock.

mod error;
mod volumes;

pub use error::VolumeError;
pub use volumes::{NewVolume, Pruned, Volume, Volumes};
