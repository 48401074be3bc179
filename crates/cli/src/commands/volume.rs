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

pub(super) const COLUMNS: [Column; 10] = [
    ("Name", "VOLUME NAME"),
    ("Driver", "DRIVER"),
    ("Scope", "SCOPE"),
    ("Mountpoint", "MOUNTPOINT"),
    ("Labels", "LABELS"),
    ("Links", "LINKS"),
    ("Size", "SIZE"),
    ("Group", "GROUP"),
    ("Availability", "AVAILABILITY"),
    ("Status", "STATUS"),
];

/// `volume create`.
pub async fn create(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    if flags.is_set("name") && !flags.args.is_empty() {
        anyhow::bail!(
            "conflicting options: cannot specify a volume-name through both --name and as a positional arg"
        );
    }
    let name = if flags.is_set("name") { flags.text("name") } else { flags.first() };
    let document = VolumeCreateRequest {
        name: name.to_owned(),
        driver: flags.text("driver").to_owned(),
        driver_opts: flags.map("opt"),
        labels: environment::labels(&[], flags.list("label"))?,
        cluster_volume_spec: super::cluster_volume::spec(flags)?,
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
    let is_cluster = flags.flag("cluster");
    if is_cluster {
        // No engine without Swarm has any.
        list.volumes.retain(|volume| volume.cluster_volume.is_some());
    }
    let rows: Vec<Row> = list.volumes.iter().map(row).collect();
    let format = match flags.text("format") {
        "" if !flags.flag("quiet") => session.config.format("volumesFormat"),
        format => format,
    };
    let table = match is_cluster {
        true => vec!["Name", "Group", "Driver", "Availability", "Status"],
        false => vec!["Driver", "Name"],
    };
    let format = if is_cluster { "" } else { format };
    let listing = Listing { columns: COLUMNS.to_vec(), table, quiet: "Name" };
    output::print(&listing.render(format, flags.flag("quiet"), &rows)?)?;
    Ok(0)
}

/// The fields of one volume.
pub(super) fn row(volume: &Volume) -> Row {
    let none = || "N/A".to_owned();
    let usage = volume.usage_data.as_ref();
    Row::new([
        ("Name", volume.name.clone()),
        ("Driver", volume.driver.clone()),
        ("Scope", volume.scope.clone()),
        ("Mountpoint", volume.mountpoint.clone()),
        ("Links", usage.map_or_else(none, |usage| usage.ref_count.to_string())),
        ("Size", usage.map_or_else(none, |usage| human::size_with(usage.size as f64, 4))),
        ("Group", none()),
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

/// `volume update`: only the availability of cluster volumes can be changed.
pub async fn update(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let path = format!("/volumes/{}", escape_path(flags.first()));
    let volume: Volume = session.client.document(Request::get(path)).await?;
    let Some(cluster) = volume.cluster_volume else {
        anyhow::bail!("can only update cluster volumes");
    };
    let mut spec = cluster["Spec"].clone();
    if flags.is_set("availability") {
        spec["Availability"] = flags.text("availability").into();
    }
    let id = cluster["ID"].as_str().unwrap_or("");
    let version = cluster["Version"]["Index"].as_u64().unwrap_or(0);
    let request = Request::put(format!("/volumes/{}", escape_path(id)))
        .query("version", version.to_string())
        .json(&serde_json::json!({"Spec": spec}));
    session.client.act(request).await?;
    Ok(0)
}
