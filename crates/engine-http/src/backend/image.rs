//! What `/images`, `/commit` and `/distribution` need.

use async_trait::async_trait;
use engine_api::{
    auth::AuthConfig,
    container::ContainerConfig,
    descriptor::{DistributionInspect, Platform},
    image::{
        ImageDeleteItem, ImageHistoryItem, ImageInspect, ImagePruneReport, ImageSearchItem,
        ImageSummary,
    },
    progress::ProgressMessage,
};
use futures_util::stream::BoxStream;
use types::Reference;

use crate::{Answer, ByteStream, Filters};

/// Progress of a long operation. An error as the first item becomes the status of the answer;
/// a later one ends the stream as `errorDetail`. Success is the end of the stream.
pub type ProgressStream = BoxStream<'static, Answer<ProgressMessage>>;

/// `GET /images/json`
#[derive(Debug, Clone, Default)]
pub struct ListImages {
    /// Also intermediate ones.
    pub all: bool,
    /// `before dangling label reference since until`.
    pub filters: Filters,
    /// Compute `SharedSize` (else -1).
    pub shared_size: bool,
    /// Fill `Manifests`.
    pub manifests: bool,
}

/// `POST /images/create?fromImage=`
#[derive(Debug, Clone)]
pub struct PullImage {
    /// What to pull; without tag and digest: all tags of the repository.
    pub reference: Reference,
    /// Instead of the host's.
    pub platform: Option<Platform>,
    /// The client's credentials for the registry.
    pub auth: Option<AuthConfig>,
}

/// Where an import comes from.
pub enum ImportSource {
    /// The request's body.
    Body(ByteStream),
    /// A URL with its scheme.
    Url(String),
}

/// `POST /images/create?fromSrc=`
pub struct ImportImage {
    /// The tar archive.
    pub source: ImportSource,
    /// The name to give, always with a tag.
    pub reference: Option<Reference>,
    /// The history's comment, never empty.
    pub message: String,
    /// Dockerfile instructions to apply to the configuration.
    pub changes: Vec<String>,
    /// Instead of the host's.
    pub platform: Option<Platform>,
}

/// `GET /images/{name}/json`
#[derive(Debug, Clone, Default)]
pub struct InspectImage {
    /// Fill `Manifests`; not together with `platform`.
    pub manifests: bool,
    /// Instead of the host's.
    pub platform: Option<Platform>,
}

/// `POST /images/{name}/push`
#[derive(Debug, Clone)]
pub struct PushImage {
    /// What to push; without a tag: all tags of the repository.
    pub reference: Reference,
    /// Only this platform of an index.
    pub platform: Option<Platform>,
    /// The client's credentials for the registry.
    pub auth: Option<AuthConfig>,
}

/// `DELETE /images/{name}`
#[derive(Debug, Clone, Default)]
pub struct DeleteImage {
    /// Also if stopped containers use it or it has several names.
    pub force: bool,
    /// Keep untagged parents.
    pub no_prune: bool,
    /// Only these platforms of an index.
    pub platforms: Vec<Platform>,
}

/// `GET /images/search`
#[derive(Debug, Clone, Default)]
pub struct SearchImages {
    /// Words, maybe with a registry's host before a slash.
    pub term: String,
    /// At most so many; `None` is the registry's default.
    pub limit: Option<u32>,
    /// `is-automated is-official stars`.
    pub filters: Filters,
    /// The client's credentials for the registry.
    pub auth: Option<AuthConfig>,
}

/// `GET /images/get` and `GET /images/{name}/get`
#[derive(Debug, Clone, Default)]
pub struct SaveImages {
    /// Names and ids.
    pub names: Vec<String>,
    /// Only these platforms of an index.
    pub platforms: Vec<Platform>,
}

/// `POST /images/load`
#[derive(Debug, Clone, Default)]
pub struct LoadImages {
    /// Without progress bars; the `Loaded image: ..` lines stay.
    pub quiet: bool,
    /// Only these platforms of an index.
    pub platforms: Vec<Platform>,
}

/// `POST /commit`
#[derive(Debug, Clone)]
pub struct CommitContainer {
    /// The container.
    pub container: String,
    /// The name to give, always with a tag.
    pub reference: Option<Reference>,
    /// The history's comment.
    pub comment: String,
    /// Who did it.
    pub author: String,
    /// Freeze the container meanwhile.
    pub pause: bool,
    /// Dockerfile instructions to apply to the configuration.
    pub changes: Vec<String>,
    /// Values that override the container's configuration.
    pub config: Option<ContainerConfig>,
}

/// What `/images` needs from the engine.
#[async_trait]
pub trait ImageBackend: Send + Sync + 'static {
    /// Lists images, newest first.
    async fn list(&self, options: ListImages) -> Answer<Vec<ImageSummary>>;

    /// Pulls; messages as Docker's (`Pulling from library/busybox`, `Downloading`, ...,
    /// `Digest: ..`, `Status: Downloaded newer image for busybox:latest`).
    async fn pull(&self, options: PullImage) -> Answer<ProgressStream>;

    /// Makes an image of one layer from a tar archive; the last message's status is its id.
    async fn import(&self, options: ImportImage) -> Answer<ProgressStream>;

    /// Describes an image.
    async fn inspect(&self, name: &str, options: InspectImage) -> Answer<ImageInspect>;

    /// Lists its history, newest first.
    async fn history(
        &self,
        name: &str,
        platform: Option<Platform>,
    ) -> Answer<Vec<ImageHistoryItem>>;

    /// Pushes; the last message has `aux` `{"Tag","Digest","Size"}`.
    async fn push(&self, options: PushImage) -> Answer<ProgressStream>;

    /// Gives an image a further name (always with a tag), taking it from another one.
    async fn tag(&self, name: &str, reference: Reference) -> Answer<()>;

    /// Removes a name, and the image with its last name.
    async fn delete(&self, name: &str, options: DeleteImage) -> Answer<Vec<ImageDeleteItem>>;

    /// Asks a registry.
    async fn search(&self, options: SearchImages) -> Answer<Vec<ImageSearchItem>>;

    /// Streams images as a tar archive (OCI layout with Docker's `manifest.json`). Unknown names
    /// fail before the first byte.
    async fn save(&self, options: SaveImages) -> Answer<ByteStream>;

    /// Reads such an archive (plain or compressed).
    async fn load(&self, options: LoadImages, archive: ByteStream) -> Answer<ProgressStream>;

    /// Removes unused images (filters `dangling`, `until`, `label`, `label!`).
    async fn prune(&self, filters: Filters) -> Answer<ImagePruneReport>;

    /// Makes an image of a container and returns its digest.
    async fn commit(&self, options: CommitContainer) -> Answer<String>;

    /// Asks a registry what is behind a name (which has a tag or digest).
    async fn distribution(
        &self,
        reference: Reference,
        auth: Option<AuthConfig>,
    ) -> Answer<DistributionInspect>;
}
