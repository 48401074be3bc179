//! `volume create`, `ls` and `rm`.

use client::{Request, escape_path};
use engine_api::volume::{Volume, VolumeCreateRequest, VolumeList};

use super::each::each;
use crate::{
    container_options::environment,
    filters,
    grammar::Parsed,
    human, output,
    session::Session,
    template::{Column, Listing, Row},
};

const COLUMNS: [Column; 9] = [
    ("Name", "VOLUME NAME"),
    ("Driver", "DRIVER"),
    ("Scope", "SCOPE"),
    ("Mountpoint", "MOUNTPOINT"),
    ("Labels", "LABELS"),
    ("Links", "LINKS"),
    ("Size", "SIZE"),
    ("Availability", "AVAILABILITY"),
    ("Status", "STATUS"),
];

/// `volume create`.
pub async fn create(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let document = VolumeCreateRequest {
        name: flags.first().to_owned(),
        driver: flags.text("driver").to_owned(),
        driver_opts: flags.map("opt"),
        labels: environment::labels(&[], flags.list("label"))?,
        cluster_volume_spec: None,
    };
    let volume: Volume =
        session.client.document(Request::post("/volumes/create").json(&document)).await?;
    output::line(&volume.name)?;
    Ok(0)
}

/// `volume ls`.
pub async fn list(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let request = Request::get("/volumes").query_unless_empty("filters", &filters::json(flags));
    let mut list: VolumeList = session.client.document(request).await?;
    list.volumes.sort_by(|a, b| a.name.cmp(&b.name));
    let rows: Vec<Row> = list.volumes.iter().map(row).collect();
    let format = match flags.text("format") {
        "" if !flags.flag("quiet") => session.config.format("volumesFormat"),
        format => format,
    };
    let listing =
        Listing { columns: COLUMNS.to_vec(), table: vec!["Driver", "Name"], quiet: "Name" };
    output::print(&listing.render(format, flags.flag("quiet"), &rows)?)?;
    Ok(0)
}

fn row(volume: &Volume) -> Row {
    let none = || "N/A".to_owned();
    let usage = volume.usage_data.as_ref();
    Row::new([
        ("Name", volume.name.clone()),
        ("Driver", volume.driver.clone()),
        ("Scope", volume.scope.clone()),
        ("Mountpoint", volume.mountpoint.clone()),
        ("Links", usage.map_or_else(none, |usage| usage.ref_count.to_string())),
        ("Size", usage.map_or_else(none, |usage| human::size_with(usage.size as f64, 4))),
        ("Availability", none()),
        ("Status", none()),
    ])
    .with_labels(volume.labels.as_ref().unwrap_or(&engine_api::StringMap::new()))
}

/// `volume rm`.
pub async fn remove(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    each(&flags.args, "remove", async |name| {
        let request = Request::delete(format!("/volumes/{}", escape_path(name)))
            .query_if("force", flags.flag("force"));
        session.client.act(request).await?;
        Ok(name.to_owned())
    })
    .await
}
