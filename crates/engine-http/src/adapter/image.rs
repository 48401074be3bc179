//! `/images` over the image service.

use std::{collections::BTreeMap, sync::Arc};

use ::container::ImageUsage;
use ::image::{
    Image, ImageError, ImageFilters, ImportRequest, LoadRequest, Progress, ProgressSender,
    PullRequest, PushRequest, Removed,
};
use async_trait::async_trait;
use distribution::Credentials;
use engine_api::{
    auth::AuthConfig,
    descriptor::{DistributionInspect, Platform},
    image::{
        GraphDriver, ImageConfig, ImageDeleteItem, ImageHistoryItem, ImageInspect, ImageMetadata,
        ImagePruneReport, ImageSearchItem, ImageSummary, RootFs,
    },
    progress::{ProgressDetail, ProgressMessage},
};
use futures_util::{StreamExt, stream};
use tokio::sync::mpsc;
use types::{Digest, Reference};

use super::{Engine, blocking};
use crate::{
    Answer, ApiError, ByteStream, Filters,
    backend::{
        ImageBackend,
        image::{
            CommitContainer, DeleteImage, ImportImage, ImportSource, InspectImage, ListImages,
            LoadImages, ProgressStream, PullImage, PushImage, SaveImages, SearchImages,
        },
    },
};

/// How many progress events may wait for a slow client.
const PROGRESS_QUEUE: usize = 64;
/// How much of a saved archive may wait for a slow client, in bytes.
const SAVE_PIPE_BYTES: usize = 256 * 1024;

fn credentials(auth: Option<AuthConfig>) -> Option<Credentials> {
    let auth = auth?;
    Credentials::from_fields(
        &auth.username,
        auth.password.expose(),
        auth.identity_token.expose(),
        auth.registry_token.expose(),
    )
}

pub(super) fn oci_platform(platform: Platform) -> oci::image::Platform {
    oci::image::Platform {
        architecture: platform.architecture,
        os: platform.os,
        os_version: Some(platform.os_version).filter(|text| !text.is_empty()),
        variant: Some(platform.variant).filter(|text| !text.is_empty()),
    }
}

fn image_filters(filters: &Filters, known: &[&str]) -> Answer<ImageFilters> {
    filters.allow_only(known)?;
    let map: BTreeMap<String, Vec<String>> =
        filters.iter().map(|(name, values)| (name.to_owned(), values.to_vec())).collect();
    ImageFilters::from_map(&map).map_err(|error| ApiError::invalid(error.to_string()))
}

/// One event as Docker's line.
fn message(event: Progress) -> ProgressMessage {
    match event {
        Progress::Status { id, text } => {
            ProgressMessage { id: id.unwrap_or_default(), status: text, ..Default::default() }
        }
        Progress::Stream(text) => ProgressMessage { stream: text, ..Default::default() },
        Progress::Layer { id, status, current, total } => {
            let number = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
            let detail = ProgressDetail {
                current: number(current),
                total: number(total),
                ..ProgressDetail::default()
            };
            ProgressMessage {
                progress: progress_bar(current, total),
                id,
                status: status.to_string(),
                progress_detail: Some(detail),
                ..Default::default()
            }
        }
        Progress::Pushed { tag, digest, size_bytes } => ProgressMessage {
            progress_detail: Some(ProgressDetail::default()),
            aux: Some(serde_json::json!({
                "Tag": tag, "Digest": digest.to_string(), "Size": size_bytes,
            })),
            ..Default::default()
        },
    }
}

/// Docker's ready-made bar of 50 columns, which plain API users print.
fn progress_bar(current: u64, total: u64) -> String {
    if current == 0 && total == 0 {
        return String::new();
    }
    let (done, whole) = (human_size(current), human_size(total));
    if total == 0 || current > total {
        return format!("{done:>8}");
    }
    let columns = usize::try_from(current * 50 / total).unwrap_or(50);
    let arrow = if columns < 50 { ">" } else { "" };
    let filled = "=".repeat(columns);
    format!("[{filled}{arrow}{}]  {done:>6}/{whole}", " ".repeat(50 - columns - arrow.len()))
}

/// Decimal units with four significant digits at most, as go-units' `HumanSize`.
fn human_size(bytes: u64) -> String {
    const UNITS: &[&str] = &["B", "kB", "MB", "GB", "TB", "PB"];
    let (mut size, mut unit) = (bytes as f64, 0);
    while size >= 1000.0 && unit + 1 < UNITS.len() {
        size /= 1000.0;
        unit += 1;
    }
    let digits = match size {
        s if s >= 100.0 => 1,
        s if s >= 10.0 => 2,
        _ => 3,
    };
    let text = format!("{size:.digits$}");
    let short =
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{short}{}", UNITS[unit])
}

/// Runs an operation beside its stream of events; its failure is the stream's last item.
fn events<F>(run: impl FnOnce(ProgressSender) -> F) -> ProgressStream
where
    F: Future<Output = Result<(), ImageError>> + Send + 'static,
{
    let (sender, mut receiver) = mpsc::channel(PROGRESS_QUEUE);
    // Not aborted with the client: what others wait for goes on, what nobody wants ends by its
    // own rules (see `image`).
    let mut task = Some(tokio::spawn(run(sender)));
    let stream = stream::poll_fn(move |context| {
        use std::task::Poll;
        if let Poll::Ready(Some(event)) = receiver.poll_recv(context) {
            return Poll::Ready(Some(Ok(message(event))));
        }
        if !receiver.is_closed() || !receiver.is_empty() {
            return Poll::Pending;
        }
        let Some(running) = task.as_mut() else { return Poll::Ready(None) };
        match std::pin::Pin::new(running).poll(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(outcome) => {
                task = None;
                match outcome {
                    Ok(Ok(())) => Poll::Ready(None),
                    Ok(Err(error)) => Poll::Ready(Some(Err(error.into()))),
                    Err(error) => {
                        let text = format!("the operation was cut short: {error}");
                        Poll::Ready(Some(Err(ApiError::new(types::ErrorKind::Internal, text))))
                    }
                }
            }
        }
    });
    stream.boxed()
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

fn labels(image: &Image) -> Option<BTreeMap<String, String>> {
    image.config.config.as_ref().and_then(|config| config.labels.clone())
}

fn familiar(names: &[Reference]) -> Vec<String> {
    names.iter().map(Reference::familiar).collect()
}

fn summary(image: &Image, containers: i64) -> ImageSummary {
    ImageSummary {
        containers,
        created: image.created_ns / 1_000_000_000,
        id: image.id.to_string(),
        labels: labels(image),
        parent_id: image.parent.as_ref().map(Digest::to_string).unwrap_or_default(),
        repo_digests: familiar(&image.digests),
        repo_tags: familiar(&image.tags),
        shared_size: -1,
        size: signed(image.size_bytes),
        ..ImageSummary::default()
    }
}

fn deleted(items: Vec<Removed>) -> Vec<ImageDeleteItem> {
    let item = |removed| match removed {
        Removed::Untagged(name) => ImageDeleteItem { untagged: name, ..ImageDeleteItem::default() },
        Removed::Deleted(id) => {
            ImageDeleteItem { deleted: id.to_string(), ..ImageDeleteItem::default() }
        }
    };
    items.into_iter().map(item).collect()
}

impl Engine {
    fn image_event(&self, action: &str, actor: &str, name: &str) {
        // The labels of an image that is here; one that was just deleted has none any more.
        let image = self.images.resolve(actor).ok();
        let labels = image.and_then(|image| image.config.config.as_ref()?.labels.clone());
        let mut attributes: BTreeMap<_, _> = labels.unwrap_or_default().into_iter().collect();
        attributes.insert("name".to_owned(), name.to_owned());
        self.containers.events().publish("image", action, actor, attributes);
    }

    /// The ids of all images, to tell them from layers in what a removal says.
    fn image_ids(&self) -> Answer<std::collections::BTreeSet<String>> {
        let images = self.images.list(&ImageFilters::default())?;
        Ok(images.iter().map(|image| image.id.to_string()).collect())
    }

    /// `before`: the images there were. `target`: the image whose names went.
    fn removal_events(
        &self,
        removed: &[Removed],
        before: &std::collections::BTreeSet<String>,
        target: Option<&str>,
    ) {
        for item in removed {
            match item {
                Removed::Untagged(name) => {
                    let actor = target.unwrap_or(name);
                    self.image_event("untag", actor, actor);
                }
                Removed::Deleted(id) if before.contains(id) => self.image_event("delete", id, id),
                Removed::Deleted(_) => {}
            }
        }
    }

    /// The lines of `images`.
    pub(super) fn image_summaries(&self, options: &ListImages) -> Answer<Vec<ImageSummary>> {
        let filters = image_filters(
            &options.filters,
            &["before", "dangling", "label", "label!", "reference", "since", "until"],
        )?;
        let images = if options.all {
            self.images.list(&filters)?
        } else {
            self.images.list_top(&filters)?
        };
        let containers = self.containers.all();
        let users = |id: &Digest| {
            let count = containers.iter().filter(|c| c.record().image == *id).count();
            i64::try_from(count).unwrap_or(i64::MAX)
        };
        Ok(images.iter().map(|image| summary(image, users(&image.id))).collect())
    }
}

fn inspect_document(image: &Image) -> Result<ImageInspect, serde_json::Error> {
    let config = match &image.config.config {
        Some(config) => {
            Some(engine_api::decode::from_value::<ImageConfig>(serde_json::to_value(config)?)?)
        }
        None => Some(ImageConfig::default()),
    };
    let text = |value: &Option<String>| Some(value.clone().unwrap_or_default());
    Ok(ImageInspect {
        id: image.id.to_string(),
        repo_tags: familiar(&image.tags),
        repo_digests: familiar(&image.digests),
        parent: Some(image.parent.as_ref().map(Digest::to_string).unwrap_or_default()),
        comment: text(&image.config.comment),
        created: image.config.created.clone(),
        docker_version: Some(String::new()),
        author: text(&image.config.author),
        config,
        architecture: image.config.architecture.clone(),
        variant: image.config.variant.clone().unwrap_or_default(),
        os: image.platform().os,
        os_version: image.config.os_version.clone().unwrap_or_default(),
        size: signed(image.size_bytes),
        graph_driver: Some(GraphDriver { data: None, name: "overlay2".to_owned() }),
        root_fs: RootFs {
            kind: "layers".to_owned(),
            layers: image.diff_ids.iter().map(Digest::to_string).collect(),
        },
        metadata: ImageMetadata { last_tag_time: last_tag_time(image) },
        ..ImageInspect::default()
    })
}

fn last_tag_time(image: &Image) -> Option<String> {
    let since = image.tagged.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(::container::clock::rfc3339(i64::try_from(since.as_nanos()).ok()?))
}

#[async_trait]
impl ImageBackend for Engine {
    async fn list(&self, options: ListImages) -> Answer<Vec<ImageSummary>> {
        let engine = self.clone();
        blocking(move || engine.image_summaries(&options)).await
    }

    async fn pull(&self, options: PullImage) -> Answer<ProgressStream> {
        let engine = self.clone();
        Ok(events(move |progress| async move {
            let is_all_tags = options.reference.is_name_only();
            let name = options.reference.familiar();
            let request = PullRequest {
                platform: options.platform.map(oci_platform),
                credentials: credentials(options.auth),
                is_all_tags,
                ..PullRequest::new(options.reference)
            };
            engine.images.pull(request, Some(progress)).await?;
            engine.image_event("pull", &name, &name);
            Ok(())
        }))
    }

    async fn import(&self, options: ImportImage) -> Answer<ProgressStream> {
        let ImportSource::Body(body) = options.source else {
            return Err(ApiError::not_implemented("importing from a URL"));
        };
        if options.platform.as_ref().is_some_and(|platform| platform.os != "linux") {
            return Err(ApiError::invalid("operating system is not supported"));
        }
        let request = ImportRequest {
            reference: options.reference,
            changes: options.changes,
            message: options.message,
            platform: options.platform.map(oci_platform),
        };
        let id = self.images.import(request, body.into_reader()).await?;
        self.image_event("import", &id.to_string(), &id.to_string());
        let line = ProgressMessage { status: id.to_string(), ..ProgressMessage::default() };
        Ok(stream::once(async { Ok(line) }).boxed())
    }

    async fn inspect(&self, name: &str, options: InspectImage) -> Answer<ImageInspect> {
        let image = self.images.resolve(name)?;
        if let Some(wanted) = options.platform.map(oci_platform)
            && !image.runs_on(&wanted)
        {
            return Err(image.wrong_platform(name, &wanted).into());
        }
        inspect_document(&image)
            .map_err(|error| ApiError::new(types::ErrorKind::DataLoss, error.to_string()))
    }

    async fn history(
        &self,
        name: &str,
        _platform: Option<Platform>,
    ) -> Answer<Vec<ImageHistoryItem>> {
        let entries = self.images.history(name)?.into_iter().map(|entry| ImageHistoryItem {
            id: entry.id.map_or_else(|| "<missing>".to_owned(), |id| id.to_string()),
            created: entry.created,
            created_by: entry.created_by,
            tags: Some(familiar(&entry.tags)).filter(|tags| !tags.is_empty()),
            size: signed(entry.size_bytes),
            comment: entry.comment,
        });
        Ok(entries.collect())
    }

    async fn push(&self, options: PushImage) -> Answer<ProgressStream> {
        let engine = self.clone();
        Ok(events(move |progress| async move {
            let name = options.reference.familiar();
            let request = PushRequest {
                is_all_tags: options.reference.is_name_only(),
                reference: options.reference,
                credentials: credentials(options.auth),
            };
            engine.images.push(request, Some(progress)).await?;
            engine.image_event("push", &name, &name);
            Ok(())
        }))
    }

    async fn tag(&self, name: &str, reference: Reference) -> Answer<()> {
        let (images, name, target) = (self.images.clone(), name.to_owned(), reference.clone());
        let image = blocking(move || images.tag(&name, &target)).await?;
        self.image_event("tag", &image.id.to_string(), &reference.familiar());
        Ok(())
    }

    async fn delete(&self, name: &str, options: DeleteImage) -> Answer<Vec<ImageDeleteItem>> {
        if !options.platforms.is_empty() {
            return Err(ApiError::not_implemented("deleting single platforms of an image"));
        }
        let request = ::image::RemoveRequest {
            name: name.to_owned(),
            is_forced: options.force,
            keeps_parents: options.no_prune,
        };
        let before = self.image_ids()?;
        let target = self.images.resolve(name).ok().map(|image| image.id.to_string());
        let removed =
            self.images.remove(request, Arc::new(ImageUsage(self.containers.clone()))).await?;
        self.removal_events(&removed, &before, target.as_deref());
        Ok(deleted(removed))
    }

    async fn search(&self, options: SearchImages) -> Answer<Vec<ImageSearchItem>> {
        let filters = options.filters.iter();
        let request = ::image::SearchRequest {
            term: options.term,
            limit: options.limit.map(|limit| u16::try_from(limit).unwrap_or(u16::MAX)),
            filters: filters.map(|(name, values)| (name.to_owned(), values.to_vec())).collect(),
            credentials: credentials(options.auth),
        };
        let found = self.images.search(request).await?;
        let item = |result: distribution::SearchResult| ImageSearchItem {
            star_count: result.star_count,
            is_official: result.is_official,
            name: result.name,
            is_automated: result.is_automated,
            description: result.description,
        };
        Ok(found.into_iter().map(item).collect())
    }

    async fn save(&self, options: SaveImages) -> Answer<ByteStream> {
        if !options.platforms.is_empty() {
            return Err(ApiError::not_implemented("saving single platforms of an image"));
        }
        self.images.check_save(&options.names)?;
        let engine = self.clone();
        let ids: Vec<_> = options
            .names
            .iter()
            .filter_map(|name| self.images.resolve(name).ok())
            .map(|image| image.id.to_string())
            .collect();
        let (reader, writer) = tokio::io::duplex(SAVE_PIPE_BYTES);
        let (images, names) = (self.images.clone(), options.names);
        // A failure breaks the pipe: the client sees a body that ends without its last chunk.
        let task = tokio::spawn(async move { images.save(names, writer).await });
        let chunks = tokio_util::io::ReaderStream::with_capacity(reader, 64 * 1024);
        let outcome = stream::once(async move {
            match task.await {
                Ok(Ok(())) => {
                    ids.iter().for_each(|id| engine.image_event("save", id, id));
                    Ok(bytes::Bytes::new())
                }
                Ok(Err(error)) => Err(std::io::Error::other(types::error::chain(&error))),
                Err(error) => Err(std::io::Error::other(error)),
            }
        });
        Ok(ByteStream::new(chunks.chain(outcome)))
    }

    async fn load(&self, options: LoadImages, archive: ByteStream) -> Answer<ProgressStream> {
        let engine = self.clone();
        let platform = options.platforms.into_iter().next().map(oci_platform);
        Ok(events(move |progress| async move {
            let request = LoadRequest { is_quiet: options.quiet, platform };
            let loaded = engine.images.load(request, archive.into_reader(), Some(progress)).await?;
            for image in loaded {
                engine.image_event("load", &image.id.to_string(), &image.id.to_string());
            }
            Ok(())
        }))
    }

    async fn prune(&self, filters: Filters) -> Answer<ImagePruneReport> {
        let filters = image_filters(&filters, &["dangling", "label", "label!", "until"])?;
        let usage = Arc::new(ImageUsage(self.containers.clone()));
        let before = self.image_ids()?;
        let pruned = self.images.prune(filters, usage).await?;
        self.removal_events(&pruned.removed, &before, None);
        let attributes =
            BTreeMap::from([("reclaimed".to_owned(), pruned.reclaimed_bytes.to_string())]);
        self.containers.events().publish("image", "prune", "", attributes);
        Ok(ImagePruneReport {
            images_deleted: Some(deleted(pruned.removed)),
            space_reclaimed: pruned.reclaimed_bytes,
        })
    }

    async fn commit(&self, options: CommitContainer) -> Answer<String> {
        self.commit_container(options).await
    }

    async fn distribution(
        &self,
        _reference: Reference,
        _auth: Option<AuthConfig>,
    ) -> Answer<DistributionInspect> {
        Err(ApiError::not_implemented("inspecting an image at its registry"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_bars() {
        assert_eq!(human_size(0), "0B");
        assert_eq!(human_size(1_234), "1.234kB");
        assert_eq!(human_size(12_340_000), "12.34MB");
        assert_eq!(progress_bar(0, 0), "");
        let half = progress_bar(50, 100);
        assert_eq!(half, format!("[{}>{}]     50B/100B", "=".repeat(25), " ".repeat(24)));
    }
}
