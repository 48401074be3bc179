//! The engine itself through a scope.

use async_trait::async_trait;
use engine_api::{
    auth::{AuthConfig, AuthResponse},
    disk_usage::DiskUsage,
    event::EventMessage,
    info::{SwarmInfo, SystemInfo},
    version::SystemVersion,
};
use futures_util::{StreamExt, future, stream::BoxStream};

use super::{Permission, Scoped};
use crate::{
    Answer,
    backend::{
        SystemBackend,
        system::{DiskUsageQuery, EventQuery},
    },
};

impl Scoped {
    /// What clients need to work at all: which engine this is and what they can count themselves.
    async fn reduced(&self, whole: SystemInfo) -> Answer<SystemInfo> {
        let mut info = SystemInfo {
            id: whole.id,
            server_version: whole.server_version,
            os_type: whole.os_type,
            architecture: whole.architecture,
            system_time: whole.system_time,
            live_restore_enabled: whole.live_restore_enabled,
            swarm: SwarmInfo {
                local_node_state: whole.swarm.local_node_state,
                ..SwarmInfo::default()
            },
            ..SystemInfo::default()
        };
        if !self.scope.allows(Permission::ContainersList) {
            return Ok(info);
        }
        for container in self.visible().await? {
            info.containers += 1;
            *match container.state.as_str() {
                "running" | "restarting" => &mut info.containers_running,
                "paused" => &mut info.containers_paused,
                _ => &mut info.containers_stopped,
            } += 1;
        }
        Ok(info)
    }

    /// Only events of containers have the labels that tell whether they are seen.
    fn sees(&self, event: &EventMessage) -> bool {
        !self.scope.is_narrowed()
            || (event.kind == "container" && self.scope.admits(&event.actor.attributes))
    }
}

#[async_trait]
impl SystemBackend for Scoped {
    async fn ping(&self) -> Answer<()> {
        self.inner.system.ping().await
    }

    async fn version(&self) -> Answer<SystemVersion> {
        self.inner.system.version().await
    }

    async fn info(&self) -> Answer<SystemInfo> {
        let whole = self.inner.system.info().await?;
        if self.scope.allows(Permission::SystemInfo) {
            Ok(whole)
        } else {
            self.reduced(whole).await
        }
    }

    async fn auth(&self, credentials: AuthConfig) -> Answer<AuthResponse> {
        self.inner.system.auth(credentials).await
    }

    async fn disk_usage(&self, query: DiskUsageQuery) -> Answer<DiskUsage> {
        let mut usage = self.inner.system.disk_usage(query).await?;
        self.scope.redaction.disk_usage(&mut usage);
        Ok(usage)
    }

    async fn events(&self, query: EventQuery) -> Answer<BoxStream<'static, EventMessage>> {
        let events = self.inner.system.events(query).await?;
        let scoped = self.clone();
        let seen = events.filter_map(move |mut event| {
            let told = scoped.sees(&event).then(|| {
                scoped.scope.redaction.event(&mut event);
                event
            });
            future::ready(told)
        });
        Ok(seen.boxed())
    }
}
