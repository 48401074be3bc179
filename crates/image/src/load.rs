//! `load`: archives of `docker save` (any age) and OCI layouts.

use metadata::image::{ImageRow, ManifestRow};
use oci::{
    image::{Descriptor, ImageConfig, Index, Manifest, Platform},
    media_type as media,
};
use serde::Deserialize;
use tokio::io::AsyncRead;
use tokio_util::io::SyncIoBridge;
use types::{Digest, Reference};

use crate::{
    ImageError, Images, LayerStatus, Progress, ProgressSender, StoredLayer,
    archive::Archive,
    config,
    images::Inner,
    manifest,
    progress::{Meter, Reporter},
    stream::Tee,
};

const MANIFEST: &str = "manifest.json";
const INDEX: &str = "index.json";
const MAX_IMAGES: usize = 1000;
const MAX_NESTING: usize = 4;

/// What `load` is asked for.
#[derive(Debug, Clone, Default)]
pub struct LoadRequest {
    /// Whether layers are loaded without a word.
    pub is_quiet: bool,
    /// Which platform of an OCI layout; the host's when there is none.
    pub platform: Option<Platform>,
}

/// One image that was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// Its id.
    pub id: Digest,
    /// Its names in the archive.
    pub references: Vec<Reference>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    config: String,
    #[serde(default, deserialize_with = "oci::image::null_default")]
    repo_tags: Vec<String>,
    #[serde(default, deserialize_with = "oci::image::null_default")]
    layers: Vec<String>,
}

/// One image in an archive, in the same terms whatever the archive.
struct Candidate {
    raw_config: Vec<u8>,
    /// Member names, lowest first.
    layers: Vec<String>,
    /// As it stands in the archive.
    manifest: Option<ManifestRow>,
    references: Vec<Reference>,
}

impl Images {
    /// Loads all images of an archive (plain, gzip or zstd).
    ///
    /// # Errors
    /// [`ImageError::Archive`], [`ImageError::ArchiveDocument`], [`ImageError::Snapshot`] for a layer of another digest; those of
    /// the stores. Images before the faulty one stay loaded.
    pub async fn load(
        &self,
        request: LoadRequest,
        stream: impl AsyncRead + Send + Unpin + 'static,
        progress: Option<ProgressSender>,
    ) -> Result<Vec<Loaded>, ImageError> {
        let mut reader = SyncIoBridge::new(stream);
        let reporter = Reporter::new(progress);
        self.inner
            .blocking(move |inner| {
                let limit = inner.config.limits.stream_bytes;
                let archive = Archive::spool(&mut reader, &inner.config.spool_dir, limit)?;
                inner.load(&archive, &request, &reporter)
            })
            .await
    }
}

impl Inner {
    fn load(
        &self,
        archive: &Archive,
        request: &LoadRequest,
        reporter: &Reporter,
    ) -> Result<Vec<Loaded>, ImageError> {
        let platform = request.platform.clone().unwrap_or_else(Platform::host);
        let candidates = if archive.contains(MANIFEST) {
            from_docker(archive)?
        } else if archive.contains(INDEX) {
            from_layout(archive, &platform)?
        } else {
            return Err(refused("it has neither manifest.json nor index.json"));
        };
        let layers = if request.is_quiet { Reporter::new(None) } else { reporter.clone() };
        let mut loaded = Vec::new();
        for candidate in candidates {
            let image = self.load_one(archive, candidate, &layers)?;
            for reference in &image.references {
                let text = format!("Loaded image: {}\n", reference.familiar());
                reporter.send_blocking(Progress::Stream(text));
            }
            if image.references.is_empty() {
                let text = format!("Loaded image ID: {}\n", image.id);
                reporter.send_blocking(Progress::Stream(text));
            }
            loaded.push(image);
        }
        Ok(loaded)
    }

    fn load_one(
        &self,
        archive: &Archive,
        candidate: Candidate,
        reporter: &Reporter,
    ) -> Result<Loaded, ImageError> {
        let id = config::sha256(&candidate.raw_config);
        let document: ImageConfig = config::parse(&id, &candidate.raw_config)?;
        let diff_ids = &document.rootfs.diff_ids;
        if diff_ids.len() != candidate.layers.len() {
            let (layers, diff_ids) = (candidate.layers.len(), diff_ids.len());
            return Err(ImageError::LayerCount { id, layers, diff_ids });
        }
        let layers = candidate
            .layers
            .iter()
            .zip(diff_ids)
            .map(|(member, diff_id)| self.load_layer(archive, member, diff_id, reporter))
            .collect::<Result<Vec<StoredLayer>, _>>()?;
        let manifest = usable(candidate.manifest, &layers)?.unwrap_or_else(|| {
            let blobs: Vec<_> = layers.iter().map(|layer| layer.blob.clone()).collect();
            manifest::made_of(&id, &candidate.raw_config, &blobs)
        });
        let row = ImageRow {
            id: id.clone(),
            created_ns: config::date_ns(document.created.as_deref()),
            tagged_ns: config::now_ns(),
            config: candidate.raw_config,
            size_bytes: layers.iter().map(|layer| layer.size_bytes).sum(),
            parent: None,
            is_hidden: false,
        };
        self.name(&row, diff_ids, &[manifest], &candidate.references)?;
        Ok(Loaded { id, references: candidate.references })
    }

    fn load_layer(
        &self,
        archive: &Archive,
        member: &str,
        diff_id: &Digest,
        reporter: &Reporter,
    ) -> Result<StoredLayer, ImageError> {
        if let Some(standing) = self.standing(diff_id)? {
            return Ok(standing);
        }
        let total = archive.size(member);
        let mut meter = Meter::new(reporter, diff_id.short(), LayerStatus::LoadingLayer, total);
        let mut reader = Tee::new(archive.open(member)?, |bytes: &[u8]| {
            meter.add(bytes.len() as u64);
            Ok(())
        });
        let layer = self.add_layer(&mut reader, Some(diff_id))?;
        Ok(layer)
    }
}

fn refused(reason: impl Into<String>) -> ImageError {
    ImageError::Archive { reason: reason.into() }
}

/// The archive's own manifest, if its blobs are those that are kept here.
fn usable(
    row: Option<ManifestRow>,
    layers: &[StoredLayer],
) -> Result<Option<ManifestRow>, ImageError> {
    let Some(row) = row else { return Ok(None) };
    let document = manifest::parse(&row)?;
    let is_same = document.layers.len() == layers.len()
        && document.layers.iter().zip(layers).all(|(a, b)| a.digest == b.blob.digest);
    Ok(is_same.then_some(row))
}

fn from_docker(archive: &Archive) -> Result<Vec<Candidate>, ImageError> {
    let items: Vec<Item> = archive.json(MANIFEST)?;
    if items.len() > MAX_IMAGES {
        return Err(refused(format!("more than {MAX_IMAGES} images")));
    }
    let manifests = layout_manifests(archive)?;
    items
        .into_iter()
        .map(|item| {
            let raw_config = archive.bytes(&item.config)?;
            let id = config::sha256(&raw_config);
            let references = item
                .repo_tags
                .iter()
                .map(|text| text.parse::<Reference>().map_err(ImageError::Reference))
                .collect::<Result<_, _>>()?;
            let manifest = manifests.iter().find(|row| row.image_id == id).cloned();
            Ok(Candidate { raw_config, layers: item.layers, manifest, references })
        })
        .collect()
}

/// The manifests of an `index.json` beside a `manifest.json` (Docker 25 and later).
fn layout_manifests(archive: &Archive) -> Result<Vec<ManifestRow>, ImageError> {
    if !archive.contains(INDEX) {
        return Ok(Vec::new());
    }
    let index: Index = archive.json(INDEX)?;
    index
        .manifests
        .iter()
        .filter(|entry| media::is_manifest(&entry.media_type))
        .filter(|entry| archive.contains(&blob_path(&entry.digest)))
        .map(|entry| manifest_row(archive, entry).map(|(row, _)| row))
        .collect()
}

fn from_layout(archive: &Archive, platform: &Platform) -> Result<Vec<Candidate>, ImageError> {
    let index: Index = archive.json(INDEX)?;
    if index.manifests.len() > MAX_IMAGES {
        return Err(refused(format!("more than {MAX_IMAGES} images")));
    }
    index
        .manifests
        .iter()
        .map(|entry| {
            let found = pick(archive, entry, platform, MAX_NESTING)?;
            let (row, document) = manifest_row(archive, &found)?;
            let raw_config = verified(archive, &document.config)?;
            let layers = document.layers.iter().map(|layer| blob_path(&layer.digest)).collect();
            let references = name_of(entry).into_iter().collect();
            Ok(Candidate { raw_config, layers, manifest: Some(row), references })
        })
        .collect()
}

/// Follows nested indexes to the manifest for a platform.
fn pick(
    archive: &Archive,
    entry: &Descriptor,
    platform: &Platform,
    depth: usize,
) -> Result<Descriptor, ImageError> {
    if !media::is_index(&entry.media_type) {
        return Ok(entry.clone());
    }
    if depth == 0 {
        return Err(refused("its indexes are nested too deeply"));
    }
    let bytes = verified(archive, entry)?;
    let index: Index = serde_json::from_slice(&bytes).map_err(|source| {
        ImageError::ArchiveDocument { member: blob_path(&entry.digest), source }
    })?;
    let chosen = distribution::select_platform(&index.manifests, platform).ok_or_else(|| {
        distribution::DistributionError::NoMatchingPlatform {
            platform: distribution::format_platform(platform),
        }
    })?;
    pick(archive, chosen, platform, depth - 1)
}

fn manifest_row(
    archive: &Archive,
    entry: &Descriptor,
) -> Result<(ManifestRow, Manifest), ImageError> {
    let content = verified(archive, entry)?;
    let document: Manifest = serde_json::from_slice(&content).map_err(|source| {
        ImageError::ArchiveDocument { member: blob_path(&entry.digest), source }
    })?;
    let row = ManifestRow {
        digest: entry.digest.clone(),
        image_id: document.config.digest.clone(),
        media_type: entry.media_type.clone(),
        content,
    };
    Ok((row, document))
}

/// A document of the layout, checked against its digest.
fn verified(archive: &Archive, entry: &Descriptor) -> Result<Vec<u8>, ImageError> {
    let bytes = archive.bytes(&blob_path(&entry.digest))?;
    let actual = content::Hasher::digest(entry.digest.algorithm(), &bytes);
    if actual == entry.digest {
        return Ok(bytes);
    }
    let expected = entry.digest.clone();
    Err(distribution::DistributionError::DigestMismatch { expected, actual }.into())
}

fn blob_path(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().as_str(), digest.hex())
}

/// The name that an entry's annotations give: containerd's full name, or the specification's
/// when it is a whole reference and not just a tag.
fn name_of(entry: &Descriptor) -> Option<Reference> {
    let annotations = entry.annotations.as_ref()?;
    let full = annotations.get("io.containerd.image.name");
    let plain = annotations
        .get("org.opencontainers.image.ref.name")
        .filter(|name| name.contains(':') || name.contains('/'));
    let reference: Reference = full.or(plain)?.parse().ok()?;
    reference.digest().is_none().then(|| reference.with_default_tag())
}
