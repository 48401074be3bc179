//! `events`, `system df`, `system dial-stdio`.

use bytes::BytesMut;
use client::Request;
use engine_api::{
    container::ContainerSummary, disk_usage::DiskUsage, event::EventMessage, image::ImageSummary,
    volume::Volume,
};
use tokio::io::{AsyncWriteExt, copy};

use super::time_flag::timestamp;
use crate::{
    filters,
    grammar::Parsed,
    human, output,
    output::Direct,
    session::Session,
    template::{Column, Listing, Row, render_raw},
};

/// `events`.
pub async fn events(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let request = Request::get("/events")
        .query_unless_empty("since", &timestamp(flags.text("since"))?)
        .query_unless_empty("until", &timestamp(flags.text("until"))?)
        .query_unless_empty("filters", &filters::json(flags));
    let mut answer = session.client.send(request).await?;
    let mut pending = BytesMut::new();
    let format = flags.text("format");
    while let Some(values) =
        answer.documents::<Box<serde_json::value::RawValue>>(&mut pending).await?
    {
        for value in values {
            let text = match format {
                "" => event_line(&engine_api::from_slice(value.get().as_bytes())?),
                format => render_raw(format, value.get())?,
            };
            output::line(&text)?;
        }
    }
    Ok(0)
}

fn event_line(event: &EventMessage) -> String {
    let nanoseconds = match event.time_nano {
        0 => event.time.saturating_mul(1_000_000_000),
        nanoseconds => nanoseconds,
    };
    let time = human::local_rfc3339_nanoseconds(nanoseconds);
    let attributes: Vec<_> =
        event.actor.attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut line = format!("{time} {} {} {}", event.kind, event.action, event.actor.id);
    if !attributes.is_empty() {
        line.push_str(&format!(" ({})", attributes.join(", ")));
    }
    line
}

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

fn images(usage: &DiskUsage) -> Usage {
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

fn containers(usage: &DiskUsage) -> Usage {
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

fn volumes(usage: &DiskUsage) -> Usage {
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

fn build_cache(usage: &DiskUsage) -> Usage {
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
pub async fn df(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    if flags.flag("verbose") {
        anyhow::bail!("gantry: 'system df --verbose' is not built yet in this version of Gantry");
    }
    let bytes = session.client.bytes(Request::get("/system/df")).await?;
    let usage: DiskUsage = engine_api::from_slice(&bytes)?;
    let all = [images(&usage), containers(&usage), volumes(&usage), build_cache(&usage)];
    let rows: Vec<Row> = all.iter().map(Usage::row).collect();
    let table = vec!["Type", "TotalCount", "Active", "Size", "Reclaimable"];
    let listing = Listing { columns: DF.to_vec(), table, quiet: "Type" };
    output::print(&listing.render(flags.text("format"), false, &rows)?)?;
    Ok(0)
}

/// `system dial-stdio`: the far end of `ssh://`.
pub async fn dial_stdio(session: &Session) -> anyhow::Result<u8> {
    let (mut from, mut to) = tokio::io::split(session.client.dial().await?);
    let mut input = tokio::io::stdin();
    let mut output = Direct(std::io::stdout());
    let send = async {
        copy(&mut input, &mut to).await?;
        to.shutdown().await
    };
    let receive = async {
        // By hand, because every part must go on at once: `copy` flushes only when it must wait.
        let mut buffer = vec![0u8; 64 * 1024];
        loop {
            match tokio::io::AsyncReadExt::read(&mut from, &mut buffer).await? {
                0 => return std::io::Result::Ok(()),
                got => {
                    output.write_all(&buffer[..got]).await?;
                    output.flush().await?;
                }
            }
        }
    };
    tokio::pin!(send, receive);
    // The engine's end is the end; ours only says that no more requests come.
    tokio::select! {
        biased;
        result = &mut receive => result?,
        result = &mut send => {
            result?;
            receive.await?;
        }
    }
    Ok(0)
}
