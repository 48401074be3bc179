//! Documents of the distribution API (distribution-spec 1.1).

use serde::{Deserialize, Serialize};

/// The body of every failed answer.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ErrorDocument {
    /// At least one.
    pub errors: Vec<ErrorInfo>,
}

/// One error.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ErrorInfo {
    /// A code of the specification, e.g. `BLOB_UNKNOWN`.
    pub code: String,
    /// For people.
    #[serde(default)]
    pub message: String,
    /// For programs; any shape.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub detail: serde_json::Value,
}

/// Answer of `GET /v2/<name>/tags/list`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct TagList {
    /// Repository.
    pub name: String,
    /// In lexical order.
    #[serde(default, deserialize_with = "crate::image::null_default")]
    pub tags: Vec<String>,
}

/// Answer of `GET /v2/_catalog`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Catalog {
    /// In lexical order.
    pub repositories: Vec<String>,
}
