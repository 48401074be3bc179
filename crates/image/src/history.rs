//! `history`.

use types::{Digest, Reference};

use crate::{Image, ImageError, Images, config};

/// One line of `docker history`, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The image, for the newest line; older ones are `<missing>`.
    pub id: Option<Digest>,
    /// Seconds since the epoch.
    pub created: i64,
    /// Command.
    pub created_by: String,
    /// Names, for the newest line.
    pub tags: Vec<Reference>,
    /// Unpacked size of the step's layer.
    pub size_bytes: u64,
    /// Comment.
    pub comment: String,
}

impl Images {
    /// Tells how an image came to be, newest step first.
    ///
    /// # Errors
    /// Those of [`Images::resolve`].
    pub fn history(&self, name_or_id: &str) -> Result<Vec<HistoryEntry>, ImageError> {
        Ok(entries(&self.resolve(name_or_id)?))
    }
}

fn entries(image: &Image) -> Vec<HistoryEntry> {
    let mut sizes = image.layer_sizes.iter().copied();
    let mut entries: Vec<HistoryEntry> = image
        .config
        .history
        .iter()
        .map(|step| HistoryEntry {
            id: None,
            created: config::date_ns(step.created.as_deref()) / 1_000_000_000,
            created_by: step.created_by.clone().unwrap_or_default(),
            tags: Vec::new(),
            size_bytes: if step.empty_layer { 0 } else { sizes.next().unwrap_or(0) },
            comment: step.comment.clone().unwrap_or_default(),
        })
        .collect();
    // Layers that no step explains still take space.
    entries.extend(sizes.map(|size_bytes| HistoryEntry {
        id: None,
        created: image.created_ns / 1_000_000_000,
        created_by: String::new(),
        tags: Vec::new(),
        size_bytes,
        comment: String::new(),
    }));
    if let Some(newest) = entries.last_mut() {
        newest.id = Some(image.id.clone());
        newest.tags.clone_from(&image.tags);
    }
    entries.reverse();
    entries
}
