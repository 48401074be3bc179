//! `exec`.

use anyhow::bail;
use client::Resizable;
use engine_api::exec::{ExecCreateRequest, ExecStartRequest};

use crate::{
    container_options::environment,
    grammar::Parsed,
    interactive::{Connection, End},
    session::Session,
    terminal,
};

/// Runs the command.
pub async fn run(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let client = &session.client;
    let (has_terminal, is_detached) = (flags.flag("tty"), flags.flag("detach"));
    if has_terminal && flags.flag("interactive") && !is_detached && !terminal::is_input() {
        bail!("the input device is not a TTY");
    }
    let console_size = has_terminal
        .then(terminal::size)
        .flatten()
        .map(|(rows, columns)| [u32::from(rows), u32::from(columns)]);
    let keys = match flags.text("detach-keys") {
        "" => session.config.detach_keys.clone(),
        keys => keys.to_owned(),
    };
    let env = environment::variables(flags.list("env-file"), flags.list("env"))?;
    let has_input = flags.flag("interactive") && !is_detached;
    let document = ExecCreateRequest {
        user: flags.text("user").to_owned(),
        privileged: flags.flag("privileged"),
        tty: has_terminal,
        console_size,
        attach_stdin: has_input,
        attach_stderr: !is_detached,
        attach_stdout: !is_detached,
        detach_keys: keys.clone(),
        env: (!env.is_empty()).then_some(env),
        working_dir: flags.text("workdir").to_owned(),
        cmd: Some(flags.args[1..].to_vec()),
    };
    let id = client.create_exec(flags.first(), &document).await?.id;
    if id.is_empty() {
        bail!("exec ID empty");
    }
    let start = ExecStartRequest { detach: is_detached, tty: has_terminal, console_size };
    if is_detached {
        client.start_exec(&id, &start).await?;
        return Ok(0);
    }
    let stream = client.attach_exec(&id, &start).await?;
    let connection = Connection {
        client,
        target: Resizable::Exec(id.clone()),
        has_terminal,
        has_input,
        detach_keys: keys,
    };
    let end = tokio::select! {
        biased;
        end = connection.run(stream) => end?,
        () = connection.follow_size() => bail!("the terminal ended before the process"),
    };
    if end == End::Detached {
        return Ok(0);
    }
    let code = client.inspect_exec(&id).await?.exit_code.unwrap_or(0);
    Ok(u8::try_from(code & 0xff).unwrap_or(1))
}
