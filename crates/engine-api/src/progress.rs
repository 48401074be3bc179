//! One line of a pull, push, load, import or build: `{"status": ..., "id": ...}`.

use crate::null::unset;

document! {
    /// A message of a progress stream; one JSON object per line.
    pub struct ProgressMessage {
        /// Text to print as it is (builds, loads).
        pub stream: String = "stream" unless "unset",
        /// What happens: `Downloading`, `Pull complete`, ...
        pub status: String = "status" unless "unset",
        /// How far it is.
        pub progress_detail: Option<ProgressDetail> = "progressDetail" unless "unset",
        /// The bar as text, for old clients.
        pub progress: String = "progress" unless "unset",
        /// The layer.
        pub id: String = "id" unless "unset",
        /// The failure's text, for old clients.
        pub error: String = "error" unless "unset",
        /// The failure that ended the stream.
        pub error_detail: Option<ErrorDetail> = "errorDetail" unless "unset",
        /// Results for programs: digests, sizes.
        pub aux: Option<serde_json::Value> = "aux" unless "unset",
    }

    /// How far it is.
    pub struct ProgressDetail {
        /// Units done.
        pub current: i64 = "current" unless "unset",
        /// Units in all, if known.
        pub total: i64 = "total" unless "unset",
        /// When it began, in seconds since 1970.
        pub start: i64 = "start" unless "unset",
        /// Whether the numbers are not to be shown.
        pub hide_counts: bool = "hidecounts" unless "unset",
        /// `s` for seconds, else bytes.
        pub units: String = "units" unless "unset",
    }

    /// A failure inside a stream.
    pub struct ErrorDetail {
        /// An exit code or status, if there is one.
        pub code: i64 = "code" unless "unset",
        /// The text.
        pub message: String = "message" unless "unset",
    }
}
