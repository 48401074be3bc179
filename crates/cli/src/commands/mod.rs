//! The commands, one file each; those that differ in a word share one.

mod api_socket;
mod archive;
mod attach;
mod cluster_volume;
mod container;
mod context;
mod copy;
mod create;
mod disk_usage;
mod each;
mod exec;
mod image;
mod image_tree;
mod images;
mod info;
mod inspect;
mod lifecycle;
mod login;
mod logs;
mod manifest;
mod network;
mod platform;
mod prune;
mod ps;
mod pull;
mod push;
mod rm;
mod run;
mod search;
mod start;
mod stats;
mod system;
mod time_flag;
mod version;
mod volume;

use crate::{completion, failure::Failure, grammar::Parsed, output, session::Session};

/// Runs the command of that path.
///
/// # Errors
/// Whatever the command fails with; [`Failure::NotBuilt`] for one that is known only.
pub async fn run(path: &str, session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    match path.split_once(' ') {
        Some(("completion", shell)) => {
            output::print(completion::script(shell)?)?;
            Ok(0)
        }
        Some(("api-socket", action)) => api_socket::run(action, session, flags).await,
        Some(("container", action)) => container_command(action, session, flags).await,
        Some(("image", action)) => image_command(action, session, flags).await,
        Some(("context", action)) => context_command(action, session, flags).await,
        Some(("manifest", action)) => manifest_command(action, session, flags).await,
        Some(("network" | "volume" | "system", _)) => other_group(path, session, flags).await,
        _ => single(path, session, flags).await,
    }
}

fn not_built(path: impl Into<String>) -> anyhow::Result<u8> {
    Err(Failure::NotBuilt(path.into()).into())
}

async fn container_command(action: &str, session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    match action {
        "attach" => attach::run(session, flags).await,
        "commit" => container::commit(session, flags).await,
        "cp" => copy::run(session, flags).await,
        "create" => create::run(session, flags).await,
        "diff" => container::diff(session, flags).await,
        "exec" => exec::run(session, flags).await,
        "export" => archive::export(session, flags).await,
        "inspect" => inspect::one(session, flags, inspect::Kind::Container).await,
        "kill" => lifecycle::kill(session, flags).await,
        "logs" => logs::run(session, flags).await,
        "ls" => ps::run(session, flags).await,
        "pause" | "unpause" => lifecycle::plain(session, flags, action).await,
        "port" => container::port(session, flags).await,
        "prune" => prune::containers(session, flags).await,
        "rename" => lifecycle::rename(session, flags).await,
        "stop" | "restart" => lifecycle::stop(session, flags, action).await,
        "rm" => rm::run(session, flags).await,
        "run" => run::run(session, flags).await,
        "start" => start::run(session, flags).await,
        "stats" => stats::run(session, flags).await,
        "top" => container::top(session, flags).await,
        "update" => container::update(session, flags).await,
        "wait" => lifecycle::wait(session, flags).await,
        other => not_built(format!("container {other}")),
    }
}

async fn image_command(action: &str, session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    match action {
        "history" => image::history(session, flags).await,
        "import" => archive::import(session, flags).await,
        "inspect" => inspect::one(session, flags, inspect::Kind::Image).await,
        "load" => archive::load(session, flags).await,
        "ls" => images::run(session, flags).await,
        "prune" => image::prune(session, flags).await,
        "pull" => pull::run(session, flags).await,
        "push" => push::run(session, flags).await,
        "rm" => image::remove(session, flags).await,
        "save" => archive::save(session, flags).await,
        "tag" => image::tag(session, flags).await,
        other => not_built(format!("image {other}")),
    }
}

async fn context_command(action: &str, session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    match action {
        "create" => context::create(session, flags),
        "export" => context::export(session, flags),
        "import" => context::import(session, flags),
        "inspect" => context::inspect(session, flags),
        "ls" => context::list(session, flags),
        "rm" => context::remove(session, flags).await,
        "show" => context::show(session),
        "update" => context::update(session, flags),
        "use" => context::select(session, flags),
        other => not_built(format!("context {other}")),
    }
}

async fn manifest_command(action: &str, session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    match action {
        "annotate" => manifest::annotate(session, flags),
        "create" => manifest::create(session, flags).await,
        "inspect" => manifest::inspect(session, flags).await,
        "push" => manifest::push(session, flags).await,
        "rm" => manifest::remove(session, flags),
        other => not_built(format!("manifest {other}")),
    }
}

async fn other_group(path: &str, session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    match path {
        "network connect" => network::connect(session, flags).await,
        "network create" => network::create(session, flags).await,
        "network disconnect" => network::disconnect(session, flags).await,
        "network inspect" => inspect::one(session, flags, inspect::Kind::Network).await,
        "network ls" => network::list(session, flags).await,
        "network prune" => prune::networks(session, flags).await,
        "network rm" => network::remove(session, flags).await,
        "system df" => disk_usage::run(session, flags).await,
        "system dial-stdio" => system::dial_stdio(session).await,
        "system events" => system::events(session, flags).await,
        "system info" => info::run(session, flags).await,
        "system prune" => prune::system(session, flags).await,
        "volume create" => volume::create(session, flags).await,
        "volume inspect" => inspect::one(session, flags, inspect::Kind::Volume).await,
        "volume ls" => volume::list(session, flags).await,
        "volume prune" => prune::volumes(session, flags).await,
        "volume rm" => volume::remove(session, flags).await,
        "volume update" => volume::update(session, flags).await,
        other => not_built(other),
    }
}

async fn single(path: &str, session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    match path {
        "builder prune" => prune::builder(session, flags).await,
        "inspect" => inspect::any(session, flags).await,
        "login" => login::login(session, flags).await,
        "logout" => login::logout(session, flags),
        "search" => search::run(session, flags).await,
        "version" => version::run(session, flags).await,
        other => not_built(other),
    }
}
