//! `create`.

use super::run::{create, explained};
use crate::{container_options::build::create_request, grammar::Parsed, output, session::Session};

/// Runs the command.
pub async fn run(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let document = create_request(flags).map_err(|error| explained(session, &error))?;
    let id = create(session, flags, document).await.map_err(|e| explained(session, &e))?;
    output::line(&id)?;
    Ok(0)
}
