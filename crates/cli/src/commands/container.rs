//! Small commands about containers: `port`, `top`, `diff`, `commit`, `update`.

use anyhow::bail;
use client::{Request, escape_path};
use engine_api::{
    container::{ContainerUpdateRequest, ContainerUpdateResponse, FilesystemChange, TopResponse},
    exec::IdResponse,
    host_config::Resources,
};
use types::Reference;

use super::each::each;
use crate::{
    container_options::host_config::{resources, restart_policy},
    grammar::Parsed,
    output,
    session::Session,
    template::align_with,
};

/// `port`.
pub async fn port(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let details = session.client.inspect_container(flags.first()).await?;
    let ports = &details.network_settings.ports;
    let shown = |binding: &engine_api::port::PortBinding| match binding.host_ip.contains(':') {
        true => format!("[{}]:{}", binding.host_ip, binding.host_port),
        false => format!("{}:{}", binding.host_ip, binding.host_port),
    };
    let mut lines = Vec::new();
    if let Some(wanted) = flags.args.get(1) {
        let key = if wanted.contains('/') { wanted.clone() } else { format!("{wanted}/tcp") };
        let (number, protocol) = key.split_once('/').unwrap_or((&key, "tcp"));
        if number.parse::<u16>().is_err() {
            bail!(
                "Error: invalid port ({number}): strconv.ParseUint: parsing {number:?}: invalid syntax"
            );
        }
        let bindings = ports.get(&format!("{number}/{}", protocol.to_lowercase()));
        match bindings {
            Some(Some(bindings)) if !bindings.is_empty() => {
                lines.extend(bindings.iter().map(shown));
            }
            _ => bail!("Error: No public port '{wanted}' published for {}", flags.first()),
        }
    } else {
        for (port, bindings) in ports {
            let bindings = bindings.iter().flatten();
            lines.extend(bindings.map(|binding| format!("{port} -> {}", shown(binding))));
        }
    }
    lines.sort_by_key(|line| natural_key(line));
    if !lines.is_empty() {
        output::line(&lines.join("\n"))?;
    }
    Ok(0)
}

/// Numbers within texts compare as numbers.
fn natural_key(text: &str) -> Vec<(u64, String)> {
    let mut key = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let number = rest[..end].parse().unwrap_or(0);
        rest = &rest[end..];
        let end = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        key.push((number, rest[..end].to_owned()));
        rest = &rest[end..];
    }
    key
}

/// `top`.
pub async fn top(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let request = Request::get(format!("/containers/{}/top", escape_path(flags.first())))
        .query_unless_empty("ps_args", &flags.args[1..].join(" "));
    let table: TopResponse = session.client.document(request).await?;
    let rows = std::iter::once(&table.titles).chain(&table.processes);
    let text: String = rows.map(|cells| format!("{}\n", cells.join("\t"))).collect();
    output::print(&align_with(&text, 20, 3))?;
    Ok(0)
}

/// `diff`.
pub async fn diff(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    if flags.first().is_empty() {
        bail!("Container name cannot be empty");
    }
    let request = Request::get(format!("/containers/{}/changes", escape_path(flags.first())));
    let changes: Option<Vec<FilesystemChange>> = session.client.document(request).await?;
    let letter = |kind| match kind {
        0 => 'C',
        1 => 'A',
        _ => 'D',
    };
    let changes = changes.unwrap_or_default();
    let text: String =
        changes.iter().map(|change| format!("{} {}\n", letter(change.kind), change.path)).collect();
    output::print(&text)?;
    Ok(0)
}

/// `commit`.
pub async fn commit(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let name = flags.args.get(1).map_or("", String::as_str);
    let mut request = Request::post("/commit").query("container", flags.first());
    if !name.is_empty() {
        let reference: Reference = name.parse()?;
        if reference.digest().is_some() {
            bail!("refusing to create a tag with a digest reference");
        }
        let reference = reference.with_default_tag();
        request = request.query("repo", reference.name());
        request = request.query("tag", reference.tag().unwrap_or(""));
    }
    let pauses = !flags.flag("no-pause") && flags.flag("pause");
    request = request
        .query_unless_empty("comment", flags.text("message"))
        .query_unless_empty("author", flags.text("author"));
    if !pauses {
        request = request.query("pause", "0");
    }
    for change in flags.list("change") {
        request = request.query("changes", change);
    }
    let answer: IdResponse = session.client.document(request).await?;
    output::line(&answer.id)?;
    Ok(0)
}

/// `update`.
pub async fn update(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    if !LIMITS.iter().any(|name| flags.is_set(name)) {
        bail!("you must provide one or more flags when using this command");
    }
    let restart_policy = match flags.text("restart") {
        "" => engine_api::host_config::RestartPolicy::default(),
        text => restart_policy(text)?,
    };
    let limits = resources(flags)?;
    let limits = Resources {
        // Lists that `update` has no flags for are left as they are.
        blkio_weight_device: None,
        blkio_device_read_bps: None,
        blkio_device_write_bps: None,
        blkio_device_read_iops: None,
        blkio_device_write_iops: None,
        devices: None,
        ulimits: None,
        memory_swappiness: None,
        oom_kill_disable: None,
        pids_limit: flags.is_set("pids-limit").then(|| flags.int("pids-limit")),
        ..limits
    };
    let document = ContainerUpdateRequest { resources: limits, restart_policy };
    let warnings = std::cell::RefCell::new(Vec::new());
    let code = each(&flags.args, "update", async |name| {
        let path = format!("/containers/{}/update", escape_path(name));
        let request = Request::post(path).json(&document);
        let answer: ContainerUpdateResponse = session.client.document(request).await?;
        warnings.borrow_mut().extend(answer.warnings.unwrap_or_default());
        Ok(name.to_owned())
    })
    .await?;
    for warning in warnings.into_inner() {
        output::error_line(&warning);
    }
    Ok(code)
}

/// The flags of which `update` needs one.
const LIMITS: [&str; 15] = [
    "blkio-weight",
    "cpu-period",
    "cpu-quota",
    "cpu-rt-period",
    "cpu-rt-runtime",
    "cpu-shares",
    "cpus",
    "cpuset-cpus",
    "cpuset-mems",
    "kernel-memory",
    "memory",
    "memory-reservation",
    "memory-swap",
    "pids-limit",
    "restart",
];
