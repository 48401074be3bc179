//! The collector and pushes, step by step and at once.
#![allow(clippy::unwrap_used)] // Helpers outside of test functions are tests too.

use std::{sync::Arc, time::Duration};

use blob_store::{BlobStore, MemoryStore};
use bytes::Bytes;
use gantry_registry::{
    Database, Limits, PutManifest, Registry, RegistryError, RepositoryName, SqliteCatalog,
    catalog::{Catalog, Pin, Target, Visibility},
};
use sha2::{Digest as _, Sha256};
use types::Digest;

struct Setup {
    registry: Registry,
    catalog: Arc<SqliteCatalog>,
    blobs: Arc<MemoryStore>,
    _dir: tempfile::TempDir,
}

async fn setup(grace: Duration) -> Setup {
    let dir = tempfile::tempdir().unwrap();
    let database = Database::open(&dir.path().join("hub.db")).await.unwrap();
    let catalog = Arc::new(SqliteCatalog::open(database).await.unwrap());
    let blobs = Arc::new(MemoryStore::new());
    let limits = Limits { grace, ..Limits::default() };
    let registry = Registry::new(catalog.clone(), blobs.clone(), limits);
    Setup { registry, catalog, blobs, _dir: dir }
}

fn name(text: &str) -> RepositoryName {
    text.parse().unwrap()
}

fn digest(bytes: &[u8]) -> Digest {
    Digest::from_sha256(&Sha256::digest(bytes).into())
}

async fn push_blob(
    registry: &Registry,
    name: &RepositoryName,
    bytes: &[u8],
) -> Result<Digest, RegistryError> {
    let mut upload = registry.begin_upload(name).await?;
    upload.write(Bytes::copy_from_slice(bytes)).await?;
    let digest = digest(bytes);
    upload.finish(&digest).await?;
    Ok(digest)
}

async fn push_image(
    registry: &Registry,
    name: &RepositoryName,
    layer: &[u8],
) -> Result<Digest, RegistryError> {
    let config = push_blob(registry, name, b"{}").await?;
    let layer = push_blob(registry, name, layer).await?;
    let content = format!(
        r#"{{"schemaVersion":2,"config":{{"mediaType":"c","digest":"{config}","size":2}},"layers":[{{"mediaType":"l","digest":"{layer}","size":1}}]}}"#
    );
    let reference = "v1".parse().unwrap();
    let put = PutManifest { reference: &reference, content_type: None, content: content.into() };
    Ok(registry.put_manifest(name, put).await?.digest)
}

const LATER: i64 = i64::MAX;

/// Collects as if the grace period of everything had passed.
async fn collect_all(setup: &Setup) {
    setup.catalog.drop_unused_links(LATER, 1000).await.unwrap();
    for (digest, _) in setup.catalog.doom_blobs(LATER, 1000).await.unwrap() {
        setup.blobs.delete(&digest).await.unwrap();
        setup.catalog.bury_blob(&digest).await.unwrap();
    }
}

#[tokio::test]
async fn keeps_what_any_manifest_needs_and_takes_the_rest() {
    let setup = setup(Duration::from_secs(3600)).await;
    let (one, two) = (name("a/one"), name("a/two"));
    let shared = push_image(&setup.registry, &one, b"shared").await.unwrap();
    push_image(&setup.registry, &two, b"shared").await.unwrap();
    let stray = push_blob(&setup.registry, &one, b"stray").await.unwrap();
    assert_eq!(setup.registry.collect().await.unwrap(), Default::default());
    collect_all(&setup).await;
    assert_eq!(setup.blobs.stat(&stray).await.unwrap(), None);
    assert!(setup.blobs.stat(&digest(b"shared")).await.unwrap().is_some());

    setup.registry.delete_manifest(&one, &shared.to_string().parse().unwrap()).await.unwrap();
    collect_all(&setup).await;
    let layer = digest(b"shared");
    assert!(setup.registry.stat_blob(&one, &layer).await.is_err());
    assert_eq!(setup.registry.stat_blob(&two, &layer).await.unwrap(), 6);
    assert!(setup.blobs.stat(&layer).await.unwrap().is_some());

    setup.registry.delete_manifest(&two, &shared.to_string().parse().unwrap()).await.unwrap();
    collect_all(&setup).await;
    assert_eq!(setup.blobs.list(None, 10).await.unwrap(), []);
}

#[tokio::test]
async fn a_push_waits_out_a_deletion_and_a_late_link_is_refused() {
    let setup = setup(Duration::from_secs(3600)).await;
    let repository = name("a/b");
    let blob = push_blob(&setup.registry, &repository, b"x").await.unwrap();
    setup.catalog.drop_unused_links(LATER, 10).await.unwrap();
    assert_eq!(setup.catalog.doom_blobs(LATER, 10).await.unwrap(), [(blob.clone(), 1)]);
    // The collector is between its mark and its deletion.
    assert_eq!(setup.catalog.pin_blob(&blob, 1).await.unwrap(), Pin::Doomed);
    let target = Target { name: &repository, new_visibility: Visibility::Private };
    assert!(!setup.catalog.link_blob(target, &blob).await.unwrap());
    let pushing = {
        let (registry, repository) = (setup.registry.clone(), repository.clone());
        tokio::spawn(async move { push_blob(&registry, &repository, b"x").await })
    };
    tokio::task::yield_now().await;
    setup.blobs.delete(&blob).await.unwrap();
    setup.catalog.bury_blob(&blob).await.unwrap();
    pushing.await.unwrap().unwrap();
    assert!(setup.blobs.stat(&blob).await.unwrap().is_some());
    assert_eq!(setup.registry.stat_blob(&repository, &blob).await.unwrap(), 1);
}

#[tokio::test]
async fn finishes_what_a_killed_collector_began() {
    let setup = setup(Duration::from_secs(3600)).await;
    let blob = push_blob(&setup.registry, &name("a/b"), b"x").await.unwrap();
    setup.catalog.drop_unused_links(LATER, 10).await.unwrap();
    setup.catalog.doom_blobs(LATER, 10).await.unwrap();
    let collected = setup.registry.collect().await.unwrap();
    assert_eq!((collected.blobs, collected.bytes), (1, 1));
    assert_eq!(setup.blobs.stat(&blob).await.unwrap(), None);
}

/// Without any grace period a push may be refused, but what it acknowledged is whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn collecting_without_grace_never_breaks_an_acknowledged_image() {
    let setup = Arc::new(setup(Duration::ZERO).await);
    let collector = {
        let setup = setup.clone();
        tokio::spawn(async move {
            loop {
                collect_all(&setup).await;
                // Leaves room for some pushes to get through.
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
    };
    let workers: Vec<_> = (0..4)
        .map(|worker| {
            let setup = setup.clone();
            tokio::spawn(async move {
                let mut acknowledged = 0;
                for n in 0..60_u32 {
                    let repository = name(&format!("a/r{}", worker % 2));
                    let layer = format!("layer {}", n % 5);
                    if let Ok(image) =
                        push_image(&setup.registry, &repository, layer.as_bytes()).await
                    {
                        acknowledged += 1;
                        for blob in [digest(layer.as_bytes()), digest(b"{}")] {
                            let held = setup.blobs.stat(&blob).await.unwrap();
                            let is_there = setup
                                .registry
                                .manifest(&repository, &image.to_string().parse().unwrap())
                                .await;
                            assert!(held.is_some() || is_there.is_err(), "{image} lost {blob}");
                        }
                    }
                }
                acknowledged
            })
        })
        .collect();
    let mut acknowledged = 0;
    for worker in workers {
        acknowledged += worker.await.unwrap();
    }
    collector.abort();
    let _ = collector.await;
    for repository in ["a/r0", "a/r1"].map(name) {
        let found = setup.registry.manifest(&repository, &"v1".parse().unwrap()).await;
        let Ok(row) = found else { continue };
        let reference = row.digest.to_string().parse().unwrap();
        let (_, content) = setup.registry.manifest_content(&repository, &reference).await.unwrap();
        let document: serde_json::Value = serde_json::from_slice(&content).unwrap();
        let layer: Digest = document["layers"][0]["digest"].as_str().unwrap().parse().unwrap();
        assert!(setup.blobs.stat(&layer).await.unwrap().is_some());
    }
    assert!(acknowledged > 0, "no push got through");
}
