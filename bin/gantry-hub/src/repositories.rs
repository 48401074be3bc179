//! `gantry-hub repo`.

use std::path::Path;

use registry::{RepositoryName, catalog::Page};

use crate::{
    arguments::{Place, RepoAction},
    config::Config,
    data::Data,
};

const PAGE: u32 = 1000;

pub fn run(place: &Place, action: RepoAction) -> anyhow::Result<()> {
    let dir = Config::read(place)?.data_dir();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(perform(&dir, action))
}

async fn perform(dir: &Path, action: RepoAction) -> anyhow::Result<()> {
    let Data { hub, database } = Data::open_for_command(dir).await?;
    match action {
        RepoAction::Ls => {
            let mut after = String::new();
            loop {
                let page = Page { after: &after, limit: PAGE };
                let found = hub.registry().repositories(page).await?;
                for repository in &found {
                    println!("{}\t{}", repository.name, repository.visibility.as_str());
                }
                let Some(last) = found.last() else { break };
                after = last.name.to_string();
            }
        }
        RepoAction::SetVisibility { name, visibility } => {
            let name: RepositoryName = name.parse()?;
            hub.registry().set_visibility(&name, visibility.parse()?).await?;
            println!("{name}\t{visibility}");
        }
    }
    database.close().await;
    Ok(())
}
