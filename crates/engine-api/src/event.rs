//! What happened: the lines of `GET /events`.

use crate::{StringMap, null::unset};

document! {
    /// One event.
    pub struct EventMessage {
        /// The action again, for clients below v1.52.
        pub status: String = "status" unless "unset",
        /// The actor's id again, for clients below v1.52.
        pub id: String = "id" unless "unset",
        /// The image, for clients below v1.52.
        pub from: String = "from" unless "unset",
        /// `container`, `image`, `volume`, `network`, `daemon`, ...
        pub kind: String = "Type",
        /// `create`, `start`, `die`, `exec_create: sh`, ...
        pub action: String = "Action",
        /// Whom it happened to.
        pub actor: EventActor = "Actor",
        /// `local`.
        pub scope: String = "scope" unless "unset",
        /// Seconds since 1970.
        pub time: i64 = "time" unless "unset",
        /// Nanoseconds since 1970.
        pub time_nano: i64 = "timeNano" unless "unset",
    }

    /// Whom an event happened to.
    pub struct EventActor {
        /// Id or name.
        pub id: String = "ID",
        /// Labels and facts: `image`, `name`, `exitCode`, ...
        pub attributes: StringMap = "Attributes",
    }
}
