//! `--network` with its own options, and the older flags that apply to the first network.

use std::collections::BTreeMap;

use anyhow::bail;
use engine_api::network::{EndpointIpamConfig, EndpointSettings};

use super::mount::csv_fields;
use crate::grammar::Parsed;

/// One network to join.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Attachment {
    target: String,
    aliases: Vec<String>,
    links: Vec<String>,
    ipv4: String,
    ipv6: String,
    link_local: Vec<String>,
    mac: String,
    driver_opts: BTreeMap<String, String>,
    priority: i64,
}

/// What the container's document says about networks.
#[derive(Debug, Default, PartialEq)]
pub struct Networks {
    /// `NetworkMode`.
    pub mode: String,
    /// `EndpointsConfig`.
    pub endpoints: BTreeMap<String, EndpointSettings>,
}

/// Whether a mode names a network that somebody made.
#[must_use]
pub fn is_user_defined(mode: &str) -> bool {
    !matches!(mode, "default" | "bridge" | "host" | "none" | "nat")
        && !mode.starts_with("container:")
}

fn parse(text: &str) -> anyhow::Result<Attachment> {
    let fields = csv_fields(text).map_err(anyhow::Error::msg)?;
    if !fields.iter().any(|field| field.contains('=')) {
        return Ok(Attachment { target: text.to_owned(), ..Attachment::default() });
    }
    let mut one = Attachment::default();
    for field in fields {
        let Some((key, value)) = field.split_once('=').filter(|(_, value)| !value.is_empty())
        else {
            bail!("invalid key/value pair format in driver options");
        };
        let value = value.trim();
        match key.trim().to_lowercase().as_str() {
            "name" => one.target = value.to_owned(),
            "alias" => one.aliases.push(value.to_owned()),
            "ip" => one.ipv4 = value.to_owned(),
            "ip6" => one.ipv6 = value.to_owned(),
            "mac-address" => one.mac = mac(value)?,
            "link-local-ip" => one.link_local.push(value.to_owned()),
            "gw-priority" => {
                one.priority = value.parse().map_err(|_| {
                    anyhow::anyhow!("invalid gw-priority ({value}): invalid syntax")
                })?;
            }
            "driver-opt" => {
                let Some((name, value)) = value.split_once('=') else {
                    bail!("invalid key/value pair format in driver options");
                };
                one.driver_opts.insert(name.trim().to_lowercase(), value.trim().to_owned());
            }
            other => bail!("invalid field key {other}"),
        }
    }
    Ok(one)
}

/// Checks a hardware address.
pub(super) fn mac(text: &str) -> anyhow::Result<String> {
    let bytes: Vec<&str> = text.split([':', '-']).collect();
    let is_byte = |t: &&str| t.len() == 2 && t.bytes().all(|b| b.is_ascii_hexdigit());
    if matches!(bytes.len(), 6 | 8 | 20) && bytes.iter().all(is_byte) {
        return Ok(text.to_owned());
    }
    bail!("{text} is not a valid mac address")
}

/// Gives the first network what the older flags say.
fn apply_flags(one: &mut Attachment, flags: &Parsed) -> anyhow::Result<()> {
    let conflict = |own: &str, per: &str| -> anyhow::Result<()> {
        bail!("conflicting options: cannot specify both --{own} and per-network {per}")
    };
    let (aliases, links) = (flags.list("network-alias"), flags.list("link"));
    let (ip, ip6, mac_flag) = (flags.text("ip"), flags.text("ip6"), flags.text("mac-address"));
    let local = flags.list("link-local-ip");
    if !aliases.is_empty() && !one.aliases.is_empty() {
        return conflict("network-alias", "alias");
    }
    if !links.is_empty() && !one.links.is_empty() {
        return conflict("link", "links");
    }
    if !ip.is_empty() && !one.ipv4.is_empty() {
        return conflict("ip", "IPv4 address");
    }
    if !ip6.is_empty() && !one.ipv6.is_empty() {
        return conflict("ip6", "IPv6 address");
    }
    if !mac_flag.is_empty() && !one.mac.is_empty() {
        return conflict("mac-address", "MAC address");
    }
    if !local.is_empty() && !one.link_local.is_empty() {
        return conflict("link-local-ip", "link-local IP addresses");
    }
    one.aliases.extend(aliases.iter().cloned());
    // Links of the built-in networks stand in the host configuration only.
    if is_user_defined(&one.target) {
        one.links.extend(links.iter().cloned());
    }
    for (field, flag) in [(&mut one.ipv4, ip), (&mut one.ipv6, ip6)] {
        if !flag.is_empty() {
            flag.clone_into(field);
        }
    }
    if !mac_flag.is_empty() {
        one.mac = mac(mac_flag)?;
    }
    one.link_local.extend(local.iter().cloned());
    Ok(())
}

fn endpoint(one: Attachment) -> anyhow::Result<EndpointSettings> {
    if one.target.is_empty() {
        bail!("no name set for network");
    }
    if !is_user_defined(&one.target) && !one.aliases.is_empty() {
        bail!("network-scoped aliases are only supported for user-defined networks");
    }
    let some = |list: Vec<String>| (!list.is_empty()).then_some(list);
    let ipam = EndpointIpamConfig {
        ipv4_address: one.ipv4,
        ipv6_address: one.ipv6,
        link_local_ips: one.link_local,
    };
    Ok(EndpointSettings {
        ipam_config: (ipam != EndpointIpamConfig::default()).then_some(ipam),
        links: some(one.links),
        aliases: some(one.aliases),
        mac_address: one.mac,
        driver_opts: (!one.driver_opts.is_empty()).then_some(one.driver_opts),
        gw_priority: one.priority,
        ..EndpointSettings::default()
    })
}

/// Checks one `--network` as it is read.
///
/// # Errors
/// In docker's words.
pub fn check(text: &str) -> Result<(), String> {
    parse(text).map(drop).map_err(|error| error.to_string())
}

/// Builds both places from the flags of `run` and `create`.
///
/// # Errors
/// In docker's words.
pub fn networks(flags: &Parsed) -> anyhow::Result<Networks> {
    let given = flags.list("network");
    if given.is_empty() {
        let mut one = Attachment { target: "default".to_owned(), ..Attachment::default() };
        apply_flags(&mut one, flags)?;
        let endpoints = BTreeMap::from([("default".to_owned(), endpoint(one)?)]);
        return Ok(Networks { mode: "default".to_owned(), endpoints });
    }
    let mut result = Networks::default();
    let (mut has_own, mut has_built_in) = (false, false);
    for (index, text) in given.iter().enumerate() {
        let mut one = parse(text)?;
        let target = one.target.clone();
        if is_user_defined(&target) {
            has_own = true
        } else {
            has_built_in = true
        }
        if index == 0 {
            apply_flags(&mut one, flags)?;
            result.mode.clone_from(&target);
        }
        let settings = endpoint(one)?;
        if result.endpoints.contains_key(&target) {
            bail!("network {target:?} is specified multiple times");
        }
        // A single network without options is named by the mode alone.
        if given.len() > 1 || settings != EndpointSettings::default() {
            result.endpoints.insert(target, settings);
        }
    }
    if has_own && has_built_in {
        bail!(
            "conflicting options: cannot attach both user-defined and non-user-defined network-modes"
        );
    }
    Ok(result)
}
