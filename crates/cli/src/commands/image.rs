//! Small commands about images: `tag`, `rmi`, `history`, `image prune`.

use anyhow::{Context, bail};
use client::{Request, escape_path};
use engine_api::image::{ImageDeleteItem, ImageHistoryItem, ImagePruneReport};

use super::{platform, prune};
use crate::{
    failure,
    grammar::Parsed,
    human, output, reference,
    session::Session,
    template::{Column, Listing, Row},
};

/// `tag`.
pub async fn tag(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let (source, target) = (&flags.args[0], &flags.args[1]);
    if let Err(error) = reference::check_name_or_id(source) {
        bail!("Error parsing reference: {source:?} is not a valid repository/tag: {error:#}");
    }
    let name = match reference::parse(target) {
        Ok(name) if name.digest().is_some() => {
            bail!("refusing to create a tag with a digest reference")
        }
        Ok(name) => name.with_default_tag(),
        Err(error) => {
            bail!("Error parsing reference: {target:?} is not a valid repository/tag: {error}")
        }
    };
    let request = Request::post(format!("/images/{}/tag", escape_path(source)))
        .query("repo", name.name())
        .query("tag", name.tag().unwrap_or(""));
    session.client.act(request).await?;
    Ok(0)
}

/// `rmi`.
pub async fn remove(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let mut code = 0;
    let platforms: Vec<String> = flags
        .list("platform")
        .iter()
        .map(|text| platform::document(text).map(|document| document.to_string()))
        .collect::<anyhow::Result<_>>()?;
    if !platforms.is_empty() {
        platform::require(session, "platform", 50).await?;
    }
    for name in &flags.args {
        let request = Request::delete(format!("/images/{}", escape_path(name)))
            .query_if("force", flags.flag("force"));
        let request = if flags.flag("no-prune") { request.query("noprune", "1") } else { request };
        let request =
            platforms.iter().fold(request, |request, one| request.query("platforms", one));
        match session.client.document::<Vec<ImageDeleteItem>>(request).await {
            Ok(items) => output::print(&deleted(&items))?,
            Err(error) => {
                let is_fine = error.is_not_found() && flags.flag("force");
                output::error_line(&failure::text(&error.into()));
                if !is_fine {
                    code = 1;
                }
            }
        }
    }
    Ok(code)
}

fn deleted(items: &[ImageDeleteItem]) -> String {
    let line = |item: &ImageDeleteItem| match item.deleted.as_str() {
        "" => format!("Untagged: {}\n", item.untagged),
        id => format!("Deleted: {id}\n"),
    };
    items.iter().map(line).collect()
}

const HISTORY: [Column; 6] = [
    ("ID", "IMAGE"),
    ("CreatedSince", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("CreatedBy", "CREATED BY"),
    ("Size", "SIZE"),
    ("Comment", "COMMENT"),
];

/// `history`.
pub async fn history(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let mut request = Request::get(format!("/images/{}/history", escape_path(flags.first())));
    if flags.is_set("platform") && !flags.text("platform").is_empty() {
        platform::require(session, "platform", 48).await?;
        let platform = platform::document(flags.text("platform")).context("invalid platform")?;
        request = request.query("platform", platform.to_string());
    }
    let items: Vec<ImageHistoryItem> = session.client.document(request).await?;
    let (is_human, is_cut) = (flags.flag("human"), !flags.flag("no-trunc"));
    let row = |item: &ImageHistoryItem| {
        let created_by = item.created_by.replace('\t', " ");
        let at = human::local_rfc3339(item.created);
        Row::new([
            ("ID", if is_cut { human::short_id(&item.id) } else { item.id.clone() }),
            ("CreatedSince", if is_human { human::ago(item.created) } else { at.clone() }),
            ("CreatedAt", at),
            ("CreatedBy", if is_cut { human::ellipsis(&created_by, 45) } else { created_by }),
            ("Size", if is_human { human::size(item.size) } else { item.size.to_string() }),
            ("Comment", item.comment.clone()),
        ])
    };
    let rows: Vec<Row> = items.iter().map(row).collect();
    let table = vec!["ID", "CreatedSince", "CreatedBy", "Size", "Comment"];
    let mut columns = HISTORY.to_vec();
    if !is_human {
        columns[1].1 = "CREATED AT";
    }
    let listing = Listing { columns, table, quiet: "ID" };
    output::print(&listing.render(flags.text("format"), flags.flag("quiet"), &rows)?)?;
    Ok(0)
}

/// `image prune`.
pub async fn prune(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let all = flags.flag("all");
    let warning = if all {
        "WARNING! This will remove all images without at least one container associated to them.\nAre you sure you want to continue?"
    } else {
        "WARNING! This will remove all dangling images.\nAre you sure you want to continue?"
    };
    if !prune::is_confirmed(flags, warning).await? {
        return Ok(0);
    }
    let dangling = if all { "false" } else { "true" };
    let report: ImagePruneReport =
        prune::request(session, flags, "/images/prune", &[("dangling", dangling)]).await?;
    let items = report.images_deleted.unwrap_or_default();
    if !items.is_empty() {
        let text: String = items
            .iter()
            .map(|item| match item.untagged.as_str() {
                "" => format!("deleted: {}\n", item.deleted),
                name => format!("untagged: {name}\n"),
            })
            .collect();
        output::print(&format!("Deleted Images:\n{text}\n"))?;
    }
    prune::reclaimed(report.space_reclaimed)?;
    Ok(0)
}
