//! `create`.

use super::run::{create, document};
use crate::{grammar::Parsed, output, session::Session};

/// Runs the command.
pub async fn run(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let document = document(session, flags)?;
    let id = create(session, flags, document).await?;
    output::line(&id)?;
    Ok(0)
}
