//! Options of the `syslog` driver.

use std::path::Path;

use container_log::sink::{Syslog, SyslogAddress, SyslogFormat, Tls};

use super::{address, options::Options};

const OWN: [&str; 7] = [
    "syslog-address",
    "syslog-facility",
    "syslog-tls-ca-cert",
    "syslog-tls-cert",
    "syslog-tls-key",
    "syslog-tls-skip-verify",
    "syslog-format",
];
const DEFAULT_PORT: &str = "514";
/// `daemon`.
const DEFAULT_FACILITY: u8 = 3;
const LAST_FACILITY: u8 = 23;
const FACILITIES: [(&str, u8); 20] = [
    ("kern", 0),
    ("user", 1),
    ("mail", 2),
    ("daemon", 3),
    ("auth", 4),
    ("syslog", 5),
    ("lpr", 6),
    ("news", 7),
    ("uucp", 8),
    ("cron", 9),
    ("authpriv", 10),
    ("ftp", 11),
    ("local0", 16),
    ("local1", 17),
    ("local2", 18),
    ("local3", 19),
    ("local4", 20),
    ("local5", 21),
    ("local6", 22),
    ("local7", 23),
];

/// Checks the options.
pub(super) fn parse(options: Options<'_>) -> Result<Syslog, String> {
    if let Some(name) = options.unknown_beside_common(&OWN) {
        return Err(format!("unknown log opt '{name}' for syslog log driver"));
    }
    Ok(Syslog {
        address: parse_address(options)?,
        facility: parse_facility(options.get("syslog-facility"))?,
        format: parse_format(options.get("syslog-format"))?,
    })
}

fn parse_address(options: Options<'_>) -> Result<SyslogAddress, String> {
    let Some(text) = options.get("syslog-address") else { return Ok(SyslogAddress::Host) };
    let (scheme, rest) = address::split(text);
    match scheme {
        "unix" => socket(rest).map(|path| SyslogAddress::Unix(path.into())),
        "unixgram" => socket(rest).map(|path| SyslogAddress::Unixgram(path.into())),
        "udp" => Ok(SyslogAddress::Udp(with_port(rest))),
        "tcp" => Ok(SyslogAddress::Tcp(with_port(rest))),
        "tcp+tls" => Ok(SyslogAddress::Tls(with_port(rest), tls(options))),
        other => Err(format!("unsupported scheme: '{other}'")),
    }
}

fn socket(path: &str) -> Result<&str, String> {
    match Path::new(path).metadata() {
        Ok(_) => Ok(path),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(format!("stat {path}: no such file or directory"))
        }
        Err(error) => Err(format!("stat {path}: {error}")),
    }
}

fn with_port(rest: &str) -> String {
    let authority = address::authority(rest);
    match address::split_port(authority) {
        Some(_) => authority.to_owned(),
        None => format!("{authority}:{DEFAULT_PORT}"),
    }
}

fn tls(options: Options<'_>) -> Tls {
    let path = |name| options.get(name).map(Into::into);
    Tls {
        ca: path("syslog-tls-ca-cert"),
        certificate: path("syslog-tls-cert"),
        key: path("syslog-tls-key"),
        // Its presence counts, whatever it says, as in Docker.
        skip_verify: options.has("syslog-tls-skip-verify"),
    }
}

fn parse_facility(text: Option<&str>) -> Result<u8, String> {
    let Some(text) = text else { return Ok(DEFAULT_FACILITY) };
    let named = FACILITIES.iter().find(|(name, _)| *name == text).map(|(_, number)| *number);
    let number = || text.parse().ok().filter(|number| *number <= LAST_FACILITY);
    named.or_else(number).ok_or_else(|| "invalid syslog facility".to_owned())
}

fn parse_format(text: Option<&str>) -> Result<SyslogFormat, String> {
    match text {
        None => Ok(SyslogFormat::Unix),
        Some("rfc3164") => Ok(SyslogFormat::Rfc3164),
        Some("rfc5424") => Ok(SyslogFormat::Rfc5424),
        Some("rfc5424micro") => Ok(SyslogFormat::Rfc5424Micro),
        Some(_) => Err("Invalid syslog format".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn parsed(pairs: &[(&str, &str)]) -> Result<Syslog, String> {
        let options: BTreeMap<String, String> =
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        parse(Options(&options))
    }

    #[test]
    fn addresses_facilities_and_formats() {
        let plain = parsed(&[]).unwrap();
        assert_eq!((plain.address, plain.facility), (SyslogAddress::Host, 3));
        let address = |text| parsed(&[("syslog-address", text)]).map(|syslog| syslog.address);
        assert_eq!(address("udp://1.2.3.4"), Ok(SyslogAddress::Udp("1.2.3.4:514".into())));
        assert_eq!(address("tcp://h:601"), Ok(SyslogAddress::Tcp("h:601".into())));
        assert_eq!(address("corbelli"), Err("unsupported scheme: ''".into()));
        assert_eq!(
            address("unix:///no/such"),
            Err("stat /no/such: no such file or directory".into())
        );
        assert_eq!(parsed(&[("syslog-facility", "local7")]).unwrap().facility, 23);
        assert_eq!(parsed(&[("syslog-facility", "24")]), Err("invalid syslog facility".into()));
        assert_eq!(parsed(&[("syslog-format", "x")]), Err("Invalid syslog format".into()));
        let text = "unknown log opt 'gelf-address' for syslog log driver";
        assert_eq!(parsed(&[("gelf-address", "x")]), Err(text.into()));
    }
}
