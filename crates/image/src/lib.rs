//! Images: pull, push, load, save, import, commit, tag, remove, list, history, garbage.
//!
//! # What is kept where
//! Configurations and manifests are rows (`metadata::image`), byte for byte. Layers are unpacked
//! in `snapshot`, keyed by diff id, and their blobs stay in `content` as they came, so that a
//! push, a save, or a later `/v2/` of the engine gives the very bytes (docs/decisions/0001).
//!
//! # Invariants
//! - An image row is written in one transaction, after every layer below it stands and is synced.
//! - A layer and its blobs live while an image stands on them or a [`lease`](hold::Hold) holds
//!   them; what drops the last of these removes them in the same operation.
//! - An image that was removed by force below a container stays hidden until the container is
//!   gone ([`Images::sweep`]).
//! - Archives and registries are hostile: every size is bounded, every digest is verified.

mod archive;
mod changes;
mod commit;
mod config;
mod damage;
mod error;
mod fetch;
mod filter;
mod flight;
mod garbage;
mod history;
mod hold;
mod images;
mod import;
mod layer;
mod list;
mod load;
mod manifest;
mod model;
mod progress;
mod prune;
mod pull;
mod push;
mod remove;
mod save;
mod search;
mod stream;
mod usage;

pub use changes::ChangeError;
pub use commit::{CommitRequest, NewImage};
pub use error::{ConflictReason, ImageError};
pub use filter::{FilterError, ImageFilters};
pub use history::HistoryEntry;
pub use hold::Hold;
pub use images::{Images, ImagesConfig, Stores};
pub use import::ImportRequest;
pub use layer::StoredLayer;
pub use load::{LoadRequest, Loaded};
pub use model::Image;
pub use progress::{LayerStatus, Progress, ProgressSender};
pub use prune::Pruned;
pub use pull::PullRequest;
pub use push::PushRequest;
pub use remove::{RemoveRequest, Removed};
pub use search::SearchRequest;
pub use usage::{DiskUsage, ImageUse, ImageUser, NoContainers};
