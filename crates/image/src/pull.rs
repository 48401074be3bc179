//! `pull`: name, index, manifest, configuration, layers side by side, one transaction.

use std::collections::HashSet;

use distribution::{Credentials, Purpose, RawManifest, Repository};
use metadata::image::{self as rows, ImageRow, ManifestRow};
use oci::{
    image::{ImageConfig, Manifest, Platform},
    media_type as media,
};
use tokio::task::JoinSet;
use types::{Digest, Reference};

use crate::{
    ImageError, Images, LayerStatus, Progress, ProgressSender, config, fetch::LayerJob,
    images::Inner, model, progress::Reporter,
};

/// What `pull` is asked for.
#[derive(Debug, Clone)]
pub struct PullRequest {
    /// What to pull; `latest` when it names neither tag nor digest.
    pub reference: Reference,
    /// Which platform; the host's when there is none.
    pub platform: Option<Platform>,
    /// Who asks.
    pub credentials: Option<Credentials>,
    /// Whether all tags of the repository are pulled.
    pub is_all_tags: bool,
}

impl PullRequest {
    /// A plain anonymous pull for the host's platform.
    #[must_use]
    pub fn new(reference: Reference) -> Self {
        Self { reference, platform: None, credentials: None, is_all_tags: false }
    }
}

/// A manifest that was resolved and the configuration it names.
struct Found {
    /// What the name meant: the digest for `RepoDigests`.
    named: Digest,
    raw: RawManifest,
    manifest: Manifest,
    raw_config: Vec<u8>,
    config: ImageConfig,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    New,
    None,
}

impl Images {
    /// Pulls an image (or all tags of a repository) and names it. Returns the id of the last.
    ///
    /// # Errors
    /// [`ImageError::Distribution`] in Docker's words; those of the stores. Nothing is named
    /// then; complete layers and the beginnings of others stay for the next attempt.
    pub async fn pull(
        &self,
        request: PullRequest,
        progress: Option<ProgressSender>,
    ) -> Result<Digest, ImageError> {
        let reporter = Reporter::new(progress);
        let client = &self.inner.client;
        let repository =
            client.repository(&request.reference, request.credentials.clone(), Purpose::Pull);
        let references = if request.is_all_tags {
            let tags = repository.tags().await?;
            tags.iter()
                .map(|tag| request.reference.with_tag(tag).map_err(ImageError::Reference))
                .collect::<Result<Vec<_>, _>>()?
        } else {
            vec![request.reference.clone().with_default_tag()]
        };
        let mut last = None;
        let mut change = Change::None;
        for reference in &references {
            let (id, one) = self.pull_one(&repository, reference, &request, &reporter).await?;
            last = Some(id);
            if one == Change::New {
                change = Change::New;
            }
        }
        let shown = if request.is_all_tags {
            request.reference.familiar_name()
        } else {
            references[0].familiar()
        };
        let text = match change {
            Change::New => format!("Status: Downloaded newer image for {shown}"),
            Change::None => format!("Status: Image is up to date for {shown}"),
        };
        reporter.status(text).await;
        last.ok_or(ImageError::NotFound { name: request.reference.familiar_name() })
    }

    async fn pull_one(
        &self,
        repository: &Repository,
        reference: &Reference,
        request: &PullRequest,
        reporter: &Reporter,
    ) -> Result<(Digest, Change), ImageError> {
        let named = repository.resolve(reference).await?;
        let label = match (reference.tag(), reference.digest()) {
            (_, Some(digest)) => digest.to_string(),
            (tag, None) => tag.unwrap_or_default().to_owned(),
        };
        let text = format!("Pulling from {}", reference.path());
        reporter.send(Progress::Status { id: Some(label), text }).await;
        let found = find(repository, reference, named, request).await?;
        let id = found.manifest.config.digest.clone();
        let references = names(reference, &found.named);
        let known = self.inner.read(|c| {
            let previous = rows::by_reference(c, &references[0])?;
            Ok((model::read(c, &id)?.is_some(), previous))
        })?;
        let _hold = self.fetch_all(repository, &found, reporter).await?;
        reporter.status(format!("Digest: {}", found.named)).await;
        let is_same = known.0 && known.1.as_ref() == Some(&id);
        Ok((
            self.finish(found, references).await?,
            if is_same { Change::None } else { Change::New },
        ))
    }

    /// Fetches all layers side by side. The first failure stops the others.
    async fn fetch_all(
        &self,
        repository: &Repository,
        found: &Found,
        reporter: &Reporter,
    ) -> Result<crate::Hold, ImageError> {
        let diff_ids = found.config.rootfs.diff_ids.clone();
        let hold = self.inner.blocking(move |inner| Ok(inner.holds.hold(&diff_ids))).await?;
        let mut seen = HashSet::new();
        let mut tasks = JoinSet::new();
        let pairs: Vec<_> = found
            .manifest
            .layers
            .iter()
            .zip(&found.config.rootfs.diff_ids)
            .filter(|(_, diff_id)| seen.insert((*diff_id).clone()))
            .collect();
        for (blob, _) in &pairs {
            reporter.layer(blob.digest.short(), LayerStatus::PullingFsLayer).await;
        }
        for (blob, diff_id) in pairs {
            let job = LayerJob {
                repository: repository.clone(),
                blob: blob.clone(),
                diff_id: diff_id.clone(),
                reporter: reporter.clone(),
            };
            let inner = self.inner.clone();
            tasks.spawn(inner.fetch_layer(job));
        }
        let mut failure = None;
        while let Some(ended) = tasks.join_next().await {
            let result = match ended {
                Ok(result) => result,
                Err(error) if error.is_cancelled() => continue,
                Err(error) => Err(error.into()),
            };
            if let Err(error) = result
                && failure.is_none()
            {
                failure = Some(error);
                tasks.abort_all();
            }
        }
        match failure {
            None => Ok(hold),
            Some(error) => Err(error),
        }
    }

    async fn finish(&self, found: Found, references: Vec<Reference>) -> Result<Digest, ImageError> {
        self.inner.blocking(move |inner| inner.name_pulled(found, &references)).await
    }
}

impl Inner {
    fn name_pulled(
        self: &Inner,
        found: Found,
        references: &[Reference],
    ) -> Result<Digest, ImageError> {
        let id = found.manifest.config.digest.clone();
        let diff_ids = &found.config.rootfs.diff_ids;
        let size_bytes = self.read(|c| {
            let sizes = diff_ids.iter().map(|diff_id| rows::layer_size(c, diff_id));
            let sizes: Vec<Option<u64>> = sizes.collect::<Result<_, _>>()?;
            Ok(sizes.into_iter().flatten().sum())
        })?;
        let row = ImageRow {
            id: id.clone(),
            created_ns: config::date_ns(found.config.created.as_deref()),
            tagged_ns: config::now_ns(),
            config: found.raw_config,
            size_bytes,
            parent: None,
            is_hidden: false,
        };
        let manifest = ManifestRow {
            digest: found.raw.descriptor.digest.clone(),
            image_id: id.clone(),
            media_type: found.raw.descriptor.media_type.clone(),
            content: found.raw.bytes.to_vec(),
        };
        self.name(&row, diff_ids, &[manifest], references)?;
        Ok(id)
    }
}

/// The names that a pull gives: the tag unless a digest was asked for, and the digest.
fn names(reference: &Reference, digest: &Digest) -> Vec<Reference> {
    let pinned = reference.with_digest(digest.clone());
    match (reference.digest(), reference.tag()) {
        (None, Some(_)) => vec![reference.clone(), pinned],
        _ => vec![pinned],
    }
}

async fn find(
    repository: &Repository,
    reference: &Reference,
    named: RawManifest,
    request: &PullRequest,
) -> Result<Found, ImageError> {
    let digest = named.descriptor.digest.clone();
    let platform = request.platform.clone().unwrap_or_else(Platform::host);
    let is_single = media::is_manifest(&named.descriptor.media_type);
    let raw = repository.image_manifest(named, &platform).await?;
    let manifest: Manifest = serde_json::from_slice(&raw.bytes)
        .map_err(|source| ImageError::Manifest { digest: raw.descriptor.digest.clone(), source })?;
    if !matches!(manifest.config.media_type.as_str(), media::OCI_CONFIG | media::DOCKER_CONFIG) {
        return Err(ImageError::NotAnImage {
            reference: reference.familiar(),
            media_type: manifest.config.media_type,
        });
    }
    let limit = config::MAX_CONFIG_BYTES as usize;
    let raw_config = repository.blob(&manifest.config, limit).await?.to_vec();
    let document = config::parse(&manifest.config.digest, &raw_config)?;
    let (layers, diff_ids) = (manifest.layers.len(), document.rootfs.diff_ids.len());
    if layers != diff_ids {
        let id = manifest.config.digest;
        return Err(ImageError::LayerCount { id, layers, diff_ids });
    }
    let actual = model::platform(&document);
    let is_asked = request.platform.is_some() && is_single;
    if is_asked && !distribution::platform_matches(&platform, &actual) {
        return Err(ImageError::Platform {
            reference: reference.familiar(),
            wanted: distribution::format_platform(&platform),
            actual: distribution::format_platform(&actual),
        });
    }
    Ok(Found { named: digest, raw, manifest, raw_config, config: document })
}
