//! `ps`.

use std::collections::BTreeMap;

use engine_api::{container::ContainerSummary, port::PortSummary};

use crate::{
    filters,
    grammar::Parsed,
    human, output,
    session::Session,
    template::{Column, Listing, Row},
};

const COLUMNS: [Column; 13] = [
    ("ID", "CONTAINER ID"),
    ("Image", "IMAGE"),
    ("Command", "COMMAND"),
    ("CreatedAt", "CREATED AT"),
    ("RunningFor", "CREATED"),
    ("Ports", "PORTS"),
    ("State", "STATE"),
    ("Status", "STATUS"),
    ("Size", "SIZE"),
    ("Names", "NAMES"),
    ("Labels", "LABELS"),
    ("Mounts", "MOUNTS"),
    ("Networks", "NETWORKS"),
];

/// Columns that only templates use.
const HIDDEN: [Column; 2] = [("LocalVolumes", "LOCAL VOLUMES"), ("Platform", "PLATFORM")];

/// Runs the command.
pub async fn run(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let format = match flags.text("format") {
        "" => session.config.format("psFormat"),
        format => format,
    };
    let has_size = flags.flag("size") || format.contains(".Size") || is_whole(format);
    let (last, is_latest) = (flags.int("last"), flags.flag("latest"));
    let limit = if is_latest && last == -1 { 1 } else { last };
    let filters = filters::json(flags);
    let containers = session
        .client
        .containers(|request| {
            let request = request.query_if("all", flags.flag("all")).query_if("size", has_size);
            let request = match limit > 0 {
                true => request.query("limit", limit.to_string()),
                false => request,
            };
            request.query_unless_empty("filters", &filters)
        })
        .await?;
    let is_cut = !flags.flag("no-trunc");
    let rows: Vec<Row> = containers.iter().map(|container| row(container, is_cut)).collect();
    let mut table = vec!["ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names"];
    if has_size {
        table.push("Size");
    }
    let listing = Listing { columns: columns(), table, quiet: "ID" };
    let is_raw = format == "raw";
    let text = listing.render(if is_raw { RAW } else { format }, flags.flag("quiet"), &rows)?;
    output::print(&text)?;
    Ok(0)
}

/// All columns.
pub(super) fn columns() -> Vec<Column> {
    COLUMNS.iter().chain(&HIDDEN).copied().collect()
}

/// Whether a format shows every field.
fn is_whole(format: &str) -> bool {
    format.replace(' ', "") == "{{json.}}"
}

const RAW: &str = "container_id: {{.ID}}\nimage: {{.Image}}\ncommand: {{.Command}}\ncreated_at: {{.CreatedAt}}\nstate: {{- pad .State 1 0}}\nstatus: {{- pad .Status 1 0}}\nnames: {{.Names}}\nlabels: {{- pad .Labels 1 0}}\nports: {{- pad .Ports 1 0}}\n";

/// The fields of one container.
pub(super) fn row(container: &ContainerSummary, is_cut: bool) -> Row {
    let volumes = container.mounts.iter().filter(|mount| mount.driver == "local").count();
    let networks: Vec<_> = container.network_settings.networks.keys().cloned().collect();
    let id = if is_cut { human::short_id(&container.id) } else { container.id.clone() };
    let command =
        if is_cut { human::ellipsis(&container.command, 20) } else { container.command.clone() };
    Row::new([
        ("ID", id),
        ("Image", image(container, is_cut)),
        ("Command", quoted(&command)),
        ("CreatedAt", human::local_time(container.created)),
        ("RunningFor", human::ago(container.created)),
        ("Ports", ports(&container.ports)),
        ("State", container.state.clone()),
        ("Status", container.status.clone()),
        ("Size", size(container)),
        ("Names", names(container, is_cut)),
        ("Mounts", mounts(container, is_cut)),
        ("Networks", networks.join(",")),
        ("LocalVolumes", volumes.to_string()),
        ("Platform", String::new()),
    ])
    .with_labels(&container.labels)
}

/// Go's `strconv.Quote`, as far as commands need it.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn image(container: &ContainerSummary, is_cut: bool) -> String {
    if container.image.is_empty() {
        return "<no image>".to_owned();
    }
    if is_cut {
        let short = human::short_id(&container.image_id);
        if short == human::short_id(&container.image) && !short.is_empty() {
            return short;
        }
        // A digest beside a name says less than it takes room.
        if let Some((name, _)) = container.image.split_once('@')
            && name.contains(':')
        {
            return name.to_owned();
        }
    }
    container.image.clone()
}

fn names(container: &ContainerSummary, is_cut: bool) -> String {
    let own = container.names.iter().map(|name| name.strip_prefix('/').unwrap_or(name));
    // Names with a slash are links from other containers.
    own.filter(|name| !is_cut || !name.contains('/')).collect::<Vec<_>>().join(",")
}

fn mounts(container: &ContainerSummary, is_cut: bool) -> String {
    let name = |mount: &engine_api::mount::MountPoint| {
        let name = if mount.name.is_empty() { &mount.source } else { &mount.name };
        if is_cut { human::ellipsis(name, 15) } else { name.clone() }
    };
    container.mounts.iter().map(name).collect::<Vec<_>>().join(",")
}

fn size(container: &ContainerSummary) -> String {
    let own = human::size(container.size_rw.unwrap_or(0));
    match container.size_root_fs {
        Some(all) if all > 0 => format!("{own} (virtual {})", human::size(all)),
        _ => own,
    }
}

/// Ports with neighbours put together: `0.0.0.0:80-81->80-81/tcp, 443/tcp`.
pub(super) fn ports(all: &[PortSummary]) -> String {
    let mut sorted: Vec<&PortSummary> = all.iter().collect();
    sorted.sort_by(|a, b| {
        (a.private_port, &a.ip, a.public_port, &a.protocol).cmp(&(
            b.private_port,
            &b.ip,
            b.public_port,
            &b.protocol,
        ))
    });
    let mut groups: BTreeMap<String, (u16, u16)> = BTreeMap::new();
    let (mut done, mut mapped) = (Vec::new(), Vec::new());
    for port in sorted {
        let key = match port.ip.as_str() {
            "" => port.protocol.clone(),
            ip => {
                if port.public_port != port.private_port {
                    let address = address(ip, &port.public_port.to_string());
                    mapped.push(format!("{address}->{}/{}", port.private_port, port.protocol));
                    continue;
                }
                format!("{ip}/{}", port.protocol)
            }
        };
        match groups.get_mut(&key) {
            Some((_, last)) if port.private_port == *last => {}
            Some((_, last)) if port.private_port == *last + 1 => *last = port.private_port,
            Some(group) => {
                done.push(shown_group(&key, *group));
                *group = (port.private_port, port.private_port);
            }
            None => {
                groups.insert(key, (port.private_port, port.private_port));
            }
        }
    }
    done.extend(groups.iter().map(|(key, group)| shown_group(key, *group)));
    done.extend(mapped);
    done.join(", ")
}

fn address(ip: &str, port: &str) -> String {
    if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") }
}

fn shown_group(key: &str, (first, last): (u16, u16)) -> String {
    let range = if first == last { first.to_string() } else { format!("{first}-{last}") };
    match key.split_once('/') {
        Some((ip, protocol)) => format!("{}->{range}/{protocol}", address(ip, &range)),
        None => format!("{range}/{key}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(ip: &str, public_port: u16, private_port: u16, protocol: &str) -> PortSummary {
        PortSummary { ip: ip.into(), private_port, public_port, protocol: protocol.into() }
    }

    #[test]
    fn neighbouring_ports_are_one_range() {
        assert_eq!(ports(&[]), "");
        assert_eq!(ports(&[port("", 0, 80, "tcp"), port("", 0, 81, "tcp")]), "80-81/tcp");
        assert_eq!(
            ports(&[
                port("0.0.0.0", 80, 80, "tcp"),
                port("0.0.0.0", 81, 81, "tcp"),
                port("::", 80, 80, "tcp")
            ]),
            "0.0.0.0:80-81->80-81/tcp, [::]:80->80/tcp"
        );
        assert_eq!(ports(&[port("0.0.0.0", 8080, 80, "tcp")]), "0.0.0.0:8080->80/tcp");
    }
}
