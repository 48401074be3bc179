//! The engine's side of a container's supervisor: starts `gantry-shim`, or finds the one that an
//! earlier engine started, and speaks `shim-protocol` with it.
//!
//! A task per connection owns the socket; [`Shim`] is a cheap handle to it. News come through
//! [`Events`], which is handed out once together with the handle so that none can be missed:
//! after [`ShimEvent::Lost`] nothing more comes. Dropping the last handle closes the connection;
//! the shim and its container go on, and [`Shim::connect`] finds them again.
//!
//! Refuses: shims of a later protocol version.

mod connection;
mod error;
mod launch;
mod record;
mod shim;
mod socket;

pub use connection::{Events, ShimEvent};
pub use error::ShimError;
pub use launch::ShimConfig;
pub use record::{ShimProcess, read_exit_record};
pub use shim::{Attachment, Shim, Started};
pub use socket::stream_pair;
