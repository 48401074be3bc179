//! `start`.

use anyhow::bail;
use client::{AttachOptions, Resizable, WaitCondition};

use super::{each::each, run::exit_code};
use crate::{
    grammar::Parsed,
    interactive::{Connection, End, forward_signals},
    session::Session,
};

/// Runs the command.
pub async fn run(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let is_attached = flags.flag("attach") || flags.flag("interactive");
    if !is_attached {
        return each(&flags.args, "start", async |id| {
            session.client.start_container(id, flags.text("detach-keys")).await?;
            Ok(id.to_owned())
        })
        .await;
    }
    if flags.args.len() > 1 {
        bail!("you cannot start and attach multiple containers at once");
    }
    attached(session, flags, flags.first()).await
}

async fn attached(session: &Session, flags: &Parsed, name: &str) -> anyhow::Result<u8> {
    let client = &session.client;
    let details = client.inspect_container(name).await?;
    let id = details.id.as_str();
    let has_input = flags.flag("interactive") && details.config.open_stdin;
    let keys = match flags.text("detach-keys") {
        "" => session.config.detach_keys.clone(),
        keys => keys.to_owned(),
    };
    let options =
        AttachOptions { stdin: has_input, stdout: true, stderr: true, detach_keys: keys.clone() };
    let condition = match details.host_config.auto_remove {
        true => WaitCondition::Removed,
        false => WaitCondition::NextExit,
    };
    let (stream, waiting) =
        futures_util::join!(client.attach(id, &options), client.wait(id, condition));
    let (stream, waiting) = (stream?, waiting?);
    client.start_container(id, &keys).await?;
    let connection = Connection {
        client,
        target: Resizable::Container(id.to_owned()),
        has_terminal: details.config.tty,
        has_input,
        detach_keys: keys,
    };
    let whole = async {
        match connection.run(stream).await? {
            End::Detached => Ok(0),
            End::Closed => exit_code(waiting, None).await,
        }
    };
    tokio::select! {
        biased;
        code = whole => code,
        () = forward_signals(client, id) => bail!("signals ended before the container"),
        () = connection.follow_size() => bail!("the terminal ended before the container"),
    }
}
