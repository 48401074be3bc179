//! `system df`: a line for each kind, or every object with `--verbose`.

use client::Request;
use engine_api::{
    container::ContainerSummary, disk_usage::DiskUsage, image::ImageSummary, volume::Volume,
};
use gtmpl_ng::Value;
use serde_json::Value as Json;

use super::{images as image_rows, ps, volume as volume_rows};
use crate::{
    grammar::Parsed,
    human, output,
    session::Session,
    template::{Column, Listing, Row, render_value},
};

const DF: [Column; 5] = [
    ("Type", "TYPE"),
    ("TotalCount", "TOTAL"),
    ("Active", "ACTIVE"),
    ("Size", "SIZE"),
    ("Reclaimable", "RECLAIMABLE"),
];

/// One line of `system df`.
struct Usage {
    kind: &'static str,
    total: i64,
    active: i64,
    size: i64,
    reclaimable: i64,
}

impl Usage {
    fn row(&self) -> Row {
        let percent = match self.size {
            size if size > 0 && self.kind != "Build Cache" => {
                format!(" ({}%)", self.reclaimable.saturating_mul(100) / size)
            }
            _ => String::new(),
        };
        Row::new([
            ("Type", self.kind.to_owned()),
            ("TotalCount", self.total.to_string()),
            ("Active", self.active.to_string()),
            ("Size", human::size_with(self.size as f64, 4)),
            ("Reclaimable", format!("{}{percent}", human::size_with(self.reclaimable as f64, 4))),
        ])
    }
}

fn images_sum(usage: &DiskUsage) -> Usage {
    if let Some(sums) = &usage.image_usage {
        return Usage {
            kind: "Images",
            total: sums.total_count,
            active: sums.active_count,
            size: sums.total_size,
            reclaimable: sums.reclaimable,
        };
    }
    let list: &[ImageSummary] = usage.images.as_deref().unwrap_or_default();
    let size = usage.layers_size.unwrap_or(0);
    let used = list.iter().filter(|image| image.containers > 0);
    let own = |image: &ImageSummary| {
        if image.size < 0 || image.shared_size < 0 { 0 } else { image.size - image.shared_size }
    };
    let in_use: i64 = used.clone().map(own).sum();
    let active = i64::try_from(used.count()).unwrap_or(0);
    let total = i64::try_from(list.len()).unwrap_or(0);
    Usage { kind: "Images", total, active, size, reclaimable: size - in_use }
}

fn containers_sum(usage: &DiskUsage) -> Usage {
    if let Some(sums) = &usage.container_usage {
        return Usage {
            kind: "Containers",
            total: sums.total_count,
            active: sums.active_count,
            size: sums.total_size,
            reclaimable: sums.reclaimable,
        };
    }
    let list: &[ContainerSummary] = usage.containers.as_deref().unwrap_or_default();
    let is_active = |container: &&ContainerSummary| {
        ["running", "paused", "restarting"].contains(&container.state.as_str())
    };
    let size_of = |container: &ContainerSummary| container.size_rw.unwrap_or(0);
    Usage {
        kind: "Containers",
        total: i64::try_from(list.len()).unwrap_or(0),
        active: i64::try_from(list.iter().filter(is_active).count()).unwrap_or(0),
        size: list.iter().map(size_of).sum(),
        reclaimable: list.iter().filter(|c| !is_active(c)).map(size_of).sum(),
    }
}

fn volumes_sum(usage: &DiskUsage) -> Usage {
    if let Some(sums) = &usage.volume_usage {
        return Usage {
            kind: "Local Volumes",
            total: sums.total_count,
            active: sums.active_count,
            size: sums.total_size,
            reclaimable: sums.reclaimable,
        };
    }
    let list: &[Volume] = usage.volumes.as_deref().unwrap_or_default();
    let known = list.iter().filter_map(|volume| volume.usage_data.as_ref());
    let known = known.filter(|usage| usage.size >= 0);
    Usage {
        kind: "Local Volumes",
        total: i64::try_from(list.len()).unwrap_or(0),
        active: i64::try_from(
            list.iter().filter(|v| v.usage_data.as_ref().is_some_and(|u| u.ref_count > 0)).count(),
        )
        .unwrap_or(0),
        size: known.clone().map(|usage| usage.size).sum(),
        reclaimable: known.filter(|usage| usage.ref_count == 0).map(|usage| usage.size).sum(),
    }
}

fn build_cache_sum(usage: &DiskUsage) -> Usage {
    let sums = usage.build_cache_usage.clone().unwrap_or_default();
    Usage {
        kind: "Build Cache",
        total: sums.total_count,
        active: sums.active_count,
        size: sums.total_size,
        reclaimable: sums.reclaimable,
    }
}

/// `system df`.
pub async fn run(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let is_verbose = flags.flag("verbose");
    let mut request = Request::get("/system/df");
    if is_verbose {
        session.client.negotiate().await?;
        // Since then the objects come only when asked for.
        if session.client.version() >= "1.52".parse()? {
            request = request.query("verbose", "1");
        }
    }
    let bytes = session.client.bytes(request).await?;
    let usage: DiskUsage = engine_api::from_slice(&bytes)?;
    let format = flags.text("format");
    if is_verbose {
        return verbose(usage, format);
    }
    let all =
        [images_sum(&usage), containers_sum(&usage), volumes_sum(&usage), build_cache_sum(&usage)];
    let rows: Vec<Row> = all.iter().map(Usage::row).collect();
    let table = vec!["Type", "TotalCount", "Active", "Size", "Reclaimable"];
    let listing = Listing { columns: DF.to_vec(), table, quiet: "Type" };
    let format = if format == "raw" { RAW } else { format };
    output::print(&listing.render(format, false, &rows)?)?;
    Ok(0)
}

const RAW: &str = "type: {{.Type}}\ntotal: {{.TotalCount}}\nactive: {{.Active}}\nsize: {{.Size}}\nreclaimable: {{.Reclaimable}}\n";

/// Every object, in the form of either API.
struct Objects {
    images: Vec<Row>,
    containers: Vec<Row>,
    volumes: Vec<Row>,
    build_cache: Vec<Row>,
    build_cache_size: i64,
}

impl Objects {
    fn of(usage: DiskUsage, is_cut: bool) -> Self {
        let build_cache_size = build_cache_sum(&usage).size;
        let images = usage.image_usage.map(|u| u.items).or(usage.images).unwrap_or_default();
        let containers =
            usage.container_usage.map(|u| u.items).or(usage.containers).unwrap_or_default();
        let volumes = usage.volume_usage.map(|u| u.items).or(usage.volumes).unwrap_or_default();
        let cache =
            usage.build_cache_usage.map(|u| u.items).or(usage.build_cache).unwrap_or_default();
        let containers = containers.into_iter().map(|container| {
            // The size of the whole file system is the image's, which is counted there.
            ps::row(&ContainerSummary { size_root_fs: None, ..container }, is_cut)
        });
        Self {
            images: images.iter().map(|image| image_rows::usage_row(image, is_cut)).collect(),
            containers: containers.collect(),
            volumes: volumes.iter().map(volume_rows::row).collect(),
            build_cache: cache.iter().map(|record| cache_row(record, is_cut)).collect(),
            build_cache_size,
        }
    }

    /// In docker's order of the kinds.
    fn json(&self) -> String {
        let list = |rows: &[Row]| rows.iter().map(Row::json).collect::<Vec<_>>().join(",");
        format!(
            "{{\"Images\":[{}],\"Containers\":[{}],\"Volumes\":[{}],\"BuildCache\":[{}]}}",
            list(&self.images),
            list(&self.containers),
            list(&self.volumes),
            list(&self.build_cache)
        )
    }

    fn value(&self) -> Value {
        let list = |rows: &[Row]| Value::Array(rows.iter().map(Row::value).collect());
        let fields = [
            ("Images", list(&self.images)),
            ("Containers", list(&self.containers)),
            ("Volumes", list(&self.volumes)),
            ("BuildCache", list(&self.build_cache)),
        ];
        Value::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }
}

fn verbose(usage: DiskUsage, format: &str) -> anyhow::Result<u8> {
    let is_table = matches!(format, "" | "table");
    let objects = Objects::of(usage, is_table);
    if !is_table {
        let text = match format.replace(' ', "").as_str() {
            "json" | "{{json.}}" => objects.json(),
            _ => render_value(format, objects.value())?,
        };
        output::print(&text)?;
        return Ok(0);
    }
    let image_table = vec![
        "Repository",
        "Tag",
        "ID",
        "CreatedSince",
        "Size",
        "SharedSize",
        "UniqueSize",
        "Containers",
    ];
    let container_table =
        vec!["ID", "Image", "Command", "LocalVolumes", "Size", "RunningFor", "Status", "Names"];
    let cache_table =
        vec!["ID", "CacheType", "Size", "CreatedSince", "LastUsedSince", "UsageCount", "Shared"];
    let build_cache = human::size_with(objects.build_cache_size as f64, 4);
    let sections = [
        (
            "Images space usage:".to_owned(),
            image_rows::COLUMNS.to_vec(),
            image_table,
            &objects.images,
        ),
        ("Containers space usage:".to_owned(), ps::columns(), container_table, &objects.containers),
        (
            "Local Volumes space usage:".to_owned(),
            volume_rows::COLUMNS.to_vec(),
            vec!["Name", "Links", "Size"],
            &objects.volumes,
        ),
        (
            format!("Build cache usage: {build_cache}"),
            CACHE.to_vec(),
            cache_table,
            &objects.build_cache,
        ),
    ];
    for (index, (title, columns, table, rows)) in sections.into_iter().enumerate() {
        let gap = if index == 0 { "" } else { "\n" };
        output::print(&format!("{gap}{title}\n\n"))?;
        let listing = Listing { columns, table, quiet: "ID" };
        output::print(&listing.render("table", false, rows)?)?;
    }
    Ok(0)
}

const CACHE: [Column; 10] = [
    ("ID", "CACHE ID"),
    ("Parent", "PARENT"),
    ("CacheType", "CACHE TYPE"),
    ("Size", "SIZE"),
    ("CreatedSince", "CREATED"),
    ("LastUsedSince", "LAST USED"),
    ("UsageCount", "USAGE"),
    ("InUse", "IN USE"),
    ("Shared", "SHARED"),
    ("Description", "DESCRIPTION"),
];

fn cache_row(record: &Json, is_cut: bool) -> Row {
    let text = |name: &str| record[name].as_str().unwrap_or("").to_owned();
    let flag = |name: &str| record[name].as_bool().unwrap_or(false);
    let since = |name: &str| human::parse_rfc3339(&text(name)).map_or_else(String::new, human::ago);
    let id = if is_cut { human::short_id(&text("ID")) } else { text("ID") };
    Row::new([
        ("ID", if flag("InUse") { format!("{id}*") } else { id }),
        ("Parent", text("Parent")),
        ("CacheType", text("Type")),
        ("Size", human::size(record["Size"].as_i64().unwrap_or(0))),
        ("CreatedSince", since("CreatedAt")),
        ("LastUsedSince", since("LastUsedAt")),
        ("UsageCount", record["UsageCount"].as_i64().unwrap_or(0).to_string()),
        ("InUse", flag("InUse").to_string()),
        ("Shared", flag("Shared").to_string()),
        ("Description", text("Description")),
    ])
}
