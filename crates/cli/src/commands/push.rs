//! `push`.

use crate::{
    grammar::Parsed,
    output,
    progress::{self, Sink},
    reference,
    session::Session,
};
use anyhow::bail;
use client::{Request, escape_path};

/// Runs the command.
pub async fn run(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let platform = match flags.text("platform") {
        "" => None,
        text => {
            super::platform::require(session, "platform", 46).await?;
            Some(super::platform::document(text)?.to_string())
        }
    };
    let reference = reference::parse(flags.first())?;
    let (all, is_quiet) = (flags.flag("all-tags"), flags.flag("quiet"));
    if all && !reference.is_name_only() {
        bail!("tag can't be used with --all-tags/-a");
    }
    let reference = if all {
        reference
    } else {
        let has_default = reference.is_name_only();
        let reference = reference.with_default_tag();
        if has_default && !is_quiet {
            output::line(&format!("Using default tag: {}", reference.tag().unwrap_or("")))?;
        }
        reference
    };
    let request = Request::post(format!("/images/{}/push", escape_path(&reference.name())))
        .query_unless_empty("tag", reference.tag().unwrap_or(""))
        .query_unless_empty("platform", platform.as_deref().unwrap_or(""))
        .header("X-Registry-Auth", session.registry_auth(&reference)?);
    let answer = session.client.send(request).await?;
    if is_quiet {
        progress::show(answer, Sink::Nothing).await?;
        output::line(&reference.to_string())?;
    } else {
        progress::show(answer, Sink::Output).await?;
    }
    Ok(0)
}
