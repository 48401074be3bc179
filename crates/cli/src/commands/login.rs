//! `login` and `logout`.

use std::io::{self, BufRead, IsTerminal, Read};

use anyhow::{Context, bail};
use client::Request;
use engine_api::{
    Secret,
    auth::{AuthConfig, AuthResponse},
};

use crate::{
    config::{Credentials, shown_registry},
    grammar::Parsed,
    output,
    session::Session,
    terminal::NoEcho,
};

/// `login`.
pub async fn login(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let password = given_password(flags)?;
    let server = shown_registry(flags.first());
    let store = Credentials::new(&session.directory);
    let mut auth = AuthConfig { server_address: server.clone(), ..AuthConfig::default() };
    let stored = match (flags.text("username"), &password) {
        ("", None) => store.get(&server)?,
        _ => None,
    };
    let mut answer = None;
    if let Some(stored) = stored.filter(|stored| !stored.username.is_empty()) {
        output::line("Authenticating with existing credentials...")?;
        match verify(session, &stored).await {
            Ok(response) => {
                auth = stored;
                answer = Some(response);
            }
            Err(error) => {
                output::error_line(&format!("Login did not succeed, error: {error}"));
            }
        }
    }
    let answer = match answer {
        Some(answer) => answer,
        None => {
            ask(flags, password, &mut auth)?;
            verify(session, &auth).await?
        }
    };
    if !answer.identity_token.is_empty() {
        auth.password = Secret::default();
        auth.identity_token = answer.identity_token;
    }
    if store.store(&auth).context("Error saving credentials")? {
        output::error_line(&format!(
            "\nWARNING! Your credentials are stored unencrypted in '{}'.\n\
             Configure a credential helper to remove this warning. See\n\
             https://docs.docker.com/go/credential-store/\n",
            session.directory.file().display()
        ));
    }
    if !answer.status.is_empty() {
        output::line(&answer.status)?;
    }
    Ok(0)
}

fn given_password(flags: &Parsed) -> anyhow::Result<Option<Secret>> {
    if !flags.is_set("password") && !flags.flag("password-stdin") {
        return Ok(None);
    }
    if flags.flag("password-stdin") {
        if flags.is_set("password") {
            bail!("conflicting options: cannot specify both --password and --password-stdin");
        }
        if flags.text("username").is_empty() {
            bail!("the --password-stdin option requires --username to be set");
        }
        let mut text = String::new();
        io::stdin().lock().read_to_string(&mut text).context("cannot read the password")?;
        let text = text.strip_suffix('\n').unwrap_or(&text);
        return Ok(Some(Secret::new(text.strip_suffix('\r').unwrap_or(text))));
    }
    output::error_line("WARNING! Using --password via the CLI is insecure. Use --password-stdin.");
    Ok(Some(Secret::new(flags.text("password"))))
}

async fn verify(session: &Session, auth: &AuthConfig) -> anyhow::Result<AuthResponse> {
    Ok(session.client.document(Request::post("/auth").json(auth)).await?)
}

/// Fills in what is missing, by asking at the terminal.
fn ask(flags: &Parsed, password: Option<Secret>, auth: &mut AuthConfig) -> anyhow::Result<()> {
    flags.text("username").clone_into(&mut auth.username);
    if let Some(password) = password {
        auth.password = password;
    }
    let is_complete = !auth.username.is_empty() && !auth.password.is_empty();
    if !is_complete && !io::stdin().is_terminal() {
        bail!("Error: Cannot perform an interactive login from a non TTY device");
    }
    if auth.username.is_empty() {
        output::print("Username: ")?;
        auth.username = line()?;
        if auth.username.is_empty() {
            bail!("username is required");
        }
    }
    if auth.password.is_empty() {
        output::print("Password: ")?;
        let hidden = NoEcho::enter();
        auth.password = Secret::new(line()?);
        drop(hidden);
        output::print("\n")?;
        if auth.password.is_empty() {
            bail!("password is required");
        }
    }
    Ok(())
}

fn line() -> anyhow::Result<String> {
    let mut text = String::new();
    io::stdin().lock().read_line(&mut text).context("cannot read from the terminal")?;
    Ok(text.trim().to_owned())
}

/// `logout`.
pub fn logout(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let server = shown_registry(flags.first());
    let store = Credentials::new(&session.directory);
    output::line(&format!("Removing login credentials for {server}"))?;
    store.erase(&server)?;
    Ok(0)
}
