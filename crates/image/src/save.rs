//! `save`: a `docker load` archive that is an OCI layout too, as Docker 25 and later write it.

use std::{
    collections::{BTreeMap, HashSet},
    io::{self, Read, Write},
};

use metadata::{
    image::{self as rows, BlobRow, ManifestRow},
    rusqlite::Connection,
};
use oci::{
    image::{Descriptor, Index},
    media_type as media,
};
use serde::Serialize;
use tokio::io::AsyncWrite;
use tokio_util::io::SyncIoBridge;
use types::{Digest, Reference};

use crate::{
    Hold, Image, ImageError, Images,
    damage::Verified,
    images::{Inner, find, not_found},
    manifest, model,
};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
    layer_sources: BTreeMap<String, Descriptor>,
}

/// One image of the archive.
struct Entry {
    image: Image,
    /// The names that were asked for; none when it was asked for by id.
    names: Vec<Reference>,
    manifest: ManifestRow,
    blobs: Vec<BlobRow>,
    _hold: Hold,
}

impl Images {
    /// Checks that all names are known, for an answer before the archive begins.
    ///
    /// # Errors
    /// [`ImageError::NotFound`].
    pub fn check_save(&self, names: &[String]) -> Result<(), ImageError> {
        self.inner.read(|c| chosen(c, names).map(drop))
    }

    /// Writes images and their names to `out`. A name without a tag means all tags of the
    /// repository; an id is saved without a name.
    ///
    /// # Errors
    /// [`ImageError::NotFound`]; [`ImageError::Stream`] when `out` breaks.
    pub async fn save(
        &self,
        names: Vec<String>,
        out: impl AsyncWrite + Send + Unpin + 'static,
    ) -> Result<(), ImageError> {
        let mut writer = SyncIoBridge::new(out);
        self.inner
            .blocking(move |inner| {
                let entries = inner.entries(&names)?;
                inner.write_archive(&entries, &mut writer)?;
                writer.flush().map_err(ImageError::stream("write archive"))?;
                writer.shutdown().map_err(ImageError::stream("write archive"))
            })
            .await
    }
}

/// Images in order of first mention, each with the names that were asked for.
fn chosen(
    connection: &Connection,
    names: &[String],
) -> Result<Vec<(Digest, Vec<Reference>)>, ImageError> {
    let mut found: Vec<(Digest, Vec<Reference>)> = Vec::new();
    let mut add = |id: Digest, name: Option<Reference>| {
        let at = found.iter().position(|(known, _)| *known == id).unwrap_or_else(|| {
            found.push((id, Vec::new()));
            found.len() - 1
        });
        let list = &mut found[at].1;
        list.extend(name.filter(|name| !list.contains(name)));
    };
    for name in names {
        let reference = name.parse::<Reference>().ok();
        if let Some(bare) = reference.as_ref().filter(|reference| reference.is_name_only()) {
            let all = rows::all_references(connection)?;
            let tags: Vec<_> = all
                .into_iter()
                .filter(|(known, _)| known.name() == bare.name() && known.tag().is_some())
                .collect();
            if !tags.is_empty() {
                tags.into_iter().for_each(|(tag, id)| add(id, Some(tag)));
                continue;
            }
        }
        let id = find(connection, name)?;
        let tagged = reference.filter(|reference| reference.digest().is_none());
        let named = match tagged.map(Reference::with_default_tag) {
            Some(tag) if rows::by_reference(connection, &tag)?.as_ref() == Some(&id) => Some(tag),
            _ => None,
        };
        add(id, named);
    }
    Ok(found)
}

impl Inner {
    fn entries(&self, names: &[String]) -> Result<Vec<Entry>, ImageError> {
        let chosen = self.read(|c| chosen(c, names))?;
        chosen
            .into_iter()
            .map(|(id, names)| {
                let image = self.image(&id)?;
                let hold = self.holds.hold(&image.diff_ids);
                self.read(|c| {
                    let image = model::read(c, &id)?.ok_or_else(|| not_found(&id.to_string()))?;
                    let (manifest, blobs) = manifest::complete(c, &image)?;
                    Ok(Entry { image, names, manifest, blobs, _hold: hold })
                })
            })
            .collect()
    }

    fn write_archive(&self, entries: &[Entry], out: &mut dyn Write) -> Result<(), ImageError> {
        let failed = || ImageError::stream("write archive");
        let mut archive = Tar { builder: tar::Builder::new(out), written: HashSet::new() };
        archive.directory("blobs/").map_err(failed())?;
        archive.directory("blobs/sha256/").map_err(failed())?;
        for entry in entries {
            for blob in &entry.blobs {
                if archive.is_new(&blob.digest) {
                    let file = self.stores.content.open_blob(&blob.digest)?;
                    let path = blob_path(&blob.digest);
                    let file = Verified::new(file, blob.digest.clone());
                    archive
                        .file(&path, blob.size_bytes, file)
                        .map_err(failed())
                        .map_err(|error| self.blame(&blob.digest, error))?;
                }
            }
            archive.blob(&entry.image.id, &entry.image.raw_config).map_err(failed())?;
            archive.blob(&entry.manifest.digest, &entry.manifest.content).map_err(failed())?;
        }
        for (name, document) in documents(entries) {
            archive.file(name, document.len() as u64, document.as_slice()).map_err(failed())?;
        }
        archive.builder.finish().map_err(failed())
    }
}

fn blob_path(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().as_str(), digest.hex())
}

fn documents(entries: &[Entry]) -> [(&'static str, Vec<u8>); 4] {
    fn json(document: &impl Serialize) -> Vec<u8> {
        serde_json::to_vec(document).expect("the documents of an archive have only string keys")
    }
    let items: Vec<Item> = entries.iter().map(item).collect();
    let index = Index {
        schema_version: 2,
        media_type: Some(media::OCI_INDEX.to_owned()),
        manifests: entries.iter().flat_map(index_entries).collect(),
        subject: None,
        artifact_type: None,
        annotations: None,
    };
    let mut repositories: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for entry in entries {
        let top = entry.blobs.last().map_or(entry.image.id.hex(), |blob| blob.digest.hex());
        for name in &entry.names {
            let tags = repositories.entry(name.familiar_name()).or_default();
            tags.insert(name.tag().unwrap_or_default().to_owned(), top.to_owned());
        }
    }
    [
        ("index.json", json(&index)),
        ("manifest.json", json(&items)),
        ("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()),
        ("repositories", json(&repositories)),
    ]
}

fn item(entry: &Entry) -> Item {
    let names: Vec<String> = entry.names.iter().map(Reference::familiar).collect();
    let source = |blob: &BlobRow| {
        manifest::descriptor(&blob.media_type, blob.digest.clone(), blob.size_bytes)
    };
    Item {
        config: blob_path(&entry.image.id),
        repo_tags: (!names.is_empty()).then_some(names),
        layers: entry.blobs.iter().map(|blob| blob_path(&blob.digest)).collect(),
        layer_sources: entry
            .blobs
            .iter()
            .map(|blob| (blob.diff_id.to_string(), source(blob)))
            .collect(),
    }
}

fn index_entries(entry: &Entry) -> Vec<Descriptor> {
    let row = &entry.manifest;
    let mut bare =
        manifest::descriptor(&row.media_type, row.digest.clone(), row.content.len() as u64);
    bare.platform = Some(entry.image.platform());
    if entry.names.is_empty() {
        return vec![bare];
    }
    let named = |name: &Reference| Descriptor {
        annotations: Some(BTreeMap::from([
            ("io.containerd.image.name".to_owned(), name.to_string()),
            (
                "org.opencontainers.image.ref.name".to_owned(),
                name.tag().unwrap_or_default().to_owned(),
            ),
        ])),
        ..bare.clone()
    };
    entry.names.iter().map(named).collect()
}

/// Writes members that are the same for the same images: no date, no owner.
struct Tar<W: Write> {
    builder: tar::Builder<W>,
    written: HashSet<Digest>,
}

impl<W: Write> Tar<W> {
    fn is_new(&mut self, digest: &Digest) -> bool {
        self.written.insert(digest.clone())
    }

    fn header(kind: tar::EntryType, mode: u32, size: u64) -> tar::Header {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(size);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        header
    }

    fn directory(&mut self, path: &str) -> io::Result<()> {
        let mut header = Self::header(tar::EntryType::Directory, 0o755, 0);
        self.builder.append_data(&mut header, path, io::empty())
    }

    fn blob(&mut self, digest: &Digest, bytes: &[u8]) -> io::Result<()> {
        if !self.is_new(digest) {
            return Ok(());
        }
        self.file(&blob_path(digest), bytes.len() as u64, bytes)
    }

    fn file(&mut self, path: &str, size: u64, data: impl Read) -> io::Result<()> {
        let mut header = Self::header(tar::EntryType::Regular, 0o644, size);
        self.builder.append_data(&mut header, path, data)
    }
}
