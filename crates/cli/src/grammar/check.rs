//! Rules for single values of repeated flags, checked as they are read so that the error names the
//! flag.

use std::net::IpAddr;

use super::{
    size::parse_memory,
    value::{Kind, parse_int},
};
use crate::container_options::{gpus, mount, network, ulimit};

/// Checks one value and gives it back in its kept form.
pub(super) fn item(kind: Kind, flag: &str, text: &str) -> Result<String, String> {
    let kept = || Ok(text.to_owned());
    match kind {
        Kind::Ulimit => ulimit::parse(text).map(|_| text.to_owned()),
        Kind::Mount => mount::parse(text).map(|_| text.to_owned()),
        Kind::Network => network::check(text).map(|()| text.to_owned()),
        Kind::Gpus => gpus::parse(text).map(|_| text.to_owned()),
        Kind::Map if flag == "sysctl" => sysctl(text),
        Kind::List => match flag {
            "attach" => attach(text),
            "env" if text.starts_with('=') || text.is_empty() => {
                Err(format!("invalid environment variable: {text}"))
            }
            "label" if text.starts_with('=') || text.is_empty() => {
                Err(format!("invalid label '{text}': empty name"))
            }
            "add-host" => add_host(text),
            "dns" => match text.trim().parse::<IpAddr>() {
                Ok(address) => Ok(address.to_string()),
                Err(_) => Err(format!("IP address is not correctly formatted: {text}")),
            },
            "dns-search" => dns_search(text),
            "link" => link_parts(text).map(|_| text.to_owned()),
            "device-cgroup-rule" => device_rule(text),
            "device-read-bps" | "device-write-bps" => {
                throttle(text, |rate| parse_memory(rate).ok()).map(|()| text.to_owned())
            }
            "device-read-iops" | "device-write-iops" => {
                throttle(text, |rate| rate.parse::<u64>().ok().and_then(|n| i64::try_from(n).ok()))
                    .map(|()| text.to_owned())
            }
            "blkio-weight-device" => weight(text),
            _ => kept(),
        },
        _ => kept(),
    }
}

fn attach(text: &str) -> Result<String, String> {
    let lower = text.to_lowercase();
    match lower.as_str() {
        "stdin" | "stdout" | "stderr" => Ok(lower),
        _ => Err("valid streams are STDIN, STDOUT and STDERR".to_owned()),
    }
}

/// `host:ip` or `host=ip`; brackets around an IPv6 address are taken off.
fn add_host(text: &str) -> Result<String, String> {
    let bad = || format!("bad format for add-host: {text:?}");
    let (host, address) = text.split_once('=').or_else(|| text.split_once(':')).ok_or_else(bad)?;
    if host.is_empty() {
        return Err(bad());
    }
    if address == "host-gateway" {
        return Ok(format!("{host}:{address}"));
    }
    let bare = address.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(address);
    match bare.parse::<IpAddr>() {
        Ok(_) => Ok(format!("{host}:{bare}")),
        Err(_) => Err(format!("invalid IP address in add-host: {address:?}")),
    }
}

fn dns_search(text: &str) -> Result<String, String> {
    let domain = text.trim_matches(|c: char| c == ' ');
    if domain == "." {
        return Ok(domain.to_owned());
    }
    let is_label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let plain = domain.strip_suffix('.').unwrap_or(domain);
    if plain.split('.').all(is_label) && plain.len() < 255 {
        Ok(domain.to_owned())
    } else {
        Err(format!("{domain} is not a valid domain"))
    }
}

/// The parts of `name:alias`; the alias is the name when there is none.
///
/// # Errors
/// In docker's words.
fn link_parts(text: &str) -> Result<(&str, &str), String> {
    if text.is_empty() {
        return Err("empty string specified for links".to_owned());
    }
    match text.split(':').collect::<Vec<_>>()[..] {
        [name] => Ok((name, name)),
        [name, alias] => Ok((name, alias)),
        _ => Err(format!("bad format for links: {text}")),
    }
}

fn sysctl(text: &str) -> Result<String, String> {
    const NAMES: [&str; 10] = [
        "kernel.msgmax",
        "kernel.msgmnb",
        "kernel.msgmni",
        "kernel.sem",
        "kernel.shmall",
        "kernel.shmmax",
        "kernel.shmmni",
        "kernel.shm_rmid_forced",
        "kernel.domainname",
        "kernel.hostname",
    ];
    let name = text.split_once('=').map(|(name, _)| name);
    let is_allowed = name.is_some_and(|name| {
        NAMES[..8].contains(&name) || name.starts_with("net.") || name.starts_with("fs.mqueue.")
    });
    if is_allowed { Ok(text.to_owned()) } else { Err(format!("sysctl '{text}' is not allowed")) }
}

fn device_rule(text: &str) -> Result<String, String> {
    let bad = || format!("invalid device cgroup format '{text}'");
    let is_number = |t: &str| t == "*" || (!t.is_empty() && t.bytes().all(|b| b.is_ascii_digit()));
    let mut words = text.split(' ');
    let (kind, numbers, modes) = (
        words.next().ok_or_else(bad)?,
        words.next().ok_or_else(bad)?,
        words.next().ok_or_else(bad)?,
    );
    let (major, minor) = numbers.split_once(':').ok_or_else(bad)?;
    let is_modes = (1..=3).contains(&modes.len()) && modes.chars().all(|c| "rwm".contains(c));
    if matches!(kind, "a" | "b" | "c")
        && is_number(major)
        && is_number(minor)
        && is_modes
        && words.next().is_none()
    {
        Ok(text.to_owned())
    } else {
        Err(bad())
    }
}

fn throttle(text: &str, rate_of: impl Fn(&str) -> Option<i64>) -> Result<(), String> {
    let (device, rate) = text
        .split_once(':')
        .filter(|(device, _)| !device.is_empty())
        .ok_or_else(|| format!("bad format: {text}"))?;
    if !device.starts_with("/dev/") {
        return Err(format!("bad format for device path: {text}"));
    }
    match rate_of(rate) {
        Some(rate) if rate >= 0 => Ok(()),
        _ => Err(format!(
            "invalid rate for device: {text}. The correct format is <device-path>:<number>[<unit>]. \
             Number must be a positive integer. Unit is optional and can be kb, mb, or gb"
        )),
    }
}

fn weight(text: &str) -> Result<String, String> {
    let (device, weight) = text
        .split_once(':')
        .filter(|(device, _)| !device.is_empty())
        .ok_or_else(|| format!("bad format: {text}"))?;
    if !device.starts_with("/dev/") {
        return Err(format!("bad format for device path: {text}"));
    }
    match parse_int(weight) {
        Ok(weight) if weight == 0 || (10..=1000).contains(&weight) => Ok(text.to_owned()),
        _ => Err(format!("invalid weight for device: {text}")),
    }
}
