//! The vocabulary of Gantry: ids, names, references, digests and the closed error kind.
//!
//! Every value here is parsed once, at the edge, and is valid from then on: there is no object
//! that needs a later `validate()`. No I/O and no async.

pub mod digest;
pub mod error;
pub mod id;
pub mod name;
pub mod reference;
pub mod rootfs;
pub mod secret;
pub mod signal;

pub use digest::{Digest, DigestError};
pub use error::{Classify, ErrorKind};
pub use id::{ContainerId, EndpointId, ExecId, IdError, NetworkId};
pub use name::{ContainerName, NameError, VolumeName};
pub use reference::{Reference, ReferenceError};
pub use rootfs::RootFilesystem;
pub use secret::Secret;
pub use signal::{Signal, SignalError};
