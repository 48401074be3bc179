//! What the prune commands share: the question before, the request, the sum after; and
//! `container prune`, `volume prune`, `network prune`, `system prune`.

use anyhow::bail;
use client::Request;
use engine_api::{
    container::ContainerPruneReport, image::ImagePruneReport, network::NetworkPruneReport,
    volume::VolumePruneReport,
};
use serde::{Deserialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    signal::unix::{SignalKind, signal},
};

use crate::{filters, grammar::Parsed, human, output, session::Session};

/// Asks unless `--force`. No is no failure, and neither is to interrupt the question.
///
/// # Errors
/// When the question cannot be printed or the answer not be read.
pub async fn is_confirmed(flags: &Parsed, warning: &str) -> anyhow::Result<bool> {
    if flags.flag("force") {
        return Ok(true);
    }
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    output::print(&format!("{warning} [y/N] "))?;
    let mut answer = String::new();
    let mut input = BufReader::new(tokio::io::stdin());
    let read = tokio::select! {
        read = input.read_line(&mut answer) => Some(read?),
        _ = interrupt.recv() => None,
        _ = terminate.recv() => None,
    };
    if read.is_none() {
        output::line("")?;
    }
    Ok(answer.trim().eq_ignore_ascii_case("y"))
}

/// Sends a prune request with the command's filters and `own`.
///
/// # Errors
/// As the client's.
pub async fn request<T: DeserializeOwned>(
    session: &Session,
    flags: &Parsed,
    path: &str,
    own: &[(&str, &str)],
) -> anyhow::Result<T> {
    let request = Request::post(path).query_unless_empty("filters", &filters::with(flags, own));
    Ok(session.client.document(request).await?)
}

/// Prints the sum.
///
/// # Errors
/// When standard output is closed.
pub fn reclaimed(bytes: u64) -> anyhow::Result<()> {
    output::line(&format!("Total reclaimed space: {}", human::size_with(bytes as f64, 4)))
}

fn list(heading: &str, names: Option<Vec<String>>) -> anyhow::Result<()> {
    match names {
        Some(names) if !names.is_empty() => {
            output::print(&format!("{heading}:\n{}\n\n", names.join("\n")))
        }
        _ => Ok(()),
    }
}

/// `container prune`.
pub async fn containers(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let warning =
        "WARNING! This will remove all stopped containers.\nAre you sure you want to continue?";
    if !is_confirmed(flags, warning).await? {
        return Ok(0);
    }
    let report: ContainerPruneReport = request(session, flags, "/containers/prune", &[]).await?;
    list("Deleted Containers", report.containers_deleted)?;
    reclaimed(report.space_reclaimed)?;
    Ok(0)
}

/// `volume prune`.
pub async fn volumes(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let all = flags.flag("all");
    let warning = if all {
        "WARNING! This will remove all local volumes not used by at least one container.\nAre you sure you want to continue?"
    } else {
        "WARNING! This will remove anonymous local volumes not used by at least one container.\nAre you sure you want to continue?"
    };
    if !is_confirmed(flags, warning).await? {
        return Ok(0);
    }
    let own: &[(&str, &str)] = if all { &[("all", "true")] } else { &[] };
    let report: VolumePruneReport = request(session, flags, "/volumes/prune", own).await?;
    list("Deleted Volumes", report.volumes_deleted)?;
    reclaimed(report.space_reclaimed)?;
    Ok(0)
}

/// `network prune`.
pub async fn networks(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let warning = "WARNING! This will remove all custom networks not used by at least one container.\nAre you sure you want to continue?";
    if !is_confirmed(flags, warning).await? {
        return Ok(0);
    }
    let report: NetworkPruneReport = request(session, flags, "/networks/prune", &[]).await?;
    list("Deleted Networks", report.networks_deleted)?;
    Ok(0)
}

/// The answer of `POST /build/prune`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[derive(Default)]
struct BuildPruneReport {
    caches_deleted: Option<Vec<String>>,
    space_reclaimed: u64,
}

/// `builder prune`.
pub async fn builder(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let warning = match flags.flag("all") {
        true => "WARNING! This will remove all build cache. Are you sure you want to continue?",
        false => {
            "WARNING! This will remove all dangling build cache. Are you sure you want to continue?"
        }
    };
    if !is_confirmed(flags, warning).await? {
        return Ok(0);
    }
    let space = build_cache(session, flags).await?;
    reclaimed(space)?;
    Ok(0)
}

async fn build_cache(session: &Session, flags: &Parsed) -> anyhow::Result<u64> {
    let keep = flags.int("keep-storage");
    let mut request = Request::post("/build/prune")
        .query_if("all", flags.flag("all"))
        .query_unless_empty("filters", &filters::json(flags));
    if keep > 0 {
        // One name before API 1.48, another since.
        request = request.query("keep-storage", keep.to_string());
        request = request.query("reserved-space", keep.to_string());
    }
    let report: BuildPruneReport = session.client.document(request).await?;
    list("Deleted build cache objects", report.caches_deleted)?;
    Ok(report.space_reclaimed)
}

/// What `system prune` is about to do, as a question.
fn system_warning(flags: &Parsed) -> String {
    let all = flags.flag("all");
    let mut rows =
        vec!["all stopped containers", "all networks not used by at least one container"];
    if flags.flag("volumes") {
        rows.push("all anonymous volumes not used by at least one container");
    }
    rows.push(match all {
        true => "all images without at least one container associated to them",
        false => "all dangling images",
    });
    rows.push(if all { "all build cache" } else { "unused build cache" });
    let mut text = "WARNING! This will remove:".to_owned();
    rows.iter().for_each(|row| text.push_str(&format!("\n  - {row}")));
    let is_named = |filter: &&String| {
        ["label=", "label!=", "until="].iter().any(|name| filter.starts_with(name))
    };
    let mut named: Vec<_> = flags.list("filter").iter().filter(is_named).collect();
    named.sort();
    if !named.is_empty() {
        text.push_str("\n\n  Items to be pruned will be filtered with:");
        named.iter().for_each(|filter| text.push_str(&format!("\n  - {filter}")));
    }
    text + "\n\nAre you sure you want to continue?"
}

/// `system prune`: containers, networks, volumes if asked, images, build cache.
pub async fn system(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let (all, has_volumes) = (flags.flag("all"), flags.flag("volumes"));
    if has_volumes && flags.list("filter").iter().any(|filter| filter.starts_with("until=")) {
        bail!("ERROR: The \"until\" filter is not supported with \"--volumes\"");
    }
    if !is_confirmed(flags, &system_warning(flags)).await? {
        return Ok(0);
    }
    let gone: ContainerPruneReport = request(session, flags, "/containers/prune", &[]).await?;
    list("Deleted Containers", gone.containers_deleted)?;
    let mut sum = gone.space_reclaimed;
    let gone: NetworkPruneReport = request(session, flags, "/networks/prune", &[]).await?;
    list("Deleted Networks", gone.networks_deleted)?;
    if has_volumes {
        let gone: VolumePruneReport = request(session, flags, "/volumes/prune", &[]).await?;
        list("Deleted Volumes", gone.volumes_deleted)?;
        sum += gone.space_reclaimed;
    }
    let dangling = if all { "false" } else { "true" };
    let gone: ImagePruneReport =
        request(session, flags, "/images/prune", &[("dangling", dangling)]).await?;
    let names = gone.images_deleted.map(|items| {
        let name = |item: engine_api::image::ImageDeleteItem| match item.untagged.as_str() {
            "" => format!("deleted: {}", item.deleted),
            name => format!("untagged: {name}"),
        };
        items.into_iter().map(name).collect()
    });
    list("Deleted Images", names)?;
    sum += gone.space_reclaimed + build_cache(session, flags).await?;
    reclaimed(sum)?;
    Ok(0)
}
