//! Pull and push of a large image.

use anyhow::{Result, bail};

use crate::bench::{fleet::Ground, report::Table};

/// Not written yet.
pub fn measure(_ground: &Ground) -> Result<Vec<Table>> {
    bail!("pull and push are not measured yet")
}
