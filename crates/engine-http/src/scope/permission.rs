//! What a scoped socket can be allowed to do: a closed list, by the names that people write.

use std::{fmt, str::FromStr};

use crate::ApiError;

/// What a label filter does to a permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// It is about containers, or about what containers use, and is narrowed to those that match.
    Narrowed,
    /// It reaches beyond any container: it cannot be had together with a filter.
    Whole,
}

macro_rules! permissions {
    ($($variant:ident $name:literal $reach:ident)*) => {
        /// One thing that may be done.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Permission { $(#[doc = concat!("`", $name, "`")] $variant,)* }

        impl Permission {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// As people write it.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What a label filter does to it.
            #[must_use]
            pub fn reach(self) -> Reach {
                match self { $(Self::$variant => Reach::$reach,)* }
            }
        }
    };
}

permissions! {
    Events "events" Narrowed
    SystemInfo "system:info" Whole
    SystemDiskUsage "system:df" Whole
    SystemAuth "system:auth" Whole
    ContainersList "containers:list" Narrowed
    ContainersInspect "containers:inspect" Narrowed
    ContainersTop "containers:top" Narrowed
    ContainersLogs "containers:logs" Narrowed
    ContainersStats "containers:stats" Narrowed
    ContainersChanges "containers:changes" Narrowed
    ContainersExport "containers:export" Narrowed
    ContainersArchiveRead "containers:archive-read" Narrowed
    ContainersArchiveWrite "containers:archive-write" Narrowed
    ContainersAttach "containers:attach" Narrowed
    ContainersWait "containers:wait" Narrowed
    ContainersResize "containers:resize" Narrowed
    ContainersStart "containers:start" Narrowed
    ContainersStop "containers:stop" Narrowed
    ContainersRestart "containers:restart" Narrowed
    ContainersKill "containers:kill" Narrowed
    ContainersPause "containers:pause" Narrowed
    ContainersUnpause "containers:unpause" Narrowed
    ContainersUpdate "containers:update" Narrowed
    ContainersRemove "containers:remove" Narrowed
    ContainersRename "containers:rename" Whole
    ContainersCreate "containers:create" Whole
    ContainersPrune "containers:prune" Whole
    ExecCreate "exec:create" Narrowed
    ExecInspect "exec:inspect" Narrowed
    ExecStart "exec:start" Narrowed
    ExecResize "exec:resize" Narrowed
    ExecPrivileged "exec:privileged" Narrowed
    ImagesList "images:list" Narrowed
    ImagesInspect "images:inspect" Narrowed
    ImagesHistory "images:history" Narrowed
    ImagesSave "images:save" Whole
    ImagesCreate "images:create" Whole
    ImagesLoad "images:load" Whole
    ImagesPush "images:push" Whole
    ImagesTag "images:tag" Whole
    ImagesRemove "images:remove" Whole
    ImagesPrune "images:prune" Whole
    ImagesSearch "images:search" Whole
    ImagesCommit "images:commit" Whole
    ImagesDistribution "images:distribution" Whole
    VolumesList "volumes:list" Narrowed
    VolumesInspect "volumes:inspect" Narrowed
    VolumesCreate "volumes:create" Whole
    VolumesRemove "volumes:remove" Whole
    VolumesPrune "volumes:prune" Whole
    NetworksList "networks:list" Narrowed
    NetworksInspect "networks:inspect" Narrowed
    NetworksCreate "networks:create" Whole
    NetworksConnect "networks:connect" Whole
    NetworksDisconnect "networks:disconnect" Whole
    NetworksRemove "networks:remove" Whole
    NetworksPrune "networks:prune" Whole
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Permission {
    type Err = ApiError;

    fn from_str(text: &str) -> Result<Self, ApiError> {
        Self::ALL.iter().copied().find(|permission| permission.name() == text).ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|permission| permission.name()).collect();
            ApiError::invalid(format!(
                "unknown permission {text:?}: known are {}",
                known.join(", ")
            ))
        })
    }
}
