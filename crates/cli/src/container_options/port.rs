//! `-p [IP:][HOST_PORT[-RANGE]:]PORT[-RANGE][/PROTO]` and `--expose`.

use std::net::IpAddr;

use engine_api::port::{PortBinding, PortMap};

/// The parts of one published port or range.
struct Spec<'a> {
    ip: &'a str,
    host: &'a str,
    container: &'a str,
    protocol: String,
}

fn split(text: &str) -> Spec<'_> {
    let (rest, protocol) = match text.split_once('/') {
        Some((rest, protocol)) if !protocol.is_empty() => (rest, protocol.to_lowercase()),
        Some((rest, _)) => (rest, "tcp".to_owned()),
        None => (text, "tcp".to_owned()),
    };
    // From the right, because an IPv6 address has colons of its own.
    let mut parts = rest.rsplitn(3, ':');
    let container = parts.next().unwrap_or("");
    let host = parts.next().unwrap_or("");
    Spec { ip: parts.next().unwrap_or(""), host, container, protocol }
}

/// `5` or `5-9`.
fn range(text: &str) -> Result<(u16, u16), String> {
    let number = |part: &str| {
        part.parse::<u16>().map_err(|e| {
            let reason = match e.kind() {
                std::num::IntErrorKind::PosOverflow => "value out of range",
                _ => "invalid syntax",
            };
            format!("strconv.ParseUint: parsing {part:?}: {reason}")
        })
    };
    if text.is_empty() {
        return Err("empty string specified for ports".to_owned());
    }
    match text.split_once('-') {
        None => number(text).map(|n| (n, n)),
        Some((first, last)) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return Err(format!("invalid range specified for port: {text}"));
            }
            Ok((first, last))
        }
    }
}

fn host_ip(text: &str) -> Result<String, String> {
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    if bare.is_empty() || bare.parse::<IpAddr>().is_ok() {
        return Ok(bare.to_owned());
    }
    Err(format!("invalid IP address: {text}"))
}

/// Reads one `-p` and adds its bindings.
///
/// # Errors
/// In docker's words.
pub fn publish(text: &str, bindings: &mut PortMap) -> Result<(), String> {
    let spec = split(text);
    let ip = host_ip(spec.ip)?;
    if spec.container.is_empty() {
        return Err(format!("no port specified: {text}<empty>"));
    }
    let (first, last) =
        range(spec.container).map_err(|_| format!("invalid containerPort: {}", spec.container))?;
    let host = match spec.host {
        "" => None,
        host => Some(range(host).map_err(|_| format!("invalid hostPort: {host}"))?),
    };
    if let Some((host_first, host_last)) = host
        && host_last - host_first != last - first
        && first != last
    {
        return Err(format!(
            "invalid ranges specified for container and host Ports: {} and {}",
            spec.container, spec.host
        ));
    }
    if !matches!(spec.protocol.as_str(), "tcp" | "udp" | "sctp") {
        return Err(format!("invalid proto: {}", spec.protocol));
    }
    for port in first..=last {
        let host_port = match host {
            None => String::new(),
            // One port onto a range: the engine picks from it.
            Some((low, high)) if first == last && low != high => format!("{low}-{high}"),
            Some((low, _)) => (low + (port - first)).to_string(),
        };
        let key = format!("{port}/{}", spec.protocol);
        let binding = PortBinding { host_ip: ip.clone(), host_port };
        bindings.entry(key).or_default().get_or_insert_default().push(binding);
    }
    Ok(())
}

/// The ports of one `--expose`.
///
/// # Errors
/// In docker's words.
pub fn expose(text: &str) -> Result<Vec<String>, String> {
    if text.contains(':') {
        return Err(format!("invalid port format for --expose: {text}"));
    }
    let (ports, protocol) = match text.split_once('/') {
        Some((ports, protocol)) if !protocol.is_empty() => (ports, protocol.to_lowercase()),
        _ => (text.trim_end_matches('/'), "tcp".to_owned()),
    };
    let (first, last) = range(ports)
        .map_err(|e| format!("invalid range format for --expose: {text}, error: {e}"))?;
    Ok((first..=last).map(|port| format!("{port}/{protocol}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(text: &str) -> Result<String, String> {
        let mut map = PortMap::new();
        publish(text, &mut map)?;
        Ok(map
            .iter()
            .flat_map(|(port, list)| {
                list.iter().flatten().map(move |b| format!("{}:{}->{port}", b.host_ip, b.host_port))
            })
            .collect::<Vec<_>>()
            .join(" "))
    }

    #[test]
    fn specs() {
        for (text, expected) in [
            ("80", ":->80/tcp"),
            ("8080:80", ":8080->80/tcp"),
            ("127.0.0.1::80", "127.0.0.1:->80/tcp"),
            ("[::1]:9:9/udp", "::1:9->9/udp"),
            ("1000-1001:2000-2001", ":1000->2000/tcp :1001->2001/tcp"),
            ("3000-3005:80", ":3000-3005->80/tcp"),
        ] {
            assert_eq!(bound(text).as_deref(), Ok(expected), "{text}");
        }
        for (text, error) in [
            ("bad", "invalid containerPort: bad"),
            ("99999:1", "invalid hostPort: 99999"),
            ("80/foo", "invalid proto: foo"),
            ("1.2.3:80:80", "invalid IP address: 1.2.3"),
            ("1-3:4-5", "invalid ranges specified for container and host Ports: 4-5 and 1-3"),
        ] {
            assert_eq!(bound(text).unwrap_err(), error, "{text}");
        }
        assert_eq!(expose("5-6/udp").unwrap(), ["5/udp", "6/udp"]);
    }
}
