//! Manifests: the one an image came with, or one made for it.

use metadata::{
    image::{self as rows, BlobRow, ManifestRow},
    rusqlite::Connection,
};
use oci::{
    image::{Descriptor, Manifest},
    media_type as media,
};
use types::Digest;

use crate::{Image, ImageError, config};

pub(crate) fn parse(row: &ManifestRow) -> Result<Manifest, ImageError> {
    serde_json::from_slice(&row.content)
        .map_err(|source| ImageError::Manifest { digest: row.digest.clone(), source })
}

pub(crate) fn descriptor(media_type: &str, digest: Digest, size: u64) -> Descriptor {
    Descriptor {
        media_type: media_type.to_owned(),
        digest,
        size,
        urls: None,
        annotations: None,
        platform: None,
        artifact_type: None,
    }
}

/// A manifest of the image whose layers are all in the content store, with its blobs lowest
/// first: one that it came with, else a new one, which is not noted yet.
pub(crate) fn complete(
    connection: &Connection,
    image: &Image,
) -> Result<(ManifestRow, Vec<BlobRow>), ImageError> {
    for row in rows::manifests(connection, &image.id)? {
        let manifest = parse(&row)?;
        let blobs = manifest
            .layers
            .iter()
            .map(|layer| rows::blob(connection, &layer.digest))
            .collect::<Result<Option<Vec<_>>, _>>()?;
        if let Some(blobs) = blobs.filter(|blobs| blobs.iter().all(|blob| blob.is_local)) {
            return Ok((row, blobs));
        }
    }
    let mut blobs = Vec::new();
    for diff_id in &image.diff_ids {
        let local = rows::blobs(connection, diff_id)?.into_iter().find(|blob| blob.is_local);
        blobs.push(
            local.ok_or_else(|| content::ContentError::NotFound { digest: diff_id.clone() })?,
        );
    }
    Ok((made_of(&image.id, &image.raw_config, &blobs), blobs))
}

/// An OCI manifest for a configuration and blobs; the same for the same input.
pub(crate) fn made_of(id: &Digest, raw_config: &[u8], blobs: &[BlobRow]) -> ManifestRow {
    let layers = blobs
        .iter()
        .map(|blob| descriptor(oci_type(&blob.media_type), blob.digest.clone(), blob.size_bytes))
        .collect();
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(media::OCI_MANIFEST.to_owned()),
        config: descriptor(media::OCI_CONFIG, id.clone(), raw_config.len() as u64),
        layers,
        subject: None,
        artifact_type: None,
        annotations: None,
    };
    let content = serde_json::to_vec(&manifest).expect("a manifest has only string keys");
    ManifestRow {
        digest: config::sha256(&content),
        image_id: id.clone(),
        media_type: media::OCI_MANIFEST.to_owned(),
        content,
    }
}

fn oci_type(media_type: &str) -> &str {
    match media_type {
        media::DOCKER_LAYER_GZIP => media::OCI_LAYER_GZIP,
        media::DOCKER_LAYER => media::OCI_LAYER,
        other => other,
    }
}
