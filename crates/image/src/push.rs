//! `push`: blobs by the cheapest way, then the manifest.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use distribution::{
    BlobSource, BlobUpload, Credentials, Purpose, RawManifest, Repository, Uploaded,
};
use metadata::image::{self as rows, BlobRow, ManifestRow};
use oci::image::Descriptor;
use tokio::task::JoinSet;
use types::{Digest, Reference};

use crate::{
    Image, ImageError, Images, LayerStatus, Progress, ProgressSender,
    images::Inner,
    manifest, model,
    progress::{Meter, Reporter},
};

const TICK: Duration = Duration::from_millis(100);

/// What `push` is asked for.
#[derive(Debug, Clone)]
pub struct PushRequest {
    /// The repository, and the tag unless all are pushed.
    pub reference: Reference,
    /// Who asks.
    pub credentials: Option<Credentials>,
    /// Whether all local tags of the repository are pushed.
    pub is_all_tags: bool,
}

/// A manifest and where its blobs are.
struct Plan {
    image: Image,
    manifest: ManifestRow,
    blobs: Vec<BlobRow>,
}

/// One layer to send.
struct Sending {
    repository: Repository,
    blob: BlobRow,
    source: Option<BlobSource>,
    mount_from: Vec<String>,
    reporter: Reporter,
}

impl Images {
    /// Pushes a tag, or all tags of a repository.
    ///
    /// # Errors
    /// [`ImageError::NothingToPush`]; [`ImageError::Distribution`] in Docker's words.
    pub async fn push(
        &self,
        request: PushRequest,
        progress: Option<ProgressSender>,
    ) -> Result<(), ImageError> {
        if request.reference.digest().is_some() {
            return Err(ImageError::PushDigest);
        }
        let reporter = Reporter::new(progress);
        let tags = self.tags_to_push(&request)?;
        let text = format!("The push refers to repository [{}]", request.reference.name());
        reporter.status(text).await;
        let credentials = request.credentials;
        let repository =
            self.inner.client.repository(&request.reference, credentials, Purpose::Push);
        for (tag, id) in tags {
            self.push_one(&repository, &tag, &id, &reporter).await?;
        }
        Ok(())
    }

    fn tags_to_push(&self, request: &PushRequest) -> Result<Vec<(Reference, Digest)>, ImageError> {
        let wanted = request.reference.clone().with_default_tag();
        let found: Vec<_> = self.inner.read(|c| {
            let all = rows::all_references(c)?.into_iter();
            Ok(all
                .filter(|(name, _)| {
                    let is_tag = name.tag().is_some() && name.name() == wanted.name();
                    is_tag && (request.is_all_tags || *name == wanted)
                })
                .collect())
        })?;
        if found.is_empty() {
            return Err(ImageError::NothingToPush { name: request.reference.familiar_name() });
        }
        Ok(found)
    }

    async fn push_one(
        &self,
        repository: &Repository,
        tag: &Reference,
        id: &Digest,
        reporter: &Reporter,
    ) -> Result<(), ImageError> {
        let image = self.get(id)?;
        let diff_ids = image.diff_ids.clone();
        let _hold = self.inner.blocking(move |inner| Ok(inner.holds.hold(&diff_ids))).await?;
        let mut done = None;
        for plan in self.inner.read(|c| plans(c, &image))? {
            if self.send_layers(repository, &plan, reporter).await? {
                done = Some(plan);
                break;
            }
        }
        let Some(plan) = done else {
            let digest = id.clone();
            return Err(content::ContentError::NotFound { digest }.into());
        };
        self.send_config(repository, &plan).await?;
        let raw = raw(&plan.manifest);
        repository.put_manifest(tag.tag(), &raw).await?;
        self.inner.note_pushed(repository, tag, &plan)?;
        let (digest, size_bytes) = (raw.descriptor.digest, raw.descriptor.size);
        let name = tag.tag().unwrap_or_default().to_owned();
        reporter.status(format!("{name}: digest: {digest} size: {size_bytes}")).await;
        reporter.send(Progress::Pushed { tag: name, digest, size_bytes }).await;
        Ok(())
    }

    /// Sends layers side by side; `false` when one is neither here nor there.
    async fn send_layers(
        &self,
        repository: &Repository,
        plan: &Plan,
        reporter: &Reporter,
    ) -> Result<bool, ImageError> {
        let mut sendings: Vec<Sending> = Vec::new();
        // The topmost layer comes first, as in Docker's output.
        for blob in plan.blobs.iter().rev() {
            if sendings.iter().any(|known| known.blob.digest == blob.digest) {
                continue;
            }
            reporter.layer(blob.diff_id.short(), LayerStatus::Preparing).await;
            sendings.push(self.inner.sending(repository, blob, reporter)?);
        }
        let mut tasks = JoinSet::new();
        for sending in sendings {
            tasks.spawn(self.inner.clone().send(sending));
        }
        let mut failure = None;
        let mut is_complete = true;
        while let Some(ended) = tasks.join_next().await {
            match ended {
                Ok(Ok(uploaded)) => is_complete &= uploaded != Uploaded::Missing,
                Ok(Err(error)) => {
                    failure.get_or_insert(error);
                    tasks.abort_all();
                }
                Err(error) if error.is_cancelled() => {}
                Err(error) => {
                    failure.get_or_insert(error.into());
                    tasks.abort_all();
                }
            }
        }
        match failure {
            None => Ok(is_complete),
            Some(error) => Err(error),
        }
    }

    async fn send_config(&self, repository: &Repository, plan: &Plan) -> Result<(), ImageError> {
        let bytes = Bytes::from(plan.image.raw_config.clone());
        let upload = BlobUpload {
            digest: plan.image.id.clone(),
            size_bytes: bytes.len() as u64,
            source: Some(BlobSource::Bytes(bytes)),
            mount_from: Vec::new(),
            sent: Arc::default(),
        };
        repository.upload(&upload).await?;
        Ok(())
    }
}

/// The manifests to try: those the image came with, so that its digest stays; last the one
/// whose blobs are all here.
fn plans(
    connection: &metadata::rusqlite::Connection,
    image: &Image,
) -> Result<Vec<Plan>, ImageError> {
    let image = model::read(connection, &image.id)?.unwrap_or_else(|| image.clone());
    let mut plans = Vec::new();
    for row in rows::manifests(connection, &image.id)? {
        let document = manifest::parse(&row)?;
        let blobs = document
            .layers
            .iter()
            .zip(&image.diff_ids)
            .map(|(layer, diff_id)| blob_of(connection, layer, diff_id))
            .collect::<Result<Vec<_>, _>>()?;
        plans.push(Plan { image: image.clone(), manifest: row, blobs });
    }
    let (row, blobs) = manifest::complete(connection, &image)?;
    if plans.iter().all(|plan| plan.manifest.digest != row.digest) {
        plans.push(Plan { image, manifest: row, blobs });
    }
    Ok(plans)
}

fn blob_of(
    connection: &metadata::rusqlite::Connection,
    layer: &Descriptor,
    diff_id: &Digest,
) -> Result<BlobRow, ImageError> {
    Ok(rows::blob(connection, &layer.digest)?.unwrap_or_else(|| BlobRow {
        digest: layer.digest.clone(),
        diff_id: diff_id.clone(),
        media_type: layer.media_type.clone(),
        size_bytes: layer.size,
        is_local: false,
    }))
}

fn raw(row: &ManifestRow) -> RawManifest {
    let size = row.content.len() as u64;
    RawManifest {
        descriptor: manifest::descriptor(&row.media_type, row.digest.clone(), size),
        bytes: Bytes::from(row.content.clone()),
    }
}

impl Inner {
    fn sending(
        &self,
        repository: &Repository,
        blob: &BlobRow,
        reporter: &Reporter,
    ) -> Result<Sending, ImageError> {
        let source = if blob.is_local {
            let file = self.stores.content.open_blob(&blob.digest)?;
            Some(BlobSource::File(Arc::new(file)))
        } else {
            None
        };
        let target = repository.reference();
        let sources = self.read(|c| Ok(rows::sources(c, &blob.digest)?))?;
        let mount_from = sources
            .iter()
            .filter_map(|name| name.parse::<Reference>().ok())
            .filter(|name| name.domain() == target.domain() && name.path() != target.path())
            .map(|name| name.path().to_owned())
            .collect();
        Ok(Sending {
            repository: repository.clone(),
            blob: blob.clone(),
            source,
            mount_from,
            reporter: reporter.clone(),
        })
    }

    async fn send(self: Arc<Self>, sending: Sending) -> Result<Uploaded, ImageError> {
        let label = sending.blob.diff_id.short().to_owned();
        let reporter = sending.reporter.clone();
        if self.uploads.available_permits() == 0 {
            reporter.layer(&label, LayerStatus::Waiting).await;
        }
        let _permit =
            self.uploads.acquire().await.expect("the semaphore lives as long as the service");
        let sent = Arc::new(AtomicU64::new(0));
        let total = sending.blob.size_bytes;
        let upload = BlobUpload {
            digest: sending.blob.digest.clone(),
            size_bytes: total,
            source: sending.source,
            mount_from: sending.mount_from,
            sent: sent.clone(),
        };
        let mut meter = Meter::new(&reporter, &label, LayerStatus::Pushing, total);
        let uploading = sending.repository.upload(&upload);
        tokio::pin!(uploading);
        let uploaded = loop {
            match tokio::time::timeout(TICK, &mut uploading).await {
                Ok(Ok(uploaded)) => break uploaded,
                Ok(Err(error)) if !sending.blob.is_local => return Err(error.into()),
                Ok(Err(error)) => {
                    let digest = sending.blob.digest.clone();
                    let inner = Arc::clone(&self);
                    let blame = move || inner.blame(&digest, error.into());
                    return Err(tokio::task::spawn_blocking(blame).await?);
                }
                Err(_) if sent.load(Ordering::Relaxed) > 0 => {
                    meter.set(sent.load(Ordering::Relaxed).min(total));
                }
                Err(_) => {}
            }
        };
        let status = match &uploaded {
            Uploaded::AlreadyExists => LayerStatus::LayerAlreadyExists,
            Uploaded::Mounted { from } => LayerStatus::MountedFrom(from.clone()),
            Uploaded::Pushed => LayerStatus::Pushed,
            Uploaded::Missing => return Ok(uploaded),
        };
        reporter.layer(&label, status).await;
        Ok(uploaded)
    }

    /// Remembers where the blobs are now, and the image's name by digest.
    fn note_pushed(
        &self,
        repository: &Repository,
        tag: &Reference,
        plan: &Plan,
    ) -> Result<(), ImageError> {
        let name = repository.reference().name();
        let pinned = tag.with_digest(plan.manifest.digest.clone());
        self.write(|c| {
            for blob in &plan.blobs {
                rows::insert_source(c, &blob.digest, &name)?;
            }
            rows::insert_manifest(c, &plan.manifest)?;
            let tagged = rows::get(c, &plan.image.id)?.map_or(0, |row| row.tagged_ns);
            Ok(rows::set_reference(c, &pinned, &plan.image.id, tagged)?)
        })
    }
}
