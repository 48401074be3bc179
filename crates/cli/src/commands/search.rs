//! `search`.

use client::Request;
use engine_api::image::ImageSearchItem;
use types::Reference;

use crate::{
    filters,
    grammar::Parsed,
    human, output,
    session::Session,
    template::{Column, Listing, Row},
};

const COLUMNS: [Column; 4] = [
    ("Name", "NAME"),
    ("Description", "DESCRIPTION"),
    ("StarCount", "STARS"),
    ("IsOfficial", "OFFICIAL"),
];

/// Runs the command.
pub async fn run(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let term = flags.first();
    let limit = flags.int("limit");
    let mut request = Request::get("/images/search")
        .query("term", term)
        .query_unless_empty("filters", &filters::json(flags));
    if limit > 0 {
        request = request.query("limit", limit.to_string());
    }
    // The term may name a registry, whose credentials are then sent along.
    if let Ok(reference) = term.parse::<Reference>() {
        request = request.header("X-Registry-Auth", session.registry_auth(&reference)?);
    }
    let items: Vec<ImageSearchItem> = session.client.document(request).await?;
    let is_cut = !flags.flag("no-trunc");
    let format = flags.text("format");
    let is_json = format == "json" || format.replace(' ', "").contains("{{json.}}");
    let mark = |flag: bool| match is_json {
        true => flag.to_string(),
        false if flag => "[OK]".to_owned(),
        false => String::new(),
    };
    let row = |item: &ImageSearchItem| {
        let description = item.description.replace(['\n', '\r'], " ");
        Row::new([
            ("Name", item.name.clone()),
            ("Description", if is_cut { human::ellipsis(&description, 45) } else { description }),
            ("StarCount", item.star_count.to_string()),
            ("IsOfficial", mark(item.is_official)),
        ])
    };
    let rows: Vec<Row> = items.iter().map(row).collect();
    let table = vec!["Name", "Description", "StarCount", "IsOfficial"];
    let listing = Listing { columns: COLUMNS.to_vec(), table, quiet: "Name" };
    output::print(&listing.render(format, false, &rows)?)?;
    Ok(0)
}
