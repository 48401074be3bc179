//! Blobs that are not what they were: found, forgotten, and so fetched anew by the next pull.
//!
//! A blob is checked when it comes and flushed before it gets its name; what damages it later is
//! a disk or a hand. Its length is compared at every start and before it counts as standing; its
//! digest whenever it leaves the engine, and a damaged one never leaves it. A layer that is gone
//! is unpacked again from its blob.

use std::io::{self, Read};

use content::{ContentError, Hasher};
use metadata::image as rows;
use types::Digest;

use crate::{ImageError, images::Inner};

impl Inner {
    /// Forgets blobs that are not on disk or have another length than their rows say.
    pub(crate) fn forget_missing_blobs(&self) -> Result<(), ImageError> {
        let content = &self.stores.content;
        let expected = self.read(|c| {
            let digests = rows::local_blobs(c)?;
            let known = digests.iter().map(|digest| rows::blob(c, digest));
            Ok(known.collect::<Result<Vec<_>, _>>()?)
        })?;
        let on_disk: std::collections::HashMap<_, _> =
            content.blobs()?.into_iter().map(|blob| (blob.digest, blob.size_bytes)).collect();
        for blob in expected.into_iter().flatten() {
            if on_disk.get(&blob.digest) != Some(&blob.size_bytes) {
                self.forget_blob(&blob.digest)?;
            }
        }
        Ok(())
    }

    /// The error to give when a blob turned out damaged while it was used, else `error`: the
    /// blob's digest tells.
    pub(crate) fn blame(&self, digest: &Digest, error: ImageError) -> ImageError {
        match self.stores.content.verify(digest) {
            Err(ContentError::DigestMismatch { .. } | ContentError::NotFound { .. }) => {
                match self.forget_blob(digest) {
                    Ok(()) => ImageError::Damaged { digest: digest.clone() },
                    Err(error) => error,
                }
            }
            // It is whole, or cannot be read, of which `error` tells more.
            _ => error,
        }
    }

    /// Layers whose directories are gone, as after a power failure in the middle of a removal:
    /// unpacked again where the blob is here, else the images on them are no images any more.
    pub(crate) fn mend_layers(&self) -> Result<(), ImageError> {
        let mut lost = Vec::new();
        for diff_id in self.read(|c| Ok(rows::all_layers(c)?))? {
            if self.stores.snapshotter.contains(&diff_id)? {
                continue;
            }
            let blobs = self.read(|c| Ok(rows::blobs(c, &diff_id)?))?;
            let mended = blobs
                .iter()
                .find(|blob| blob.is_local)
                .map(|blob| self.unpack_again(&blob.digest, &diff_id));
            match mended {
                Some(Ok(())) => tracing::warn!(%diff_id, "a layer was gone and is unpacked again"),
                Some(Err(error)) => {
                    tracing::error!(%diff_id, error = %types::error::chain(&error), "cannot unpack a layer again");
                    lost.push(diff_id);
                }
                None => lost.push(diff_id),
            }
        }
        self.drop_images_on(&lost)
    }

    fn unpack_again(&self, blob: &Digest, diff_id: &Digest) -> Result<(), ImageError> {
        let mut file = self.stores.content.open_blob(blob)?;
        self.unpack(&mut file, Some(diff_id))?;
        Ok(self.stores.snapshotter.sync(std::slice::from_ref(diff_id))?)
    }

    fn drop_images_on(&self, lost: &[Digest]) -> Result<(), ImageError> {
        if lost.is_empty() {
            return Ok(());
        }
        self.write(|c| {
            for image in rows::all(c)? {
                let layers = rows::layers(c, &image.id)?;
                if layers.iter().any(|(diff_id, _)| lost.contains(diff_id)) {
                    tracing::error!(image = %image.id, "an image has lost a layer and is dropped");
                    for reference in rows::references(c, &image.id)? {
                        rows::delete_reference(c, &reference)?;
                    }
                    rows::delete(c, &image.id)?;
                }
            }
            Ok(lost.iter().try_for_each(|diff_id| rows::delete_layer(c, diff_id))?)
        })
    }

    fn forget_blob(&self, digest: &Digest) -> Result<(), ImageError> {
        tracing::error!(%digest, "a layer blob is damaged on disk and forgotten");
        self.write(|c| Ok(rows::forget_local_blob(c, digest)?))?;
        match self.stores.content.delete(digest) {
            Ok(()) | Err(ContentError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Reads a blob and fails at its end if it has not its digest.
pub(crate) struct Verified<R> {
    inner: R,
    hasher: Option<Hasher>,
    expected: Digest,
}

impl<R: Read> Verified<R> {
    pub(crate) fn new(inner: R, expected: Digest) -> Self {
        Self { inner, hasher: Some(Hasher::new(expected.algorithm())), expected }
    }
}

impl<R: Read> Read for Verified<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        match &mut self.hasher {
            Some(hasher) if count > 0 => hasher.update(&buffer[..count]),
            Some(_) if buffer.is_empty() => {}
            hasher => {
                let actual = hasher.take().map(Hasher::finish);
                if actual.is_some_and(|actual| actual != self.expected) {
                    let text = format!("blob {} is damaged", self.expected);
                    return Err(io::Error::new(io::ErrorKind::InvalidData, text));
                }
            }
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use types::digest::Algorithm;

    use super::*;

    #[test]
    fn a_reader_ends_well_only_with_the_right_bytes() {
        let digest = Hasher::digest(Algorithm::Sha256, b"right");
        let read = |bytes: &[u8]| {
            let mut text = Vec::new();
            Verified::new(bytes, digest.clone()).read_to_end(&mut text).map(|_| text)
        };
        assert_eq!(read(b"right").unwrap(), b"right");
        assert!(read(b"wrong").is_err());
        assert!(read(b"righ").is_err());
        assert!(read(b"").is_err());
    }
}
