//! Options of the `gelf` driver.

use container_log::sink::{Gelf, GelfCompression};

use super::{address, options::Options};

const OWN: [&str; 5] = [
    "gelf-address",
    "gelf-compression-level",
    "gelf-compression-type",
    "gelf-tcp-max-reconnect",
    "gelf-tcp-reconnect-delay",
];
const DEFAULT_LEVEL: i32 = 1;
const DEFAULT_RECONNECTS: u32 = 3;
const DEFAULT_DELAY: u32 = 1;

/// Checks the options.
pub(super) fn parse(options: Options<'_>) -> Result<Gelf, String> {
    let text = options.get("gelf-address").ok_or("gelf-address is a required parameter")?;
    let (scheme, rest) = address::split(text);
    if !matches!(scheme, "udp" | "tcp") {
        return Err("gelf: endpoint needs to be TCP or UDP".to_owned());
    }
    let authority = address::authority(rest);
    if address::split_port(authority).is_none() {
        return Err("gelf: please provide gelf-address as proto://host:port".to_owned());
    }
    if let Some(name) = options.unknown_beside_common(&OWN) {
        return Err(format!("unknown log opt \"{name}\" for gelf log driver"));
    }
    let address = authority.to_owned();
    if scheme == "udp" { parse_udp(options, address) } else { parse_tcp(options, address) }
}

fn parse_udp(options: Options<'_>, address: String) -> Result<Gelf, String> {
    for name in ["gelf-tcp-max-reconnect", "gelf-tcp-reconnect-delay"] {
        if options.has(name) {
            return Err(format!("{name:?} is only valid for TCP"));
        }
    }
    let unknown =
        |value, name| format!("unknown value {value:?} for log opt {name:?} for gelf log driver");
    let level = match options.get("gelf-compression-level") {
        None => DEFAULT_LEVEL,
        Some(text) => text
            .parse()
            .ok()
            .filter(|level| (-1..=9).contains(level))
            .ok_or_else(|| unknown(text, "gelf-compression-level"))?,
    };
    let compression = match options.get("gelf-compression-type") {
        None | Some("gzip") => GelfCompression::Gzip,
        Some("zlib") => GelfCompression::Zlib,
        Some("none") => GelfCompression::None,
        Some(other) => return Err(unknown(other, "gelf-compression-type")),
    };
    Ok(Gelf::Udp { address, compression, level })
}

fn parse_tcp(options: Options<'_>, address: String) -> Result<Gelf, String> {
    if options.has("gelf-compression-level") || options.has("gelf-compression-type") {
        return Err("compression is only supported on UDP".to_owned());
    }
    let number = |name: &str, default: u32| match options.get(name) {
        None => Ok(default),
        Some(text) => text.parse().map_err(|_| format!("{name:?} must be a positive integer")),
    };
    Ok(Gelf::Tcp {
        address,
        max_reconnect: number("gelf-tcp-max-reconnect", DEFAULT_RECONNECTS)?,
        reconnect_delay: number("gelf-tcp-reconnect-delay", DEFAULT_DELAY)?,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn parsed(pairs: &[(&str, &str)]) -> Result<Gelf, String> {
        let options: BTreeMap<String, String> =
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        parse(Options(&options))
    }

    #[test]
    fn endpoints_and_mistakes() {
        let udp = parsed(&[("gelf-address", "udp://h:1"), ("gelf-compression-type", "zlib")]);
        let compression = GelfCompression::Zlib;
        assert_eq!(udp, Ok(Gelf::Udp { address: "h:1".into(), compression, level: 1 }));
        let texts = [
            (&[][..], "gelf-address is a required parameter"),
            (&[("gelf-address", "http://h:1")], "gelf: endpoint needs to be TCP or UDP"),
            (
                &[("gelf-address", "udp://h")],
                "gelf: please provide gelf-address as proto://host:port",
            ),
            (
                &[("gelf-address", "tcp://h:1"), ("gelf-compression-type", "gzip")],
                "compression is only supported on UDP",
            ),
            (
                &[("gelf-address", "udp://h:1"), ("gelf-compression-type", "x")],
                "unknown value \"x\" for log opt \"gelf-compression-type\" for gelf log driver",
            ),
            (
                &[("gelf-address", "udp://h:1"), ("nosuch", "x")],
                "unknown log opt \"nosuch\" for gelf log driver",
            ),
        ];
        for (pairs, text) in texts {
            assert_eq!(parsed(pairs), Err(text.to_owned()));
        }
    }
}
