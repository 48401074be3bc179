//! What the prune commands share: the question before, the request, the sum after; and
//! `container prune`, `volume prune`, `network prune`, `system prune`.

use std::io::BufRead;

use client::Request;
use engine_api::{
    container::ContainerPruneReport, image::ImagePruneReport, network::NetworkPruneReport,
    volume::VolumePruneReport,
};
use serde::de::DeserializeOwned;

use crate::{failure::Failure, filters, grammar::Parsed, human, output, session::Session};

/// Asks unless `--force`.
///
/// # Errors
/// When the question cannot be printed, or the answer is no.
pub fn is_confirmed(flags: &Parsed, warning: &str) -> anyhow::Result<bool> {
    if flags.flag("force") {
        return Ok(true);
    }
    output::print(&format!("{warning}\nAre you sure you want to continue? [y/N] "))?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    if answer.trim().eq_ignore_ascii_case("y") {
        return Ok(true);
    }
    Err(Failure::silent(1).into())
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
    if !is_confirmed(flags, "WARNING! This will remove all stopped containers.")? {
        return Ok(1);
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
        "WARNING! This will remove all local volumes not used by at least one container."
    } else {
        "WARNING! This will remove anonymous local volumes not used by at least one container."
    };
    if !is_confirmed(flags, warning)? {
        return Ok(1);
    }
    let own: &[(&str, &str)] = if all { &[("all", "true")] } else { &[] };
    let report: VolumePruneReport = request(session, flags, "/volumes/prune", own).await?;
    list("Deleted Volumes", report.volumes_deleted)?;
    reclaimed(report.space_reclaimed)?;
    Ok(0)
}

/// `network prune`.
pub async fn networks(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let warning =
        "WARNING! This will remove all custom networks not used by at least one container.";
    if !is_confirmed(flags, warning)? {
        return Ok(1);
    }
    let report: NetworkPruneReport = request(session, flags, "/networks/prune", &[]).await?;
    list("Deleted Networks", report.networks_deleted)?;
    Ok(0)
}

/// `system prune`: containers, networks, volumes if asked, images. There is no build cache yet.
pub async fn system(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let (all, has_volumes) = (flags.flag("all"), flags.flag("volumes"));
    let mut rows =
        vec!["  - all stopped containers", "  - all networks not used by at least one container"];
    if has_volumes {
        rows.push("  - all anonymous volumes not used by at least one container");
    }
    rows.push(match all {
        true => "  - all images without at least one container associated to them",
        false => "  - all dangling images",
    });
    let warning = format!("WARNING! This will remove:\n{}\n", rows.join("\n"));
    if !is_confirmed(flags, &warning)? {
        return Ok(1);
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
    reclaimed(sum + gone.space_reclaimed)?;
    Ok(0)
}
