//! `stats`.

use std::collections::BTreeMap;

use client::{Request, escape_path};
use engine_api::{
    container::ContainerSummary,
    stats::{BlkioStatEntry, MemoryStats, StatsResponse},
};

use crate::{
    grammar::Parsed,
    human, output,
    session::Session,
    template::{Column, Listing, Row},
};

const COLUMNS: [Column; 9] = [
    ("Container", "CONTAINER"),
    ("ID", "CONTAINER ID"),
    ("Name", "NAME"),
    ("CPUPerc", "CPU %"),
    ("MemUsage", "MEM USAGE / LIMIT"),
    ("MemPerc", "MEM %"),
    ("NetIO", "NET I/O"),
    ("BlockIO", "BLOCK I/O"),
    ("PIDs", "PIDS"),
];

/// Up, to the left, and clear what is below: the next table overwrites the last.
const HOME: &str = "\x1b[H\x1b[J";

/// Runs the command.
pub async fn run(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let format = match flags.text("format") {
        "" => session.config.format("statsFormat"),
        format => format,
    };
    let is_once = flags.flag("no-stream");
    let is_cut = !flags.flag("no-trunc");
    let table = vec!["ID", "Name", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs"];
    let listing = Listing { columns: COLUMNS.to_vec(), table, quiet: "ID" };
    loop {
        let names = match flags.args.is_empty() {
            false => flags.args.clone(),
            true => all(session, flags.flag("all")).await?,
        };
        let samples = names.iter().map(|name| sample(session, name));
        let mut rows = Vec::new();
        for (name, result) in names.iter().zip(futures_util::future::join_all(samples).await) {
            match result {
                Ok(stats) => rows.push(row(name, &stats, is_cut)),
                // A container that went away between two samples is no mistake of the user's.
                Err(error) if flags.args.is_empty() && error.is_not_found() => {}
                Err(error) => return Err(error.into()),
            }
        }
        let text = listing.render(format, false, &rows)?;
        match is_once || !output::is_terminal() {
            true => output::print(&text)?,
            false => output::print(&format!("{HOME}{text}"))?,
        }
        if is_once {
            return Ok(0);
        }
    }
}

async fn all(session: &Session, has_stopped: bool) -> anyhow::Result<Vec<String>> {
    let list: Vec<ContainerSummary> =
        session.client.containers(|request| request.query_if("all", has_stopped)).await?;
    Ok(list.into_iter().map(|container| container.id).collect())
}

/// One sample with the one before it, which takes the engine about a second.
async fn sample(session: &Session, name: &str) -> Result<StatsResponse, client::ClientError> {
    let path = format!("/containers/{}/stats", escape_path(name));
    session.client.document(Request::get(path).query("stream", "0")).await
}

fn cpu_percent(stats: &StatsResponse) -> f64 {
    let (now, before) = (&stats.cpu_stats, &stats.precpu_stats);
    let used = now.cpu_usage.total_usage.saturating_sub(before.cpu_usage.total_usage) as f64;
    let whole = now.system_cpu_usage.saturating_sub(before.system_cpu_usage) as f64;
    let cpus = match now.online_cpus {
        0 => now.cpu_usage.percpu_usage.len() as f64,
        cpus => f64::from(cpus),
    };
    if used > 0.0 && whole > 0.0 { used / whole * cpus * 100.0 } else { 0.0 }
}

/// Memory without the page cache that can be dropped.
fn memory(stats: &MemoryStats) -> u64 {
    let cache = ["total_inactive_file", "inactive_file"]
        .iter()
        .find_map(|name| stats.stats.get(*name))
        .copied()
        .unwrap_or(0);
    if cache < stats.usage { stats.usage - cache } else { stats.usage }
}

fn blocks(entries: Option<&Vec<BlkioStatEntry>>) -> (u64, u64) {
    let mut sums: BTreeMap<char, u64> = BTreeMap::new();
    for entry in entries.into_iter().flatten() {
        if let Some(first) = entry.op.chars().next() {
            *sums.entry(first.to_ascii_lowercase()).or_default() += entry.value;
        }
    }
    let sum = |letter| sums.get(&letter).copied().unwrap_or(0);
    (sum('r'), sum('w'))
}

fn pair(a: u64, b: u64) -> String {
    format!("{} / {}", human::size_with(a as f64, 3), human::size_with(b as f64, 3))
}

fn row(name: &str, stats: &StatsResponse, is_cut: bool) -> Row {
    let used = memory(&stats.memory_stats);
    let limit = stats.memory_stats.limit;
    let percent = if limit == 0 { 0.0 } else { used as f64 / limit as f64 * 100.0 };
    let received: u64 = stats.networks.values().map(|network| network.rx_bytes).sum();
    let sent: u64 = stats.networks.values().map(|network| network.tx_bytes).sum();
    let (read, written) = blocks(stats.blkio_stats.io_service_bytes_recursive.as_ref());
    Row::new([
        ("Container", name.to_owned()),
        ("ID", if is_cut { human::short_id(&stats.id) } else { stats.id.clone() }),
        ("Name", stats.name.trim_start_matches('/').to_owned()),
        ("CPUPerc", format!("{:.2}%", cpu_percent(stats))),
        (
            "MemUsage",
            format!("{} / {}", human::binary_size(used as f64), human::binary_size(limit as f64)),
        ),
        ("MemPerc", format!("{percent:.2}%")),
        ("NetIO", pair(received, sent)),
        ("BlockIO", pair(read, written)),
        ("PIDs", stats.pids_stats.current.to_string()),
    ])
}
