//! What the registry remembers: the trait behind which a database stands.
//!
//! # How a push and the collector keep out of each other's way
//! A push of a blob: (1) [`Catalog::pin_blob`] writes or touches the blob's row; (2) the bytes are
//! committed to the blob store; (3) [`Catalog::link_blob`] links it to the repository and fails if
//! the row is doomed or gone. The collector: (1) [`Catalog::doom_blobs`] marks rows without links
//! that nobody touched for the grace period; (2) deletes the bytes; (3) [`Catalog::bury_blob`]
//! removes the row. A push that meets a doomed row at (1) waits until it is buried, and so writes
//! its bytes after the deletion; one that pinned first is protected for the grace period; one
//! slower than that fails at (3) and is told to try again. After a crash the collector finishes
//! the rows it had doomed. Only one collector may run on a catalog.

use async_trait::async_trait;
use blob_store::UploadId;
use bytes::Bytes;
use types::Digest;

use crate::{CatalogError, ManifestReference, RepositoryName, Tag};

type Result<T> = std::result::Result<T, CatalogError>;

/// Who may pull without being asked who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    /// Everybody.
    Public,
    /// Those with rights to the repository.
    Private,
}

impl Visibility {
    /// `public` or `private`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Private => "private",
        }
    }
}

/// A text that is neither `public` nor `private`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("visibility is public or private")]
pub struct VisibilityError;

impl std::str::FromStr for Visibility {
    type Err = VisibilityError;

    fn from_str(text: &str) -> std::result::Result<Self, VisibilityError> {
        match text {
            "public" => Ok(Self::Public),
            "private" => Ok(Self::Private),
            _ => Err(VisibilityError),
        }
    }
}

/// A repository, with its visibility when it has to be made for this write.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// Its name.
    pub name: &'a RepositoryName,
    /// Of a new one; an existing one keeps its own.
    pub new_visibility: Visibility,
}

/// A repository's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// Its name.
    pub name: RepositoryName,
    /// Who may pull.
    pub visibility: Visibility,
    /// In a line.
    pub description: String,
    /// How many manifests it holds.
    pub manifests: u64,
}

/// Whose eyes a listing is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Viewer {
    /// Sees public repositories only.
    Anonymous,
    /// Sees public ones and those below this namespace.
    Namespace(String),
    /// Sees all.
    Everything,
}

/// A search.
#[derive(Debug, Clone)]
pub struct Search {
    /// Part of a name or description; empty finds all.
    pub text: String,
    /// Who asks.
    pub viewer: Viewer,
    /// Results to skip.
    pub offset: u32,
    /// Results to return.
    pub limit: u32,
}

/// A part of a listing in lexical order.
#[derive(Debug, Clone, Copy)]
pub struct Page<'a> {
    /// Begin after this name.
    pub after: &'a str,
    /// At most so many.
    pub limit: u32,
}

/// A blob as a repository has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlobLink {
    /// Length.
    pub size_bytes: u64,
    /// Whether a manifest there needs it.
    pub is_used: bool,
    /// Seconds since 1970 of the last sign of interest.
    pub touched_at: i64,
}

/// Answer to [`Catalog::pin_blob`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pin {
    /// Safe for the grace period.
    Held,
    /// The collector is deleting it: wait and pin again.
    Doomed,
}

/// Answer to a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletion {
    /// It is gone.
    Done,
    /// It was not there.
    NotFound,
    /// Something needs it.
    InUse,
}

/// A manifest to store.
#[derive(Debug)]
pub struct NewManifest<'a> {
    /// Of the content.
    pub digest: &'a Digest,
    /// As served.
    pub media_type: &'a str,
    /// The bytes.
    pub content: &'a [u8],
    /// Blobs that must be linked to the repository.
    pub blobs: Vec<&'a Digest>,
    /// Manifests that must be in the repository.
    pub children: Vec<&'a Digest>,
    /// What it is about; need not exist.
    pub subject: Option<&'a Digest>,
    /// Shown by the referrers API.
    pub artifact_type: Option<&'a str>,
    /// A JSON object, shown by the referrers API.
    pub annotations: Option<String>,
    /// Point this tag at it.
    pub tag: Option<&'a Tag>,
}

/// Answer to [`Catalog::put_manifest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Put {
    /// Stored.
    Done,
    /// Refused: this blob is not linked.
    BlobMissing(Digest),
    /// Refused: this manifest is not there.
    ChildMissing(Digest),
}

/// A stored manifest's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestRow {
    /// Its digest.
    pub digest: Digest,
    /// Its media type.
    pub media_type: String,
    /// Its length.
    pub size_bytes: u64,
}

/// A row of the referrers listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferrerRow {
    /// The referring manifest.
    pub manifest: ManifestRow,
    /// Its artifact type.
    pub artifact_type: Option<String>,
    /// Its annotations as a JSON object.
    pub annotations: Option<String>,
}

/// The catalog. All methods are transactions.
///
/// # Errors
/// All fail with [`CatalogError`] when the database does.
#[allow(clippy::missing_errors_doc)]
#[async_trait]
pub trait Catalog: Send + Sync + 'static {
    /// Finds a repository.
    async fn repository(&self, name: &RepositoryName) -> Result<Option<Repository>>;
    /// Lists repositories that hold manifests, by name.
    async fn repositories(&self, page: Page<'_>) -> Result<Vec<Repository>>;
    /// Finds repositories that hold manifests; returns a page and how many there are in all.
    async fn search(&self, search: &Search) -> Result<(Vec<Repository>, u64)>;
    /// Changes who may pull; whether the repository is there.
    async fn set_visibility(&self, name: &RepositoryName, to: Visibility) -> Result<bool>;
    /// Whether any repository lies below `namespace/`.
    async fn is_namespace_used(&self, namespace: &str) -> Result<bool>;

    /// Finds a blob of a repository.
    async fn blob(&self, name: &RepositoryName, digest: &Digest) -> Result<Option<BlobLink>>;
    /// Renews interest in a linked blob; whether it is still linked.
    async fn touch_blob(&self, name: &RepositoryName, digest: &Digest) -> Result<bool>;
    /// Announces that a blob's bytes are about to be committed.
    async fn pin_blob(&self, digest: &Digest, size_bytes: u64) -> Result<Pin>;
    /// Links a pinned blob; `false` when it is doomed or was collected.
    async fn link_blob(&self, target: Target<'_>, digest: &Digest) -> Result<bool>;
    /// Links a blob that `from` has; `false` when it has not.
    async fn mount_blob(
        &self,
        target: Target<'_>,
        digest: &Digest,
        from: &RepositoryName,
    ) -> Result<bool>;
    /// Removes a repository's link.
    async fn unlink_blob(&self, name: &RepositoryName, digest: &Digest) -> Result<Deletion>;
    /// Lists some repositories that have a blob.
    async fn blob_holders(&self, digest: &Digest, limit: u32) -> Result<Vec<RepositoryName>>;

    /// Remembers an upload.
    async fn add_upload(&self, name: &RepositoryName, id: &UploadId) -> Result<()>;
    /// Whether the upload is one of the repository's.
    async fn has_upload(&self, name: &RepositoryName, id: &UploadId) -> Result<bool>;
    /// Lists at most `limit` uploads begun before `before`.
    async fn uploads_begun(&self, before: i64, limit: u32) -> Result<Vec<UploadId>>;
    /// Forgets an upload.
    async fn remove_upload(&self, id: &UploadId) -> Result<()>;

    /// Stores a manifest and points its tag.
    async fn put_manifest(&self, target: Target<'_>, manifest: NewManifest<'_>) -> Result<Put>;
    /// Finds a manifest.
    async fn manifest(
        &self,
        name: &RepositoryName,
        reference: &ManifestReference,
    ) -> Result<Option<ManifestRow>>;
    /// Reads a manifest's bytes.
    async fn manifest_content(&self, digest: &Digest) -> Result<Option<Bytes>>;
    /// Deletes a manifest and the tags that point at it.
    async fn delete_manifest(&self, name: &RepositoryName, digest: &Digest) -> Result<Deletion>;
    /// Deletes a tag; whether it was there.
    async fn delete_tag(&self, name: &RepositoryName, tag: &Tag) -> Result<bool>;
    /// Lists tags in lexical order; `None` when there is no such repository.
    async fn tags(&self, name: &RepositoryName, page: Page<'_>) -> Result<Option<Vec<Tag>>>;
    /// Lists manifests whose subject is `subject`, by digest, optionally of one artifact type.
    async fn referrers(
        &self,
        name: &RepositoryName,
        subject: &Digest,
        artifact_type: Option<&str>,
        page: Page<'_>,
    ) -> Result<Vec<ReferrerRow>>;

    /// Unlinks at most `limit` blobs that no manifest needs and nobody touched since `before`.
    async fn drop_unused_links(&self, before: i64, limit: u32) -> Result<u64>;
    /// Dooms at most `limit` blobs without links untouched since `before`; returns all doomed.
    async fn doom_blobs(&self, before: i64, limit: u32) -> Result<Vec<(Digest, u64)>>;
    /// Removes the row of a doomed blob whose bytes are gone.
    async fn bury_blob(&self, digest: &Digest) -> Result<()>;
}
