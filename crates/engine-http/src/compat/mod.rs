//! What older API versions send and expect: one module per resource.
//!
//! Requests are lifted to the newest form before a backend sees them; answers are lowered after.
//! Differences that only very old clients could see are left out; those kept here are the ones
//! that Docker's own daemon makes.

pub mod container;
pub mod image;
pub mod network;
pub mod system;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::{Answer, ApiError};

/// Writes a document as a value, to change keys that are not in the model.
pub(crate) fn value(document: &impl Serialize) -> Answer<Value> {
    serde_json::to_value(document).map_err(|error| {
        ApiError::new(types::ErrorKind::Internal, format!("cannot write the answer: {error}"))
    })
}

/// Adds the keys that are missing.
pub(crate) fn fill(value: &mut Value, extra: Value) {
    let (Value::Object(object), Value::Object(extra)) = (value, extra) else { return };
    for (key, value) in extra {
        object.entry(key).or_insert(value);
    }
}

/// Adds or replaces keys of a nested object.
pub(crate) fn merge(value: &mut Value, key: &str, extra: Map<String, Value>) {
    if let Some(Value::Object(object)) = value.get_mut(key) {
        object.extend(extra);
    }
}
