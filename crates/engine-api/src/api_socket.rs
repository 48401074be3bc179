//! Gantry's own: further sockets of the API with fewer rights (`/gantry/api-sockets`).

use std::collections::BTreeMap;

use crate::null::unset;

document! {
    /// The body of `POST /gantry/api-sockets`.
    pub struct ApiSocketCreateRequest {
        /// Its name.
        pub name: String = "Name",
        /// What may be done through it: `containers:list`, `events`, ...
        pub allow: Vec<String> = "Allow",
        /// `{"label": ["KEY", "KEY=VALUE"]}`: only containers that have them all are seen.
        pub filters: BTreeMap<String, Vec<String>> = "Filters" unless "unset",
        /// Kinds of values that are not shown: `env`, `args`, `labels`, `options`.
        pub redact: Vec<String> = "Redact" unless "unset",
        /// Where to listen; below the exec root by default.
        pub path: String = "Path" unless "unset",
        /// The socket's group, by name or number; the engine's socket's by default.
        pub group: String = "Group" unless "unset",
        /// The socket's permission bits in octal; `0660` by default.
        pub mode: String = "Mode" unless "unset",
    }

    /// A socket and what may be done through it.
    pub struct ApiSocket {
        /// Its name.
        pub name: String = "Name",
        /// Where it listens.
        pub path: String = "Path",
        /// Its group.
        pub gid: u32 = "Gid",
        /// Its permission bits in octal.
        pub mode: String = "Mode",
        /// What may be done through it.
        pub allow: Vec<String> = "Allow",
        /// Which containers are seen.
        pub filters: BTreeMap<String, Vec<String>> = "Filters",
        /// What is not shown.
        pub redact: Vec<String> = "Redact",
        /// RFC 3339 with nanoseconds.
        pub created: String = "Created",
        /// Why it is not served.
        pub error: String = "Error" unless "unset",
    }
}
