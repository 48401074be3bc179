//! `/containers` through a scope.

use async_trait::async_trait;
use engine_api::{
    container::{
        ContainerCreateResponse, ContainerInspect, ContainerPruneReport, ContainerSummary,
        ContainerUpdateRequest, ContainerUpdateResponse, FilesystemChange, PathStat, TopResponse,
        WaitResponse,
    },
    stats::StatsResponse,
};
use futures_util::{future::BoxFuture, stream::BoxStream};
use types::Signal;

use super::Scoped;
use crate::{
    Answer, Attachment, ByteStream, Filters,
    backend::{
        ContainerBackend, TerminalSize,
        container::{
            AttachOptions, CreateContainer, ListContainers, LogOptions, LogStream, PutArchive,
            RemoveContainer, SizeWanted, StartContainer, StatsOptions, StopContainer,
            WaitCondition,
        },
    },
};

/// What the edge asks for when a client gives no arguments.
const DEFAULT_PS: &str = "-ef";

impl Scoped {
    /// `before` and `since` name containers, which must not tell of others.
    async fn resolve_filters(&self, filters: Filters) -> Answer<Filters> {
        let mut resolved = Filters::default();
        for (name, values) in filters.iter() {
            // A filter without values still has a meaning of its own to some.
            for value in values {
                match name {
                    "before" | "since" => resolved.add(name, self.resolve(value).await?),
                    _ => resolved.add(name, value),
                }
            }
        }
        self.narrow(&mut resolved);
        Ok(resolved)
    }
}

#[async_trait]
impl ContainerBackend for Scoped {
    async fn list(&self, mut options: ListContainers) -> Answer<Vec<ContainerSummary>> {
        if self.scope.is_narrowed() {
            options.filters = self.resolve_filters(options.filters).await?;
        }
        let mut containers = self.inner.container.list(options).await?;
        containers.iter_mut().for_each(|container| self.scope.redaction.summary(container));
        Ok(containers)
    }

    async fn create(&self, options: CreateContainer) -> Answer<ContainerCreateResponse> {
        self.inner.container.create(options).await
    }

    async fn inspect(&self, id: &str, size: SizeWanted) -> Answer<ContainerInspect> {
        let id = self.resolve(id).await?;
        let mut document = self.inner.container.inspect(&id, size).await?;
        self.scope.redaction.container(&mut document);
        Ok(document)
    }

    async fn top(&self, id: &str, ps_args: &str) -> Answer<TopResponse> {
        let id = self.resolve(id).await?;
        if self.scope.redaction.fixes_ps() && ps_args != DEFAULT_PS {
            return Err(self.scope.refusal("top with arguments for ps"));
        }
        let mut document = self.inner.container.top(&id, ps_args).await?;
        self.scope.redaction.top(&mut document);
        Ok(document)
    }

    async fn logs(&self, id: &str, options: LogOptions) -> Answer<LogStream> {
        self.inner.container.logs(&self.resolve(id).await?, options).await
    }

    async fn changes(&self, id: &str) -> Answer<Vec<FilesystemChange>> {
        self.inner.container.changes(&self.resolve(id).await?).await
    }

    async fn export(&self, id: &str) -> Answer<ByteStream> {
        self.inner.container.export(&self.resolve(id).await?).await
    }

    async fn stats(
        &self,
        id: &str,
        options: StatsOptions,
    ) -> Answer<BoxStream<'static, Answer<StatsResponse>>> {
        self.inner.container.stats(&self.resolve(id).await?, options).await
    }

    async fn resize(&self, id: &str, size: TerminalSize) -> Answer<()> {
        self.inner.container.resize(&self.resolve(id).await?, size).await
    }

    async fn start(&self, id: &str, options: StartContainer) -> Answer<()> {
        self.inner.container.start(&self.resolve(id).await?, options).await
    }

    async fn stop(&self, id: &str, options: StopContainer) -> Answer<()> {
        self.inner.container.stop(&self.resolve(id).await?, options).await
    }

    async fn restart(&self, id: &str, options: StopContainer) -> Answer<()> {
        self.inner.container.restart(&self.resolve(id).await?, options).await
    }

    async fn kill(&self, id: &str, signal: Option<Signal>) -> Answer<()> {
        self.inner.container.kill(&self.resolve(id).await?, signal).await
    }

    async fn update(
        &self,
        id: &str,
        request: ContainerUpdateRequest,
    ) -> Answer<ContainerUpdateResponse> {
        self.inner.container.update(&self.resolve(id).await?, request).await
    }

    async fn rename(&self, id: &str, name: &str) -> Answer<()> {
        self.inner.container.rename(&self.resolve(id).await?, name).await
    }

    async fn pause(&self, id: &str) -> Answer<()> {
        self.inner.container.pause(&self.resolve(id).await?).await
    }

    async fn unpause(&self, id: &str) -> Answer<()> {
        self.inner.container.unpause(&self.resolve(id).await?).await
    }

    async fn attach(&self, id: &str, options: AttachOptions) -> Answer<Attachment> {
        self.inner.container.attach(&self.resolve(id).await?, options).await
    }

    async fn wait(
        &self,
        id: &str,
        condition: WaitCondition,
    ) -> Answer<BoxFuture<'static, Answer<WaitResponse>>> {
        self.inner.container.wait(&self.resolve(id).await?, condition).await
    }

    async fn remove(&self, id: &str, options: RemoveContainer) -> Answer<()> {
        self.inner.container.remove(&self.resolve(id).await?, options).await
    }

    async fn prune(&self, filters: Filters) -> Answer<ContainerPruneReport> {
        self.inner.container.prune(filters).await
    }

    async fn archive_stat(&self, id: &str, path: &str) -> Answer<PathStat> {
        self.inner.container.archive_stat(&self.resolve(id).await?, path).await
    }

    async fn archive_get(&self, id: &str, path: &str) -> Answer<(PathStat, ByteStream)> {
        self.inner.container.archive_get(&self.resolve(id).await?, path).await
    }

    async fn archive_put(&self, id: &str, options: PutArchive, archive: ByteStream) -> Answer<()> {
        self.inner.container.archive_put(&self.resolve(id).await?, options, archive).await
    }
}
