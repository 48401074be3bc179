//! Files of containers: archives in and out, differences, commits.

use std::{io, sync::Arc};

use ::container::{
    Change, ChangeKind, Collision, Container, ContainerError, FoundPath, PathInfo, WriteRequest,
    clock,
};
use ::image::CommitRequest;
use engine_api::container::{ContainerConfig, FilesystemChange, PathStat};

use tokio_util::io::SyncIoBridge;
use types::Classify as _;

use super::{Engine, blocking, export_pipe};
use crate::{
    Answer, ApiError, ByteStream,
    backend::{container::PutArchive, image::CommitContainer},
};

/// Between the thread that writes an archive and the connection.
const PIPE_BYTES: usize = 256 * 1024;

impl Engine {
    pub(super) async fn found_path(&self, id: &str, path: &str) -> Answer<FoundPath> {
        let (containers, container) = (self.containers.clone(), self.containers.find(id)?);
        let (path, finder) = (path.to_owned(), Arc::clone(&container));
        let _operation = container.lock().await;
        blocking(move || containers.find_path(&finder, &path)).await
    }

    pub(super) async fn write_archive(
        &self,
        id: &str,
        options: PutArchive,
        archive: ByteStream,
    ) -> Answer<()> {
        let (containers, container) = (self.containers.clone(), self.containers.find(id)?);
        let request = WriteRequest {
            path: options.path,
            collision: if options.no_overwrite_dir_non_dir {
                Collision::Refused
            } else {
                Collision::Replaced
            },
            owned_by_user: options.copy_uid_gid,
        };
        let writer = Arc::clone(&container);
        let operation = container.lock().await;
        let reader = SyncIoBridge::new(archive.into_reader());
        blocking(move || containers.write_path(&writer, &request, reader)).await?;
        drop(operation);
        self.containers.publish_plain(&container, "extract-to-dir");
        Ok(())
    }

    pub(super) async fn commit_container(&self, options: CommitContainer) -> Answer<String> {
        let container = self.containers.find(&options.container)?;
        let is_frozen = options.pause && self.freeze(&container).await?;
        let made = self.commit_changes(&container, options).await;
        if is_frozen && container.state().phase.as_str() == "paused" {
            self.containers.unpause(container.id.as_str()).await?;
        }
        made
    }

    /// Pauses a container that runs; tells whether it did.
    async fn freeze(&self, container: &Container) -> Answer<bool> {
        if container.state().phase.as_str() != "running" {
            return Ok(false);
        }
        match self.containers.pause(container.id.as_str()).await {
            Ok(()) => Ok(true),
            // It ended meanwhile: nothing writes any more.
            Err(error) if error.kind() == types::ErrorKind::Conflict => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    async fn commit_changes(
        &self,
        container: &Arc<Container>,
        options: CommitContainer,
    ) -> Answer<String> {
        let record = container.record();
        let some = |text: String| (!text.is_empty()).then_some(text);
        let (reference, comment) = (options.reference.clone(), options.comment.clone());
        let request = CommitRequest {
            parent: Some(record.image.clone()),
            execution: execution(options.config.as_ref(), &record.config)?,
            changes: options.changes,
            created_by: Some(record.command.join(" ")),
            comment: some(options.comment),
            author: some(options.author),
            reference: options.reference,
        };
        let (containers, exported) = (self.containers.clone(), Arc::clone(container));
        let (reader, export) = export_pipe::open(move |out| {
            containers.export_changes(&exported, out).map_err(ApiError::from)
        })?;
        let image = self.images.commit(request, reader).await;
        let id = export.blame(image).await?.id.to_string();
        let name = reference.map(|name| name.familiar()).unwrap_or_default();
        self.containers.publish_commit(container, &id, &name, &comment);
        Ok(id)
    }
}

pub(super) fn internal(error: &dyn std::fmt::Display) -> ApiError {
    ApiError::new(types::ErrorKind::Internal, format!("the operation was cut short: {error}"))
}

/// The image's configuration: the request's where it says something, else the container's. Both
/// documents have the same keys as far as images know them; those of containers are left out.
fn execution(
    asked: Option<&ContainerConfig>,
    container: &ContainerConfig,
) -> Answer<oci::image::ExecutionConfig> {
    let value = |config: &ContainerConfig| serde_json::to_value(config);
    let mut merged = value(container).map_err(|error| internal(&error))?;
    if let Some(asked) = asked {
        let asked = value(asked).map_err(|error| internal(&error))?;
        if let (Some(merged), serde_json::Value::Object(asked)) = (merged.as_object_mut(), asked) {
            merged.extend(asked.into_iter().filter(|(_, value)| is_given(value)));
        }
    }
    serde_json::from_value(merged).map_err(|error| internal(&error))
}

fn is_given(value: &serde_json::Value) -> bool {
    use serde_json::Value;
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        Value::Bool(true) | Value::Number(_) => true,
    }
}

/// Streams what a blocking writer writes; a failure breaks the body off.
pub(super) fn stream(
    write: impl FnOnce(&mut dyn io::Write) -> Result<(), ContainerError> + Send + 'static,
) -> ByteStream {
    use futures_util::{StreamExt, stream};
    let (reader, writer) = tokio::io::duplex(PIPE_BYTES);
    let task = tokio::task::spawn_blocking(move || {
        let mut out = SyncIoBridge::new(writer);
        let outcome = write(&mut out);
        outcome.map_err(|error| io::Error::other(types::error::chain(&error)))
    });
    let chunks = tokio_util::io::ReaderStream::with_capacity(reader, 64 * 1024);
    let outcome =
        stream::once(
            async move { task.await.map_err(io::Error::other)?.map(|()| bytes::Bytes::new()) },
        );
    ByteStream::new(chunks.chain(outcome))
}

pub(super) fn change(change: Change) -> FilesystemChange {
    FilesystemChange {
        path: change.path.to_string_lossy().into_owned(),
        kind: match change.kind {
            ChangeKind::Modified => 0,
            ChangeKind::Added => 1,
            ChangeKind::Deleted => 2,
        },
    }
}

pub(super) fn stat(info: &PathInfo) -> PathStat {
    PathStat {
        name: info.name.clone(),
        size: info.size,
        mode: go_mode(info.mode),
        mtime: clock::rfc3339(info.modified_nanos),
        link_target: info.link_target.clone(),
    }
}

/// Go's `os.FileMode` of a kernel mode.
fn go_mode(mode: u32) -> u32 {
    let kind = match mode & 0o170_000 {
        0o040_000 => 1 << 31,
        0o120_000 => 1 << 27,
        0o060_000 => 1 << 26,
        0o020_000 => (1 << 26) | (1 << 21),
        0o010_000 => 1 << 25,
        0o140_000 => 1 << 24,
        _ => 0,
    };
    let flags = [(0o4000, 23), (0o2000, 22), (0o1000, 20)];
    let set = flags.iter().filter(|(bit, _)| mode & bit != 0).map(|(_, shift)| 1_u32 << shift);
    kind | set.sum::<u32>() | (mode & 0o777)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_go_s() {
        assert_eq!(go_mode(0o040_755), 0x8000_01ed);
        assert_eq!(go_mode(0o041_777), 0x8010_01ff);
        assert_eq!(go_mode(0o120_777), 0x0800_01ff);
        assert_eq!(go_mode(0o104_755), 0x0080_01ed);
        assert_eq!(go_mode(0o020_666), 0x0420_01b6);
    }

    #[test]
    fn a_commit_takes_what_is_asked_for_and_the_rest_from_the_container() {
        let container = ContainerConfig {
            user: "1000".into(),
            cmd: Some(vec!["sh".into()]),
            env: Some(vec!["A=1".into()]),
            ..ContainerConfig::default()
        };
        let asked = ContainerConfig { cmd: Some(vec!["top".into()]), ..ContainerConfig::default() };
        let made = execution(Some(&asked), &container).unwrap();
        assert_eq!(made.cmd, Some(vec!["top".to_owned()]));
        assert_eq!(made.user.as_deref(), Some("1000"));
        assert_eq!(made.env, Some(vec!["A=1".to_owned()]));
    }
}
