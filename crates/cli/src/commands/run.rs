//! `run`: create, attach, wait and start.
//!
//! Attach and wait go out side by side, and nothing is asked that an answer does not need: four
//! requests, three of them one after the other.

use std::{io::Write, path::Path};

use anyhow::bail;
use client::{AttachOptions, ClientError, Resizable, WaitCondition, Waiting};
use engine_api::container::{ContainerCreateRequest, WaitResponse};

use super::{platform, pull};
use crate::{
    container_options::build::{Streams, create_request},
    failure::{self, Failure},
    grammar::Parsed,
    interactive::{Connection, End, forward_signals},
    output, reference,
    session::Session,
    terminal,
};

/// Runs the command.
pub async fn run(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    if flags.flag("detach") && !flags.list("attach").is_empty() {
        let text = "conflicting options: cannot specify both --attach and --detach".to_owned();
        return Err(Failure::Text { text, code: 1 }.into());
    }
    let has_input = Streams::of(flags).stdin;
    if flags.flag("tty") && has_input && !flags.flag("detach") && !terminal::is_input() {
        let text = "the input device is not a TTY".to_owned();
        return Err(Failure::Text { text, code: 1 }.into());
    }
    let document = document(session, flags)?;
    let id = create(session, flags, document).await.map_err(|e| explained(session, &e))?;
    if flags.flag("detach") {
        let keys = detach_keys(session, flags);
        let started = session.client.start_container(&id, keys).await;
        // The container is there, whether it started or not.
        output::line(&id)?;
        started.map_err(|error| start_failure(session, error))?;
        return Ok(0);
    }
    attached(session, flags, &id).await
}

/// The document that the flags make, with errors that point to the help.
pub(super) fn document(
    session: &Session,
    flags: &Parsed,
) -> anyhow::Result<ContainerCreateRequest> {
    let policy = flags.text("pull");
    let checked = match policy {
        "always" | "missing" | "never" | "" => create_request(flags),
        _ => Err(anyhow::anyhow!(
            "invalid pull option: '{policy}': must be one of \"always\", \"missing\" or \"never\""
        )),
    };
    let mut document = checked.map_err(|error| explained(session, &error))?;
    let proxies = session.config.proxies(&session.choice.host, flags.list("env"));
    if !proxies.is_empty() {
        document.config.env.get_or_insert_default().extend(proxies);
    }
    Ok(document)
}

/// An error of `run` and `create` with docker's pointer to the help, code 125.
pub(super) fn explained(session: &Session, error: &anyhow::Error) -> anyhow::Error {
    if let Some(Failure::Text { .. }) = error.downcast_ref::<Failure>() {
        let text = error.to_string();
        return Failure::Text { text, code: failure::code(error) }.into();
    }
    let text = format!(
        "gantry: {}\n\nRun 'gantry {} --help' for more information",
        failure::text(error),
        session.typed
    );
    Failure::Text { text, code: 125 }.into()
}

fn start_failure(session: &Session, error: ClientError) -> anyhow::Error {
    let code = failure::start_code(&error.to_string());
    let text = explained(session, &error.into()).to_string();
    Failure::Text { text, code }.into()
}

fn detach_keys<'a>(session: &'a Session, flags: &'a Parsed) -> &'a str {
    let given = flags.text("detach-keys");
    if given.is_empty() { &session.config.detach_keys } else { given }
}

/// Creates the container, pulling its image as `--pull` says, and writes `--cidfile`.
pub(super) async fn create(
    session: &Session,
    flags: &Parsed,
    mut document: ContainerCreateRequest,
) -> anyhow::Result<String> {
    let policy = flags.text("pull");
    let cid_file = flags.text("cidfile");
    if !cid_file.is_empty() && Path::new(cid_file).exists() {
        bail!(
            "container ID file found, make sure the other container isn't running or delete {cid_file}"
        );
    }
    if flags.flag("tty")
        && let (Some(host), Some((rows, columns))) = (&mut document.host_config, terminal::size())
        && session.typed.ends_with("run")
    {
        host.console_size = [u32::from(rows), u32::from(columns)];
    }
    let (image, platform) = (flags.first().to_owned(), platform::wanted(flags));
    let platform = platform.as_str();
    reference::check_name_or_id(&image)?;
    platform::check(platform)?;
    if policy == "always" {
        pull::for_run(session, flags, &image).await?;
    }
    let name = flags.text("name");
    let first = session.client.create_container(name, platform, &document).await;
    let created = match first {
        Err(error) if error.is_not_found() && policy == "missing" && is_image_missing(&error) => {
            if !flags.flag("quiet") {
                let shown =
                    image.parse::<types::Reference>().map(types::Reference::with_default_tag);
                let shown = shown.map_or_else(|_| image.clone(), |r| r.familiar());
                output::error_line(&format!("Unable to find image '{shown}' locally"));
            }
            pull::for_run(session, flags, &image).await?;
            session.client.create_container(name, platform, &document).await?
        }
        result => result?,
    };
    for warning in &created.warnings {
        output::error_line(&format!("WARNING: {warning}"));
    }
    if !cid_file.is_empty() {
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).open(cid_file)?;
        file.write_all(created.id.as_bytes())?;
    }
    Ok(created.id)
}

fn is_image_missing(error: &ClientError) -> bool {
    error.engine_message().is_some_and(|text| text.to_lowercase().contains("no such image"))
}

async fn attached(session: &Session, flags: &Parsed, id: &str) -> anyhow::Result<u8> {
    let client = &session.client;
    let streams = Streams::of(flags);
    let keys = detach_keys(session, flags);
    let options = AttachOptions {
        stdin: streams.stdin,
        stdout: streams.stdout,
        stderr: streams.stderr,
        detach_keys: keys.to_owned(),
    };
    let condition = match flags.flag("rm") {
        true => WaitCondition::Removed,
        false => WaitCondition::NextExit,
    };
    let attach = async {
        match streams.is_any() {
            true => client.attach(id, &options).await.map(Some),
            false => Ok(None),
        }
    };
    let (stream, waiting) = futures_util::join!(attach, client.wait(id, condition));
    let (stream, waiting) = (stream.map_err(|e| explained(session, &e.into()))?, waiting?);
    if let Err(error) = client.start_container(id, keys).await {
        return Err(start_failure(session, error));
    }
    let connection = Connection {
        client,
        target: Resizable::Container(id.to_owned()),
        has_terminal: flags.flag("tty"),
        has_input: streams.stdin,
        detach_keys: keys.to_owned(),
    };
    let Some(stream) = stream else {
        output::line(id)?;
        return exit_code(waiting, flags.flag("sig-proxy").then_some((client, id))).await;
    };
    let proxied = async {
        match flags.flag("sig-proxy") {
            true => forward_signals(client, id).await,
            false => std::future::pending().await,
        }
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
        () = proxied => unreachable_code(),
        () = connection.follow_size() => unreachable_code(),
    }
}

/// The futures beside a connection end only with it.
fn unreachable_code() -> anyhow::Result<u8> {
    bail!("the connection's companions ended before it")
}

/// The exit code that a wait gives.
pub(super) async fn exit_code(
    waiting: Waiting,
    proxy: Option<(&client::Client, &str)>,
) -> anyhow::Result<u8> {
    let response = match proxy {
        None => waiting.exit().await?,
        Some((client, id)) => tokio::select! {
            biased;
            response = waiting.exit() => response?,
            () = forward_signals(client, id) => bail!("signals ended before the container"),
        },
    };
    code_of(&response)
}

pub(super) fn code_of(response: &WaitResponse) -> anyhow::Result<u8> {
    if let Some(error) = &response.error {
        let text = format!("Error waiting for container: {}", error.message);
        return Err(Failure::Text { text, code: 125 }.into());
    }
    // Exit codes have eight bits.
    Ok(u8::try_from(response.status_code & 0xff).unwrap_or(125))
}
