//! Both stores behave alike; the disk also survives a restart.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use blob_store::{BlobStore, BlobStoreError, DiskStore, MemoryStore, UploadId, testsuite};
use bytes::Bytes;

// The package's library is `gantry_blob_store` from outside.
use gantry_blob_store as blob_store;

#[tokio::test]
async fn memory_behaves() {
    testsuite::run(|| Arc::new(MemoryStore::new())).await;
}

#[tokio::test]
async fn disk_behaves() {
    let dir = tempfile::tempdir().unwrap();
    let next = AtomicUsize::new(0);
    testsuite::run(|| {
        let root = dir.path().join(next.fetch_add(1, Ordering::Relaxed).to_string());
        Arc::new(DiskStore::open(&root).unwrap())
    })
    .await;
}

#[tokio::test]
async fn disk_resumes_after_a_restart_and_still_verifies() {
    let dir = tempfile::tempdir().unwrap();
    let id = UploadId::from_random([7; 16]);
    let store = DiskStore::open(dir.path()).unwrap();
    let mut upload = store.begin(&id).await.unwrap();
    upload.write(Bytes::from_static(b"hello ")).await.unwrap();
    upload.suspend().await.unwrap();
    drop(store);
    let store = DiskStore::open(dir.path()).unwrap();
    let mut upload = store.resume(&id).await.unwrap();
    assert_eq!(upload.offset(), 6);
    upload.write(Bytes::from_static(b"world")).await.unwrap();
    let digest = testsuite::digest_of(b"hello world");
    assert_eq!(upload.commit(&digest).await.unwrap(), 11);

    let other = UploadId::from_random([8; 16]);
    let mut upload = store.begin(&other).await.unwrap();
    upload.write(Bytes::from_static(b"hello ")).await.unwrap();
    upload.suspend().await.unwrap();
    let store = DiskStore::open(dir.path()).unwrap();
    let mut upload = store.resume(&other).await.unwrap();
    upload.write(Bytes::from_static(b"moon")).await.unwrap();
    let wrong = upload.commit(&digest).await;
    assert!(matches!(wrong, Err(BlobStoreError::DigestMismatch { .. })));
}
