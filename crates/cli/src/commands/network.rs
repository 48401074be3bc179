//! `network create`, `ls`, `rm`, `connect` and `disconnect`.

use std::collections::BTreeMap;

use anyhow::bail;
use client::{Request, escape_path};
use engine_api::network::{
    ConfigReference, EndpointIpamConfig, EndpointSettings, Ipam, IpamConfig, Network,
    NetworkConnectRequest, NetworkCreateRequest, NetworkCreateResponse, NetworkDisconnectRequest,
};

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
    ("ID", "NETWORK ID"),
    ("Name", "NAME"),
    ("Driver", "DRIVER"),
    ("Scope", "SCOPE"),
    ("IPv4", "IPV4"),
    ("IPv6", "IPV6"),
    ("Internal", "INTERNAL"),
    ("Labels", "LABELS"),
    ("CreatedAt", "CREATED AT"),
];

/// `network ls`.
pub async fn list(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let request = Request::get("/networks").query_unless_empty("filters", &filters::json(flags));
    let mut networks: Vec<Network> = session.client.document(request).await?;
    networks.sort_by(|a, b| a.name.cmp(&b.name));
    let is_cut = !flags.flag("no-trunc");
    let row = |network: &Network| {
        Row::new([
            ("ID", if is_cut { human::short_id(&network.id) } else { network.id.clone() }),
            ("Name", network.name.clone()),
            ("Driver", network.driver.clone()),
            ("Scope", network.scope.clone()),
            ("IPv4", network.enable_ipv4.to_string()),
            ("IPv6", network.enable_ipv6.to_string()),
            ("Internal", network.internal.to_string()),
            ("CreatedAt", go_time(&network.created)),
        ])
        .with_labels(network.labels.as_ref().unwrap_or(&engine_api::StringMap::new()))
    };
    let rows: Vec<Row> = networks.iter().map(row).collect();
    let format = match flags.text("format") {
        "" if !flags.flag("quiet") => session.config.format("networksFormat"),
        format => format,
    };
    let table = vec!["ID", "Name", "Driver", "Scope"];
    let listing = Listing { columns: COLUMNS.to_vec(), table, quiet: "ID" };
    output::print(&listing.render(format, flags.flag("quiet"), &rows)?)?;
    Ok(0)
}

/// An RFC 3339 time in UTC as Go prints a `time.Time`.
fn go_time(text: &str) -> String {
    match text.strip_suffix('Z').and_then(|bare| bare.split_once('T')) {
        Some((date, time)) => {
            let time = if time.contains('.') {
                time.trim_end_matches('0').trim_end_matches('.')
            } else {
                time
            };
            format!("{date} {time} +0000 UTC")
        }
        None => text.to_owned(),
    }
}

/// The pools that `--subnet`, `--gateway`, `--ip-range` and `--aux-address` describe.
fn pools(flags: &Parsed) -> anyhow::Result<Vec<IpamConfig>> {
    let mut pools: Vec<IpamConfig> = flags
        .list("subnet")
        .iter()
        .map(|subnet| IpamConfig { subnet: subnet.clone(), ..IpamConfig::default() })
        .collect();
    let ranges = flags.list("ip-range");
    let gateways = flags.list("gateway");
    if pools.len() < ranges.len() || pools.len() < gateways.len() {
        bail!("every ip-range or gateway must have a corresponding subnet");
    }
    for range in ranges {
        let address = range.split('/').next().unwrap_or("");
        let Some(pool) = pool_of(&mut pools, address)? else {
            bail!("no matching subnet for range {range}");
        };
        if !pool.ip_range.is_empty() {
            bail!(
                "cannot configure multiple ranges ({}, {range}) on the same subnet ({})",
                pool.ip_range,
                pool.subnet
            );
        }
        pool.ip_range.clone_from(range);
    }
    for gateway in gateways {
        let Some(pool) = pool_of(&mut pools, gateway)? else {
            bail!("no matching subnet for gateway {gateway}");
        };
        if !pool.gateway.is_empty() {
            bail!(
                "cannot configure multiple gateways ({gateway}, {}) for the same subnet ({})",
                pool.gateway,
                pool.subnet
            );
        }
        pool.gateway.clone_from(gateway);
    }
    for (name, address) in flags.map("aux-address") {
        let Some(pool) = pool_of(&mut pools, &address)? else {
            bail!("no matching subnet for aux-address {address}");
        };
        pool.auxiliary_addresses.insert(name, address);
    }
    Ok(pools)
}

fn pool_of<'a>(
    pools: &'a mut [IpamConfig],
    address: &str,
) -> anyhow::Result<Option<&'a mut IpamConfig>> {
    let Ok(address) = address.parse::<std::net::IpAddr>() else {
        bail!("invalid address {address:?}");
    };
    for pool in pools {
        if contains(&pool.subnet, address)? {
            return Ok(Some(pool));
        }
    }
    Ok(None)
}

fn contains(subnet: &str, address: std::net::IpAddr) -> anyhow::Result<bool> {
    use std::net::IpAddr::{V4, V6};
    let parsed = subnet.split_once('/').and_then(|(network, prefix)| {
        Some((network.parse::<std::net::IpAddr>().ok()?, prefix.parse::<u32>().ok()?))
    });
    let Some((network, prefix)) = parsed else { bail!("invalid CIDR address: {subnet}") };
    Ok(match (network, address) {
        (V4(a), V4(b)) if prefix <= 32 => {
            let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
            u32::from(a) & mask == u32::from(b) & mask
        }
        (V6(a), V6(b)) if prefix <= 128 => {
            let mask = u128::MAX.checked_shl(128 - prefix).unwrap_or(0);
            u128::from(a) & mask == u128::from(b) & mask
        }
        _ => false,
    })
}

/// `network create`.
pub async fn create(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let pools = pools(flags)?;
    let from = flags.text("config-from");
    let document = NetworkCreateRequest {
        name: flags.first().to_owned(),
        driver: flags.text("driver").to_owned(),
        scope: flags.text("scope").to_owned(),
        enable_ipv4: flags.is_set("ipv4").then(|| flags.flag("ipv4")),
        enable_ipv6: flags.is_set("ipv6").then(|| flags.flag("ipv6")),
        ipam: Some(Ipam {
            driver: flags.text("ipam-driver").to_owned(),
            options: Some(flags.map("ipam-opt")),
            config: Some(pools),
        }),
        internal: flags.flag("internal"),
        attachable: flags.flag("attachable"),
        ingress: flags.flag("ingress"),
        config_only: flags.flag("config-only"),
        config_from: (!from.is_empty()).then(|| ConfigReference { network: from.to_owned() }),
        options: Some(flags.map("opt")),
        labels: Some(environment::labels(&[], flags.list("label"))?),
    };
    let request = Request::post("/networks/create").json(&document);
    let answer: NetworkCreateResponse = session.client.document(request).await?;
    if !answer.warning.is_empty() {
        output::error_line(&format!("WARNING: {}", answer.warning));
    }
    output::line(&answer.id)?;
    Ok(0)
}

/// `network rm`.
pub async fn remove(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    each(&flags.args, "remove", async |name| {
        let request = Request::delete(format!("/networks/{}", escape_path(name)));
        match session.client.act(request).await {
            Err(error) if error.is_not_found() && flags.flag("force") => Ok(String::new()),
            result => result.map(|()| name.to_owned()).map_err(Into::into),
        }
    })
    .await
}

/// `network connect`.
pub async fn connect(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let some = |name: &str| {
        let list = flags.list(name);
        (!list.is_empty()).then(|| list.to_vec())
    };
    let options: BTreeMap<_, _> = flags.map("driver-opt");
    let ipam = EndpointIpamConfig {
        ipv4_address: flags.text("ip").to_owned(),
        ipv6_address: flags.text("ip6").to_owned(),
        link_local_ips: flags.list("link-local-ip").to_vec(),
    };
    let settings = EndpointSettings {
        ipam_config: Some(ipam),
        links: some("link"),
        aliases: Some(flags.list("alias").to_vec()),
        driver_opts: Some(options),
        gw_priority: flags.int("gw-priority"),
        ..EndpointSettings::default()
    };
    let document =
        NetworkConnectRequest { container: flags.args[1].clone(), endpoint_config: Some(settings) };
    let path = format!("/networks/{}/connect", escape_path(flags.first()));
    session.client.act(Request::post(path).json(&document)).await?;
    Ok(0)
}

/// `network disconnect`.
pub async fn disconnect(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let document =
        NetworkDisconnectRequest { container: flags.args[1].clone(), force: flags.flag("force") };
    let path = format!("/networks/{}/disconnect", escape_path(flags.first()));
    session.client.act(Request::post(path).json(&document)).await?;
    Ok(0)
}
