//! `--device`, per-device limits, and devices by CDI name.

use engine_api::host_config::{DeviceMapping, ThrottleDevice, WeightDevice};

use crate::grammar::parse_memory;

fn is_mode(text: &str) -> bool {
    !text.is_empty()
        && text.chars().all(|c| "rwm".contains(c))
        && text.chars().enumerate().all(|(i, c)| !text[..i].contains(c))
}

/// Whether it names a device of a CDI vendor: `VENDOR/CLASS=NAME`.
#[must_use]
pub fn is_cdi(text: &str) -> bool {
    let Some((kind, name)) = text.split_once('=') else { return false };
    let Some((vendor, class)) = kind.split_once('/') else { return false };
    let is_word = |t: &str| {
        t.starts_with(|c: char| c.is_ascii_alphanumeric())
            && t.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:".contains(c))
    };
    is_word(vendor) && is_word(class) && is_word(name)
}

/// Reads `HOST[:CONTAINER][:MODE]`.
///
/// # Errors
/// In docker's words.
pub fn mapping(text: &str) -> Result<DeviceMapping, String> {
    let parts: Vec<&str> = text.split(':').collect();
    let (host, container, mode) = match parts[..] {
        [host] => (host, host, "rwm"),
        [host, mode] if is_mode(mode) => (host, host, mode),
        [host, container] => (host, container, "rwm"),
        [host, container, mode] => (host, container, mode),
        _ => return Err(format!("invalid device specification: {text}")),
    };
    if host.is_empty() || container.is_empty() {
        return Err(format!("bad format for path: {text}"));
    }
    if !container.starts_with('/') {
        return Err(format!("{container} is not an absolute path"));
    }
    if !is_mode(mode) {
        return Err(format!("bad mode specified: {mode}"));
    }
    Ok(DeviceMapping {
        path_on_host: host.to_owned(),
        path_in_container: container.to_owned(),
        cgroup_permissions: mode.to_owned(),
    })
}

/// Rates that the grammar has checked: bytes with units.
#[must_use]
pub fn byte_rates(values: &[String]) -> Vec<ThrottleDevice> {
    rates(values, |text| parse_memory(text).ok().and_then(|n| u64::try_from(n).ok()))
}

/// Rates that the grammar has checked: plain numbers.
#[must_use]
pub fn operation_rates(values: &[String]) -> Vec<ThrottleDevice> {
    rates(values, |text| text.parse().ok())
}

fn rates(values: &[String], rate_of: impl Fn(&str) -> Option<u64>) -> Vec<ThrottleDevice> {
    let device = |text: &String| {
        let (path, rate) = text.split_once(':')?;
        Some(ThrottleDevice { path: path.to_owned(), rate: rate_of(rate)? })
    };
    values.iter().filter_map(device).collect()
}

/// Weights that the grammar has checked.
#[must_use]
pub fn weights(values: &[String]) -> Vec<WeightDevice> {
    let device = |text: &String| {
        let (path, weight) = text.split_once(':')?;
        Some(WeightDevice { path: path.to_owned(), weight: weight.parse().ok()? })
    };
    values.iter().filter_map(device).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices() {
        let device = mapping("/dev/sda:/dev/xvda:r").unwrap();
        assert_eq!(device.cgroup_permissions, "r");
        assert_eq!(mapping("/dev/null").unwrap().path_in_container, "/dev/null");
        assert_eq!(mapping("x").unwrap_err(), "x is not an absolute path");
        assert!(is_cdi("vendor.com/class=dev") && !is_cdi("/dev/a=b"));
    }
}
