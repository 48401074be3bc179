//! `attach`.

use anyhow::bail;
use client::{AttachOptions, Resizable, WaitCondition};

use super::run::exit_code;
use crate::{
    grammar::Parsed,
    interactive::{Connection, End, forward_signals},
    session::Session,
    terminal,
};

/// Runs the command.
pub async fn run(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let client = &session.client;
    let details = client.inspect_container(flags.first()).await?;
    let state = &details.state;
    if !state.running {
        bail!("cannot attach to a stopped container, start it first");
    }
    if state.paused {
        bail!("cannot attach to a paused container, unpause it first");
    }
    if state.restarting {
        bail!("cannot attach to a restarting container, wait until it is running");
    }
    let has_input = !flags.flag("no-stdin") && details.config.open_stdin;
    if has_input && details.config.tty && !terminal::is_input() {
        bail!("the input device is not a TTY");
    }
    let keys = match flags.text("detach-keys") {
        "" => session.config.detach_keys.clone(),
        keys => keys.to_owned(),
    };
    let id = details.id.as_str();
    let options =
        AttachOptions { stdin: has_input, stdout: true, stderr: true, detach_keys: keys.clone() };
    let (stream, waiting) = futures_util::join!(
        client.attach(id, &options),
        client.wait(id, WaitCondition::NotRunning)
    );
    let (stream, waiting) = (stream?, waiting?);
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
    let is_proxied = flags.flag("sig-proxy") && !details.config.tty;
    let proxy = async {
        match is_proxied {
            true => forward_signals(client, id).await,
            false => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        code = whole => code,
        () = proxy => bail!("signals ended before the container"),
        () = connection.follow_size() => bail!("the terminal ended before the container"),
    }
}
