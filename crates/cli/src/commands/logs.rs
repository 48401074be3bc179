//! `logs`.

use std::io::{stderr, stdout};

use client::{Request, escape_path, stdcopy};
use tokio::io::AsyncWriteExt;

use crate::{grammar::Parsed, output::Direct, session::Session};

/// Runs the command.
pub async fn run(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let name = flags.first();
    let details = session.client.inspect_container(name).await?;
    let request = Request::get(format!("/containers/{}/logs", escape_path(&details.id)))
        .query("stdout", "1")
        .query("stderr", "1")
        .query_if("follow", flags.flag("follow"))
        .query_if("timestamps", flags.flag("timestamps"))
        .query_if("details", flags.flag("details"))
        .query_unless_empty("since", &super::time_flag::timestamp(flags.text("since"))?)
        .query_unless_empty("until", &super::time_flag::timestamp(flags.text("until"))?)
        .query("tail", flags.text("tail"));
    let mut answer = session.client.send(request).await?;
    if details.config.tty {
        let mut out = Direct(stdout());
        while let Some(chunk) = answer.chunk().await? {
            out.write_all(&chunk).await?;
            out.flush().await?;
        }
        return Ok(0);
    }
    let mut body = answer.into_reader();
    stdcopy::demultiplex(&mut body, &mut Direct(stdout()), &mut Direct(stderr())).await?;
    Ok(0)
}
