//! `gantry-hub user`.

use std::{io::Read, path::Path};

use anyhow::Context;
use hub::{NewAccount, Role, Secret, UserName};

use crate::{
    arguments::{PasswordSource, Place, UserAction},
    config::Config,
    data::Data,
};

/// Longer than any password that is accepted.
const MAX_INPUT_BYTES: u64 = 4096;

pub fn run(place: &Place, action: UserAction) -> anyhow::Result<()> {
    let dir = Config::read(place)?.data_dir();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(perform(&dir, action))
}

async fn perform(dir: &Path, action: UserAction) -> anyhow::Result<()> {
    let Data { hub, database } = Data::open_for_command(dir).await?;
    match action {
        UserAction::Add { name, admin, password } => {
            let role = if admin { Role::Admin } else { Role::User };
            let new = NewAccount { name: name.parse()?, password: read_password(&password)?, role };
            println!("{}", hub.add_account(new).await?.name);
        }
        UserAction::Ls => {
            for account in hub.accounts().await? {
                let role = if account.role == Role::Admin { "admin" } else { "user" };
                println!("{}\t{role}", account.name);
            }
        }
        UserAction::Rm { name } => {
            let name: UserName = name.parse()?;
            hub.remove_account(&name).await?;
            println!("{name}");
        }
        UserAction::Passwd { name, password } => {
            hub.set_password(&name.parse()?, read_password(&password)?).await?;
        }
    }
    database.close().await;
    Ok(())
}

/// One line end at the end is not part of the password.
fn read_password(source: &PasswordSource) -> anyhow::Result<Secret> {
    let mut text = String::new();
    match &source.password_file {
        Some(path) => {
            let file = std::fs::File::open(path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            file.take(MAX_INPUT_BYTES).read_to_string(&mut text).context("cannot read password")?;
        }
        None => {
            let input = std::io::stdin().take(MAX_INPUT_BYTES);
            { input }.read_to_string(&mut text).context("cannot read password")?;
        }
    }
    let line = text.strip_suffix('\n').unwrap_or(&text);
    Ok(Secret::new(line.strip_suffix('\r').unwrap_or(line)))
}
