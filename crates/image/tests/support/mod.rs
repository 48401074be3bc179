//! A service in a directory of its own, and layers to put into it.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::{io::Write as _, path::Path, sync::Arc, time::Duration};

use distribution::{Client, ClientConfig};
use gantry_image as image;
use image::{Images, ImagesConfig, Stores};
use metadata::Database;
use snapshot::OverlaySnapshotter;
use tempfile::TempDir;

pub struct House {
    pub dir: TempDir,
    pub images: Images,
    pub stores: Stores,
}

pub fn client_config() -> ClientConfig {
    ClientConfig {
        certificate_dirs: Vec::new(),
        backoff: Duration::from_millis(20),
        idle_timeout: Duration::from_secs(20),
        ..ClientConfig::default()
    }
}

pub fn stores(dir: &Path) -> Stores {
    std::fs::create_dir_all(dir).unwrap();
    Stores {
        database: Database::open(&dir.join("engine.db")).unwrap(),
        content: Arc::new(content::Store::open(dir.join("content")).unwrap()),
        snapshotter: Arc::new(OverlaySnapshotter::open(dir.join("snapshot")).unwrap()),
    }
}

pub fn open(dir: &Path, config: ClientConfig) -> (Images, Stores) {
    let stores = stores(dir);
    let spool_dir = dir.join("spool");
    std::fs::create_dir_all(&spool_dir).unwrap();
    let config_of_images = ImagesConfig { spool_dir, ..ImagesConfig::default() };
    let client = Client::new(config);
    (Images::open(stores.clone(), client, config_of_images).unwrap(), stores)
}

pub fn house() -> House {
    house_with(client_config())
}

pub fn house_with(config: ClientConfig) -> House {
    let dir = tempfile::tempdir().unwrap();
    let (images, stores) = open(dir.path(), config);
    House { dir, images, stores }
}

impl House {
    /// Layers and blobs on disk.
    pub fn counts(&self) -> (usize, usize) {
        let layers = self.stores.snapshotter.layers().unwrap().len();
        (layers, self.stores.content.digests().unwrap().len())
    }

    pub fn ingests(&self) -> usize {
        self.stores.content.ingests().unwrap().len()
    }

    pub async fn import(&self, name: &str, tar: Vec<u8>) -> types::Digest {
        let request = image::ImportRequest {
            reference: Some(name.parse().unwrap()),
            changes: vec!["CMD [\"/bin/sh\"]".into(), "LABEL made=here".into()],
            ..Default::default()
        };
        self.images.import(request, std::io::Cursor::new(tar)).await.unwrap()
    }

    /// An image of several layers: an import and commits on top.
    pub async fn stack(&self, name: &str, tars: Vec<Vec<u8>>) -> types::Digest {
        let mut parent = None;
        let count = tars.len();
        for (at, tar) in tars.into_iter().enumerate() {
            let request = image::CommitRequest {
                parent,
                execution: Default::default(),
                created_by: Some(format!("step {at}")),
                reference: (at + 1 == count).then(|| name.parse().unwrap()),
                ..Default::default()
            };
            let made = self.images.commit(request, std::io::Cursor::new(tar)).await.unwrap();
            parent = Some(made.id);
        }
        parent.unwrap()
    }
}

pub fn tar_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Bytes that do not compress, always the same for a seed.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
