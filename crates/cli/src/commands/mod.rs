//! The commands, one file each; those that differ in a word share one.

mod attach;
mod create;
mod each;
mod exec;
mod images;
mod info;
mod lifecycle;
mod logs;
mod ps;
mod pull;
mod rm;
mod run;
mod start;
mod time_flag;
mod version;

use crate::{failure::Failure, grammar::Parsed, session::Session};

/// Runs the command of that path.
///
/// # Errors
/// Whatever the command fails with; [`Failure::NotBuilt`] for one that is known only.
pub async fn run(path: &str, session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    match path {
        "container attach" => attach::run(session, flags).await,
        "container create" => create::run(session, flags).await,
        "container exec" => exec::run(session, flags).await,
        "container kill" => lifecycle::kill(session, flags).await,
        "container logs" => logs::run(session, flags).await,
        "container ls" => ps::run(session, flags).await,
        "container pause" => lifecycle::plain(session, flags, "pause").await,
        "container rename" => lifecycle::rename(session, flags).await,
        "container restart" => lifecycle::stop(session, flags, "restart").await,
        "container rm" => rm::run(session, flags).await,
        "container run" => run::run(session, flags).await,
        "container start" => start::run(session, flags).await,
        "container stop" => lifecycle::stop(session, flags, "stop").await,
        "container unpause" => lifecycle::plain(session, flags, "unpause").await,
        "container wait" => lifecycle::wait(session, flags).await,
        "image ls" => images::run(session, flags).await,
        "image pull" => pull::run(session, flags).await,
        "system info" => info::run(session, flags).await,
        "version" => version::run(session, flags).await,
        other => Err(Failure::NotBuilt(other.to_owned()).into()),
    }
}
