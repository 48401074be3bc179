//! The behaviour every store must have; run it against each implementation.
//!
//! Panics with the broken expectation: it is called from tests only.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use sha2::{Digest as _, Sha256, Sha512};
use types::Digest;

use crate::{BlobStore, BlobStoreError, ByteRange, UploadId};

type Store = Arc<dyn BlobStore>;

/// Runs every case, each on a fresh store from `make`.
pub async fn run(make: impl Fn() -> Store) {
    commits_and_reads_back(make()).await;
    reads_ranges(make()).await;
    refuses_a_wrong_digest(make()).await;
    resumes_where_it_stopped(make()).await;
    admits_one_writer(make()).await;
    forgets_aborted_uploads(make()).await;
    takes_the_same_blob_twice(make()).await;
    verifies_sha512(make()).await;
    lists_in_pages(make()).await;
    keeps_an_open_reader_through_deletion(make()).await;
}

/// The SHA-256 of some bytes.
#[must_use]
pub fn digest_of(bytes: &[u8]) -> Digest {
    Digest::from_sha256(&Sha256::digest(bytes).into())
}

fn id(n: u8) -> UploadId {
    UploadId::from_random([n; 16])
}

/// Bytes that differ everywhere, so that a shifted piece is noticed.
fn pattern(length: usize) -> Bytes {
    (0..length).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

async fn put(store: &Store, n: u8, bytes: Bytes) -> Digest {
    let digest = digest_of(&bytes);
    let mut upload = store.begin(&id(n)).await.unwrap();
    upload.write(bytes.clone()).await.unwrap();
    assert_eq!(upload.commit(&digest).await.unwrap(), bytes.len() as u64);
    digest
}

async fn get(store: &Store, digest: &Digest, offset: u64, length: u64) -> Vec<u8> {
    let mut reader = store.open(digest, ByteRange { offset, length }).await.unwrap();
    let mut all = Vec::new();
    while let Some(piece) = reader.next().await {
        all.extend_from_slice(&piece.unwrap());
    }
    all
}

async fn commits_and_reads_back(store: Store) {
    for (n, length) in [0, 1, 4096, 700_001, 3_000_000].into_iter().enumerate() {
        let bytes = pattern(length);
        let digest = put(&store, n as u8, bytes.clone()).await;
        let info = store.stat(&digest).await.unwrap().unwrap();
        assert_eq!(info.size_bytes, length as u64);
        assert!(get(&store, &digest, 0, length as u64).await == bytes);
    }
    let absent = digest_of(b"absent");
    assert_eq!(store.stat(&absent).await.unwrap(), None);
    let opened = store.open(&absent, ByteRange { offset: 0, length: 0 }).await;
    assert!(matches!(opened, Err(BlobStoreError::NotFound { .. })));
    assert!(store.uploads().await.unwrap().is_empty());
}

async fn reads_ranges(store: Store) {
    let bytes = pattern(1_000_000);
    let digest = put(&store, 1, bytes.clone()).await;
    for (offset, length) in [(0, 1), (999_999, 1), (1, 600_000), (1_000_000, 0)] {
        let expected = &bytes[offset as usize..(offset + length) as usize];
        assert!(get(&store, &digest, offset, length).await == expected, "{offset}+{length}");
    }
    for (offset, length) in [(0, 1_000_001), (1_000_001, 0), (u64::MAX, 2)] {
        let opened = store.open(&digest, ByteRange { offset, length }).await;
        assert!(matches!(opened, Err(BlobStoreError::OutOfRange { .. })), "{offset}+{length}");
    }
}

async fn refuses_a_wrong_digest(store: Store) {
    let claimed = digest_of(b"something else");
    let mut upload = store.begin(&id(1)).await.unwrap();
    upload.write(Bytes::from_static(b"something")).await.unwrap();
    let committed = upload.commit(&claimed).await;
    assert!(matches!(committed, Err(BlobStoreError::DigestMismatch { .. })));
    assert_eq!(store.stat(&claimed).await.unwrap(), None);
    assert_eq!(store.upload(&id(1)).await.unwrap(), None);
}

async fn resumes_where_it_stopped(store: Store) {
    let bytes = pattern(2_000_000);
    let mut upload = store.begin(&id(1)).await.unwrap();
    upload.write(bytes.slice(..900_000)).await.unwrap();
    assert_eq!(upload.suspend().await.unwrap(), 900_000);
    assert_eq!(store.upload(&id(1)).await.unwrap().unwrap().offset, 900_000);
    let mut upload = store.resume(&id(1)).await.unwrap();
    assert_eq!(upload.offset(), 900_000);
    upload.write(bytes.slice(900_000..)).await.unwrap();
    let digest = digest_of(&bytes);
    assert_eq!(upload.commit(&digest).await.unwrap(), 2_000_000);
    assert!(get(&store, &digest, 0, 2_000_000).await == bytes);
    let again = store.resume(&id(1)).await;
    assert!(matches!(again, Err(BlobStoreError::UploadNotFound { .. })));
}

async fn admits_one_writer(store: Store) {
    let upload = store.begin(&id(1)).await.unwrap();
    let second = store.resume(&id(1)).await;
    assert!(matches!(second, Err(BlobStoreError::UploadBusy { .. })));
    drop(upload);
    let upload = store.resume(&id(1)).await.unwrap();
    upload.suspend().await.unwrap();
    let reused = store.begin(&id(1)).await;
    assert!(matches!(reused, Err(BlobStoreError::UploadExists { .. })));
}

async fn forgets_aborted_uploads(store: Store) {
    let mut upload = store.begin(&id(1)).await.unwrap();
    upload.write(pattern(1_000_000)).await.unwrap();
    upload.abort().await.unwrap();
    assert_eq!(store.upload(&id(1)).await.unwrap(), None);
    let resumed = store.resume(&id(1)).await;
    assert!(matches!(resumed, Err(BlobStoreError::UploadNotFound { .. })));
}

async fn takes_the_same_blob_twice(store: Store) {
    let first = put(&store, 1, pattern(1000)).await;
    assert_eq!(put(&store, 2, pattern(1000)).await, first);
    assert!(store.delete(&first).await.unwrap());
    assert!(!store.delete(&first).await.unwrap());
    assert_eq!(store.stat(&first).await.unwrap(), None);
}

async fn verifies_sha512(store: Store) {
    let text = format!("sha512:{}", hex::encode(Sha512::digest(b"hello")));
    let digest: Digest = text.parse().unwrap();
    let mut upload = store.begin(&id(1)).await.unwrap();
    upload.write(Bytes::from_static(b"hello")).await.unwrap();
    upload.commit(&digest).await.unwrap();
    assert_eq!(get(&store, &digest, 1, 3).await, b"ell");
    let mut upload = store.begin(&id(2)).await.unwrap();
    upload.write(Bytes::from_static(b"other")).await.unwrap();
    let committed = upload.commit(&digest).await;
    assert!(matches!(committed, Err(BlobStoreError::DigestMismatch { .. })));
}

async fn lists_in_pages(store: Store) {
    let mut expected = Vec::new();
    for n in 0..20 {
        expected.push(put(&store, n, pattern(usize::from(n) + 1)).await);
    }
    expected.sort();
    let mut seen = Vec::new();
    loop {
        let page = store.list(seen.last(), 7).await.unwrap();
        assert!(page.len() <= 7);
        if page.is_empty() {
            break;
        }
        seen.extend(page.into_iter().map(|blob| blob.digest));
    }
    assert_eq!(seen, expected);
}

async fn keeps_an_open_reader_through_deletion(store: Store) {
    let bytes = pattern(2_000_000);
    let digest = put(&store, 1, bytes.clone()).await;
    let range = ByteRange { offset: 0, length: 2_000_000 };
    let mut reader = store.open(&digest, range).await.unwrap();
    assert!(store.delete(&digest).await.unwrap());
    let mut all = Vec::new();
    while let Some(piece) = reader.next().await {
        all.extend_from_slice(&piece.unwrap());
    }
    assert!(all == bytes);
}
