//! One image, as everything above sees it.

use std::time::{Duration, SystemTime};

use metadata::{DatabaseError, image as rows, rusqlite::Connection};
use oci::image::{ImageConfig, Platform};
use types::{Digest, Reference};

use crate::ImageError;

/// An image that is here whole.
#[derive(Debug, Clone)]
pub struct Image {
    /// Digest of the configuration.
    pub id: Digest,
    /// The configuration.
    pub config: ImageConfig,
    /// The configuration, byte for byte.
    pub raw_config: Vec<u8>,
    /// Its layers, lowest first.
    pub diff_ids: Vec<Digest>,
    /// Unpacked size of each layer.
    pub layer_sizes: Vec<u64>,
    /// Its names with a tag (`RepoTags`).
    pub tags: Vec<Reference>,
    /// Its names with a digest (`RepoDigests`).
    pub digests: Vec<Reference>,
    /// Unpacked size of all layers.
    pub size_bytes: u64,
    /// The local image that it was made from.
    pub parent: Option<Digest>,
    /// The configuration's date in nanoseconds since the epoch; 0 when it has none.
    pub created_ns: i64,
    /// When it was last tagged.
    pub tagged: SystemTime,
}

impl Image {
    /// The platform that the configuration names.
    #[must_use]
    pub fn platform(&self) -> Platform {
        platform(&self.config)
    }

    /// Whether it can run where `wanted` can.
    #[must_use]
    pub fn runs_on(&self, wanted: &Platform) -> bool {
        distribution::platform_matches(wanted, &self.platform())
    }

    /// The platform as people write it.
    #[must_use]
    pub fn platform_text(&self) -> String {
        distribution::format_platform(&self.platform())
    }

    /// The refusal of an image that was named, for a platform that it is not for.
    #[must_use]
    pub fn wrong_platform(&self, name: &str, wanted: &Platform) -> ImageError {
        ImageError::Platform {
            reference: name.to_owned(),
            wanted: distribution::format_platform(wanted),
            actual: self.platform_text(),
        }
    }

    /// Tags and digests.
    pub fn references(&self) -> impl Iterator<Item = &Reference> {
        self.tags.iter().chain(&self.digests)
    }

    /// Whether it has no tag.
    #[must_use]
    pub fn is_dangling(&self) -> bool {
        self.tags.is_empty()
    }
}

pub(crate) fn platform(config: &ImageConfig) -> Platform {
    Platform {
        architecture: config.architecture.clone(),
        os: if config.os.is_empty() { "linux".to_owned() } else { config.os.clone() },
        os_version: config.os_version.clone(),
        variant: config.variant.clone(),
    }
}

/// Reads an image by id; `None` when there is no such row.
pub(crate) fn read(connection: &Connection, id: &Digest) -> Result<Option<Image>, ImageError> {
    let Some(row) = rows::get(connection, id)? else { return Ok(None) };
    from_row(connection, row).map(Some)
}

pub(crate) fn from_row(connection: &Connection, row: rows::ImageRow) -> Result<Image, ImageError> {
    let config: ImageConfig = serde_json::from_slice(&row.config).map_err(|source| {
        DatabaseError::Damaged { what: "image", key: row.id.to_string(), source }
    })?;
    let (diff_ids, layer_sizes) = rows::layers(connection, &row.id)?.into_iter().unzip();
    let references = rows::references(connection, &row.id)?;
    let (digests, tags) = references.into_iter().partition(|name| name.digest().is_some());
    let tagged =
        SystemTime::UNIX_EPOCH + Duration::from_nanos(u64::try_from(row.tagged_ns).unwrap_or(0));
    Ok(Image {
        id: row.id,
        config,
        raw_config: row.config,
        diff_ids,
        layer_sizes,
        tags,
        digests,
        size_bytes: row.size_bytes,
        parent: row.parent,
        created_ns: row.created_ns,
        tagged,
    })
}
