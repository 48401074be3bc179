//! Options of the `fluentd` driver.

use std::time::Duration;

use container_log::sink::{Fluentd, FluentdAddress};

use super::{
    address,
    go_text::{Unit, parse_bool, parse_duration, parse_size},
    options::Options,
};

const OWN: [&str; 10] = [
    "fluentd-address",
    "fluentd-async",
    "fluentd-async-reconnect-interval",
    "fluentd-buffer-limit",
    "fluentd-max-retries",
    "fluentd-request-ack",
    "fluentd-retry-wait",
    "fluentd-sub-second-precision",
    "fluentd-write-timeout",
    "fluentd-read-timeout",
];
const DEFAULT_HOST: &str = "127.0.0.1";
const DEFAULT_PORT: u16 = 24224;
const DEFAULT_BUFFER_BYTES: i64 = 1 << 20;
const DEFAULT_RETRY_WAIT: Duration = Duration::from_secs(1);
const MAX_RETRIES: u32 = i32::MAX.cast_unsigned();
const RECONNECT: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_secs(10);

/// Checks the options.
pub(super) fn parse(options: Options<'_>) -> Result<Fluentd, String> {
    if let Some(name) = options.unknown_beside_common(&OWN) {
        return Err(format!("unknown log opt '{name}' for fluentd log driver"));
    }
    let flag = |name| options.get(name).map(parse_bool).transpose().map(Option::unwrap_or_default);
    let buffer = options.get("fluentd-buffer-limit").map(|size| parse_size(size, Unit::Binary));
    let wait = options.get("fluentd-retry-wait").map(parse_duration).transpose()?;
    let text = options.get("fluentd-address");
    Ok(Fluentd {
        address: parse_address(text).map_err(|error| {
            format!("invalid fluentd-address ({}): {error}", text.unwrap_or_default())
        })?,
        is_async: flag("fluentd-async")?,
        buffer_limit: buffer.transpose()?.unwrap_or(DEFAULT_BUFFER_BYTES).cast_unsigned(),
        retry_wait_ms: millis(wait.unwrap_or(DEFAULT_RETRY_WAIT)),
        max_retries: parse_retries(options.get("fluentd-max-retries"))?,
        sub_second: flag("fluentd-sub-second-precision")?,
        request_ack: flag("fluentd-request-ack")?,
        write_timeout_ms: parse_timeout(options, "fluentd-write-timeout")?,
        read_timeout_ms: parse_timeout(options, "fluentd-read-timeout")?,
        reconnect_interval_ms: parse_reconnect(options)?,
    })
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn parse_retries(text: Option<&str>) -> Result<u32, String> {
    let Some(text) = text else { return Ok(MAX_RETRIES) };
    let number: u32 =
        text.parse().map_err(|_| format!("strconv.ParseUint: parsing {text:?}: invalid syntax"))?;
    if number > MAX_RETRIES {
        return Err("invalid fluentd-max-retries: value out of range".to_owned());
    }
    Ok(number)
}

fn parse_timeout(options: Options<'_>, name: &str) -> Result<u64, String> {
    let Some(text) = options.get(name) else { return Ok(0) };
    if text.starts_with('-') {
        let why = "value must be a duration that is non-negative";
        return Err(format!("invalid value for {name}: {why}"));
    }
    parse_duration(text)
        .map(millis)
        .map_err(|error| format!("invalid value for {name}: value must be a duration: {error}"))
}

fn parse_reconnect(options: Options<'_>) -> Result<u64, String> {
    let name = "fluentd-async-reconnect-interval";
    let Some(text) = options.get(name) else { return Ok(0) };
    let interval =
        parse_duration(text).map_err(|error| format!("invalid value for {name}: {error}"))?;
    if !interval.is_zero() && !RECONNECT.contains(&interval) {
        return Err(format!(
            "invalid value for {name}: value ({text:?}) must be between 100ms and 10s"
        ));
    }
    Ok(millis(interval))
}

fn parse_address(text: Option<&str>) -> Result<FluentdAddress, String> {
    let Some(text) = text else {
        return Ok(FluentdAddress::Tcp(format!("{DEFAULT_HOST}:{DEFAULT_PORT}")));
    };
    let (scheme, rest) = if text.contains("://") { address::split(text) } else { ("tcp", text) };
    match scheme {
        "unix" if rest.trim_start_matches('/').is_empty() => Err("path is empty".to_owned()),
        "unix" => Ok(FluentdAddress::Unix(rest.into())),
        "tcp" => host_and_port(rest).map(FluentdAddress::Tcp),
        "tls" => host_and_port(rest).map(FluentdAddress::Tls),
        other => Err(format!("unsupported scheme: '{other}'")),
    }
}

fn host_and_port(rest: &str) -> Result<String, String> {
    if rest.contains('/') {
        return Err("should not contain a path element".to_owned());
    }
    let (host, port) = address::split_port(rest).unwrap_or((rest, ""));
    let host = if host.is_empty() { DEFAULT_HOST } else { host };
    let port = match port {
        "" => DEFAULT_PORT,
        port => port.parse().map_err(|_| {
            format!("invalid port: strconv.ParseUint: parsing {port:?}: invalid syntax")
        })?,
    };
    Ok(format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn parsed(pairs: &[(&str, &str)]) -> Result<Fluentd, String> {
        let options: BTreeMap<String, String> =
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        parse(Options(&options))
    }

    #[test]
    fn defaults_and_addresses() {
        let plain = parsed(&[]).unwrap();
        assert_eq!(plain.address, FluentdAddress::Tcp("127.0.0.1:24224".into()));
        assert_eq!((plain.buffer_limit, plain.retry_wait_ms), (1 << 20, 1000));
        let address = |text| parsed(&[("fluentd-address", text)]).map(|fluentd| fluentd.address);
        assert_eq!(address("h"), Ok(FluentdAddress::Tcp("h:24224".into())));
        assert_eq!(address("tls://h:1"), Ok(FluentdAddress::Tls("h:1".into())));
        assert_eq!(address("unix:///a/b"), Ok(FluentdAddress::Unix("/a/b".into())));
        assert_eq!(
            address("http://h"),
            Err("invalid fluentd-address (http://h): unsupported scheme: 'http'".into())
        );
        assert!(address("tcp://h/p").unwrap_err().ends_with("should not contain a path element"));
    }

    #[test]
    fn mistakes_are_refused() {
        for (name, value) in [
            ("fluentd-async", "maybe"),
            ("fluentd-async-reconnect-interval", "50ms"),
            ("fluentd-buffer-limit", "x"),
            ("fluentd-max-retries", "-1"),
            ("fluentd-retry-wait", "5"),
            ("fluentd-write-timeout", "-1s"),
            ("fluentd-nosuch", "x"),
        ] {
            assert!(parsed(&[(name, value)]).is_err(), "{name}={value}");
        }
    }
}
