//! `/exec` through a scope: an exec is seen when its container is.

use async_trait::async_trait;
use engine_api::exec::{ExecCreateRequest, ExecInspect};

use super::{Permission, Scoped};
use crate::{
    Answer, ApiError, Attachment,
    backend::{ExecBackend, TerminalSize, exec::StartExec},
};

impl Scoped {
    async fn seen_exec(&self, id: &str) -> Answer<ExecInspect> {
        let absent = || ApiError::not_found(format!("No such exec instance: {id}"));
        let exec = self.inner.exec.inspect(id).await?;
        self.resolve(&exec.container_id).await.map_err(|_| absent())?;
        Ok(exec)
    }
}

#[async_trait]
impl ExecBackend for Scoped {
    async fn create(&self, container: &str, request: ExecCreateRequest) -> Answer<String> {
        let container = self.resolve(container).await?;
        if request.privileged && !self.scope.allows(Permission::ExecPrivileged) {
            return Err(self.scope.missing(Permission::ExecPrivileged));
        }
        self.inner.exec.create(&container, request).await
    }

    async fn inspect(&self, id: &str) -> Answer<ExecInspect> {
        let mut exec = self.seen_exec(id).await?;
        self.scope.redaction.exec(&mut exec);
        Ok(exec)
    }

    async fn start(&self, id: &str, options: StartExec) -> Answer<Attachment> {
        let exec = self.seen_exec(id).await?;
        self.inner.exec.start(&exec.id, options).await
    }

    async fn start_detached(&self, id: &str, options: StartExec) -> Answer<()> {
        let exec = self.seen_exec(id).await?;
        self.inner.exec.start_detached(&exec.id, options).await
    }

    async fn resize(&self, id: &str, size: TerminalSize) -> Answer<()> {
        let exec = self.seen_exec(id).await?;
        self.inner.exec.resize(&exec.id, size).await
    }
}
