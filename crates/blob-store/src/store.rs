//! The trait.

use std::{io, pin::Pin, time::SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::Stream;
use types::Digest;

use crate::{BlobStoreError, UploadId};

/// What a store knows about a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobInfo {
    /// Its name.
    pub digest: Digest,
    /// Its length.
    pub size_bytes: u64,
}

/// What a store knows about an unfinished upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadInfo {
    /// Its name.
    pub id: UploadId,
    /// How many bytes have arrived.
    pub offset: u64,
    /// When the last of them did.
    pub modified: SystemTime,
}

/// A piece of a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRange {
    /// First byte.
    pub offset: u64,
    /// How many, at least one unless the blob is empty.
    pub length: u64,
}

/// A blob's bytes, in pieces of at most 256 KiB.
pub type BlobReader = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// A place for blobs.
///
/// Life of an upload: [`begin`](Self::begin), any number of writes, [`Upload::suspend`] and
/// [`resume`](Self::resume) in any process, then [`Upload::commit`] or [`Upload::abort`].
#[async_trait]
pub trait BlobStore: Send + Sync + 'static {
    /// Tells a blob's size, `None` when it is not there.
    ///
    /// # Errors
    /// [`BlobStoreError::Io`].
    async fn stat(&self, digest: &Digest) -> Result<Option<BlobInfo>, BlobStoreError>;

    /// Opens a piece of a blob for reading. Deleting the blob meanwhile does not disturb it.
    ///
    /// # Errors
    /// [`BlobStoreError::NotFound`], [`BlobStoreError::OutOfRange`], [`BlobStoreError::Io`].
    async fn open(&self, digest: &Digest, range: ByteRange) -> Result<BlobReader, BlobStoreError>;

    /// Begins an upload of no bytes.
    ///
    /// # Errors
    /// [`BlobStoreError::UploadExists`], [`BlobStoreError::NoSpace`], [`BlobStoreError::Io`].
    async fn begin(&self, id: &UploadId) -> Result<Box<dyn Upload>, BlobStoreError>;

    /// Goes on with an upload where it stopped.
    ///
    /// # Errors
    /// [`BlobStoreError::UploadNotFound`], [`BlobStoreError::UploadBusy`],
    /// [`BlobStoreError::Io`].
    async fn resume(&self, id: &UploadId) -> Result<Box<dyn Upload>, BlobStoreError>;

    /// Tells about an upload without claiming it, `None` when it is not there.
    ///
    /// # Errors
    /// [`BlobStoreError::Io`].
    async fn upload(&self, id: &UploadId) -> Result<Option<UploadInfo>, BlobStoreError>;

    /// Lists the unfinished uploads, in no order.
    ///
    /// # Errors
    /// [`BlobStoreError::Io`].
    async fn uploads(&self) -> Result<Vec<UploadInfo>, BlobStoreError>;

    /// Deletes a blob; whether it was there.
    ///
    /// # Errors
    /// [`BlobStoreError::Io`].
    async fn delete(&self, digest: &Digest) -> Result<bool, BlobStoreError>;

    /// Lists at most `limit` blobs after `after`, in the order of their digests' text.
    ///
    /// # Errors
    /// [`BlobStoreError::Io`].
    async fn list(
        &self,
        after: Option<&Digest>,
        limit: usize,
    ) -> Result<Vec<BlobInfo>, BlobStoreError>;
}

/// The one writer of an upload. Dropping it loses what was not yet flushed, never more; the
/// upload itself stays.
#[async_trait]
pub trait Upload: Send {
    /// How many bytes it has, counting those written through this handle.
    fn offset(&self) -> u64;

    /// Appends bytes.
    ///
    /// # Errors
    /// [`BlobStoreError::NoSpace`], [`BlobStoreError::Io`].
    async fn write(&mut self, bytes: Bytes) -> Result<(), BlobStoreError>;

    /// Hands everything written to the store and lets go; returns the offset.
    ///
    /// # Errors
    /// [`BlobStoreError::NoSpace`], [`BlobStoreError::Io`].
    async fn suspend(self: Box<Self>) -> Result<u64, BlobStoreError>;

    /// Verifies the bytes against `expected` and makes them a blob, durably; returns its size.
    /// When the blob is there already, the upload is just removed.
    ///
    /// # Errors
    /// [`BlobStoreError::DigestMismatch`] (the upload is gone then), [`BlobStoreError::NoSpace`],
    /// [`BlobStoreError::Io`].
    async fn commit(self: Box<Self>, expected: &Digest) -> Result<u64, BlobStoreError>;

    /// Removes the upload.
    ///
    /// # Errors
    /// [`BlobStoreError::Io`].
    async fn abort(self: Box<Self>) -> Result<(), BlobStoreError>;
}
