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

/// What docker says of pushing one platform.
const NOTE: &str = "\n Info -> Using --platform pushes only the specified platform manifest of a multi-platform image index.\n         Other components, like attestations, will not be included.\n         To push the complete multi-platform image, remove the --platform flag.\n         \n";

/// Without a line break, as docker has it: the reason follows on the same line.
fn eprint_now(text: &str) {
    use std::io::Write;
    // There is nowhere to tell that standard error is gone.
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Runs the command.
pub async fn run(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let platform = match flags.text("platform") {
        "" => None,
        text => {
            super::platform::require(session, "platform", 46).await?;
            let document = super::platform::document(text)
                .inspect_err(|_| eprint_now(&format!("Invalid platform {text}")))?;
            output::print(NOTE)?;
            Some(document.to_string())
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
