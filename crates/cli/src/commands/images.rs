//! `images`.

use client::Request;
use engine_api::image::ImageSummary;

use crate::{
    filters,
    grammar::Parsed,
    human, output,
    session::Session,
    template::{Column, Listing, Row},
};

pub(super) const COLUMNS: [Column; 11] = [
    ("ID", "IMAGE ID"),
    ("Repository", "REPOSITORY"),
    ("Tag", "TAG"),
    ("Digest", "DIGEST"),
    ("CreatedSince", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("Size", "SIZE"),
    ("Containers", "CONTAINERS"),
    ("VirtualSize", "SIZE"),
    ("SharedSize", "SHARED SIZE"),
    ("UniqueSize", "UNIQUE SIZE"),
];

const NONE: &str = "<none>";

/// Runs the command.
pub async fn run(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    if flags.flag("tree") {
        return super::image_tree::run(session, flags).await;
    }
    let own: Vec<_> = flags.args.iter().map(|name| ("reference", name.as_str())).collect();
    let request = Request::get("/images/json")
        .query_if("all", flags.flag("all"))
        .query_unless_empty("filters", &filters::with(flags, &own));
    let images: Vec<ImageSummary> = session.client.document(request).await?;
    let format = match flags.text("format") {
        "" if !flags.flag("quiet") => session.config.format("imagesFormat"),
        format => format,
    };
    let has_digests = flags.flag("digests") || format.contains(".Digest");
    let is_cut = !flags.flag("no-trunc");
    let view = View { has_digests, is_asked: flags.flag("digests"), is_cut };
    let rows: Vec<Row> = images
        .iter()
        .flat_map(|image| rows(image, &view))
        .filter(|row| flags.flag("all") || !flags.flag("quiet") || row.fields.contains_key("ID"))
        .collect();
    let mut table = vec!["Repository", "Tag", "ID", "CreatedSince", "Size"];
    if flags.flag("digests") {
        table.insert(2, "Digest");
    }
    let listing = Listing { columns: COLUMNS.to_vec(), table, quiet: "ID" };
    output::print(&listing.render(format, flags.flag("quiet"), &rows)?)?;
    Ok(0)
}

/// What the rows are to show.
struct View {
    /// Digests are among the fields.
    has_digests: bool,
    /// By `--digests`, not only by a template.
    is_asked: bool,
    /// Ids are cut.
    is_cut: bool,
}

/// The row of `system df --verbose`: one per image, under its first tag.
pub(super) fn usage_row(image: &ImageSummary, is_cut: bool) -> Row {
    let tag = image.repo_tags.iter().find(|tag| *tag != "<none>:<none>");
    let none = || (NONE.to_owned(), NONE.to_owned());
    let (name, tag) = tag
        .and_then(|tag| tag.rsplit_once(':'))
        .map_or_else(none, |(name, tag)| (name.to_owned(), tag.to_owned()));
    row(image, (name, tag, String::new()), is_cut)
}

/// One row per tag; with digests one per tag and digest; a nameless image has one row.
fn rows(image: &ImageSummary, view: &View) -> Vec<Row> {
    let View { has_digests, is_asked, is_cut } = *view;
    let split = |text: &String, at: char| {
        text.rsplit_once(at).map(|(name, rest)| (name.to_owned(), rest.to_owned()))
    };
    let tags: Vec<_> = image
        .repo_tags
        .iter()
        .filter(|tag| *tag != "<none>:<none>")
        .filter_map(|tag| split(tag, ':'))
        .collect();
    let digests: Vec<_> = image
        .repo_digests
        .iter()
        .filter(|digest| *digest != "<none>@<none>")
        .filter_map(|digest| split(digest, '@'))
        .collect();
    let mut names: Vec<(String, String, String)> = Vec::new();
    for (name, tag) in &tags {
        let own: Vec<_> = digests.iter().filter(|(of, _)| of == name).collect();
        if !has_digests || own.is_empty() {
            names.push((name.clone(), tag.clone(), NONE.to_owned()));
        } else {
            names.extend(own.iter().map(|(_, d)| (name.clone(), tag.clone(), d.clone())));
        }
    }
    for (name, digest) in &digests {
        if !tags.iter().any(|(tagged, _)| tagged == name) {
            let digest = if is_asked { digest.clone() } else { String::new() };
            names.push((name.clone(), NONE.to_owned(), digest));
        }
    }
    if names.is_empty() {
        names.push((NONE.to_owned(), NONE.to_owned(), NONE.to_owned()));
    }
    names.into_iter().map(|name| row(image, name, is_cut)).collect()
}

fn row(image: &ImageSummary, (name, tag, digest): (String, String, String), is_cut: bool) -> Row {
    let known = |number: i64, text: String| if number < 0 { "N/A".to_owned() } else { text };
    Row::new([
        ("ID", if is_cut { human::short_id(&image.id) } else { image.id.clone() }),
        ("Repository", name),
        ("Tag", tag),
        ("Digest", digest),
        (
            "CreatedSince",
            if image.created > 0 { human::ago(image.created) } else { "N/A".to_owned() },
        ),
        ("CreatedAt", human::local_time(image.created)),
        ("Size", human::size(image.size)),
        ("Containers", known(image.containers, image.containers.to_string())),
        ("VirtualSize", human::size_with(image.size as f64, 4)),
        (
            "UniqueSize",
            known(
                image.size.min(image.shared_size),
                human::size_with((image.size - image.shared_size) as f64, 4),
            ),
        ),
        ("SharedSize", known(image.shared_size, human::size_with(image.shared_size as f64, 4))),
    ])
}
