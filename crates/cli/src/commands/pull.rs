//! `pull`, and the pull that `run` and `create` do on their own.

use anyhow::bail;
use client::{Answer, Request};
use types::Reference;

use super::platform;
use crate::{
    grammar::Parsed,
    output,
    progress::{self, Sink},
    reference,
    session::Session,
};

/// Runs the command.
pub async fn run(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let reference = reference::parse(flags.first())?;
    let all = flags.flag("all-tags");
    if all && !reference.is_name_only() {
        bail!("tag can't be used with --all-tags/-a");
    }
    let is_quiet = flags.flag("quiet");
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
    let answer = request(session, &reference, &platform::wanted(flags)).await?;
    let sink = if is_quiet { Sink::Nothing } else { Sink::Output };
    progress::show(answer, sink).await?;
    // The last line is the whole name, for scripts.
    output::line(&reference.to_string())?;
    Ok(0)
}

async fn request(session: &Session, name: &Reference, platform: &str) -> anyhow::Result<Answer> {
    let tag = match (name.digest(), name.tag()) {
        (Some(digest), _) => digest.to_string(),
        (None, tag) => tag.unwrap_or("").to_owned(),
    };
    platform::check(platform)?;
    let request = Request::post("/images/create")
        .query("fromImage", name.name())
        .query_unless_empty("tag", &tag)
        .query_unless_empty("platform", platform)
        .header("X-Registry-Auth", session.registry_auth(name)?);
    Ok(session.client.send(request).await?)
}

/// Pulls what a container is to be made of; progress goes to standard error.
pub async fn for_run(session: &Session, flags: &Parsed, image: &str) -> anyhow::Result<()> {
    let reference = reference::parse(image)?.with_default_tag();
    let answer = request(session, &reference, &platform::wanted(flags)).await?;
    let sink = if flags.flag("quiet") { Sink::Nothing } else { Sink::Error };
    progress::show(answer, sink).await
}
