//! `stop`, `restart`, `kill`, `pause`, `unpause`, `wait`, `rename`: one request per container.

use client::WaitCondition;

use super::{
    each::{each, together},
    run::code_of,
};
use crate::{grammar::Parsed, session::Session};

/// `stop` and `restart`.
pub async fn stop(session: &Session, flags: &Parsed, action: &str) -> anyhow::Result<u8> {
    let timeout = flags.is_set("timeout").then(|| flags.int("timeout").to_string());
    together(&flags.args, async |name| {
        let done = session.client.container_action(name, action, |request| {
            let request = request.query_unless_empty("signal", flags.text("signal"));
            match &timeout {
                Some(seconds) => request.query("t", seconds.clone()),
                None => request,
            }
        });
        done.await?;
        Ok(name.to_owned())
    })
    .await
}

/// `kill`.
pub async fn kill(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    each(&flags.args, "kill", async |name| {
        let signal = flags.text("signal");
        let kill = session
            .client
            .container_action(name, "kill", |request| request.query_unless_empty("signal", signal));
        kill.await?;
        Ok(name.to_owned())
    })
    .await
}

/// `pause` and `unpause`.
pub async fn plain(session: &Session, flags: &Parsed, action: &str) -> anyhow::Result<u8> {
    each(&flags.args, action, async |name| {
        session.client.container_action(name, action, |request| request).await?;
        Ok(name.to_owned())
    })
    .await
}

/// `wait`.
pub async fn wait(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    each(&flags.args, "wait", async |name| {
        let waiting = session.client.wait(name, WaitCondition::NotRunning).await?;
        let response = waiting.exit().await?;
        code_of(&response)?;
        Ok(response.status_code.to_string())
    })
    .await
}

/// `rename`.
pub async fn rename(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let (old, new) = (flags.args[0].trim(), flags.args[1].trim());
    if old.is_empty() || new.is_empty() {
        anyhow::bail!("Error: Neither old nor new names may be empty");
    }
    let rename =
        session.client.container_action(old, "rename", |request| request.query("name", new));
    if let Err(error) = rename.await {
        anyhow::bail!("{error}\nError: failed to rename container named {old}");
    }
    Ok(0)
}
