//! What is probed, how often, and what counts as failure.

use std::{net::SocketAddr, time::Duration};

use engine_api::{container::ContainerConfig, health::HealthConfig};

use super::endpoint::{GrpcTarget, HttpTarget, tcp_address};
use crate::ContainerError;

/// Between two probes, and before the first.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(30);
/// For one probe.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
/// Between two probes of the start period.
const DEFAULT_START_INTERVAL: Duration = Duration::from_secs(5);
/// Failures in a row until the container is unhealthy.
const DEFAULT_RETRIES: u32 = 3;
/// The shortest duration that is no mistake.
const SHORTEST_NANOS: i64 = 1_000_000;

/// A container's health check, with its defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What is done.
    pub probe: Probe,
    /// From the end of a probe to the next one.
    pub interval: Duration,
    /// How long a probe may take.
    pub timeout: Duration,
    /// How long failures do not count after the start.
    pub start_period: Duration,
    /// The interval while the container is starting in its start period.
    pub start_interval: Duration,
    /// How many failures in a row make it unhealthy.
    pub retries: u32,
}

/// Kinds of probes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// A command in the container.
    Exec(Vec<String>),
    /// A request over HTTP.
    Http(HttpTarget),
    /// A connection over TCP.
    Tcp(SocketAddr),
    /// A call of the gRPC health protocol.
    Grpc(GrpcTarget),
}

impl Check {
    /// The check of a container, if it has one.
    ///
    /// # Errors
    /// [`ContainerError::Invalid`] names the value that is out of range, in Docker's words.
    pub fn parse(config: &ContainerConfig) -> Result<Option<Self>, ContainerError> {
        let Some(health) = &config.healthcheck else { return Ok(None) };
        let check = Self {
            probe: Probe::Exec(Vec::new()),
            interval: duration("Interval", health.interval, DEFAULT_INTERVAL)?,
            timeout: duration("Timeout", health.timeout, DEFAULT_TIMEOUT)?,
            retries: retries(health.retries)?,
            start_period: duration("StartPeriod", health.start_period, Duration::ZERO)?,
            start_interval: duration(
                "StartInterval",
                health.start_interval,
                DEFAULT_START_INTERVAL,
            )?,
        };
        let probe = Probe::parse(&health.test, config.shell.as_deref().unwrap_or_default())?;
        Ok(probe.map(|probe| Self { probe, ..check }))
    }
}

impl Probe {
    /// None for no test, for `NONE`, and for words that nobody knows, which Docker passes over.
    fn parse(test: &[String], shell: &[String]) -> Result<Option<Self>, ContainerError> {
        let Some((kind, arguments)) = test.split_first() else { return Ok(None) };
        Ok(match kind.as_str() {
            "CMD" => Some(Self::Exec(arguments.to_vec())),
            // Without a text there is nothing for the shell to run.
            "CMD-SHELL" if arguments.is_empty() => Some(Self::Exec(Vec::new())),
            "CMD-SHELL" => Some(Self::Exec([shell_words(shell), arguments.to_vec()].concat())),
            "HTTP" => Some(Self::Http(HttpTarget::parse(only(kind, arguments)?)?)),
            "TCP" => Some(Self::Tcp(tcp_address(only(kind, arguments)?)?)),
            "GRPC" => Some(Self::Grpc(GrpcTarget::parse(only(kind, arguments)?)?)),
            _ => None,
        })
    }
}

fn only<'a>(kind: &str, arguments: &'a [String]) -> Result<&'a str, ContainerError> {
    match arguments {
        [only] => Ok(only),
        _ => Err(ContainerError::Invalid(format!("a {kind} healthcheck has one address"))),
    }
}

/// A warning about a test of a kind that is not known and therefore not run.
#[must_use]
pub fn unknown_test(config: &HealthConfig) -> Option<String> {
    let known = ["NONE", "CMD", "CMD-SHELL", "HTTP", "TCP", "GRPC"];
    let kind = config.test.first().filter(|kind| !known.contains(&kind.as_str()))?;
    Some(format!("Unknown healthcheck type '{kind}' (expected 'CMD'): it is not run"))
}

fn shell_words(shell: &[String]) -> Vec<String> {
    if shell.is_empty() { vec!["/bin/sh".to_owned(), "-c".to_owned()] } else { shell.to_vec() }
}

fn duration(name: &str, nanos: i64, default: Duration) -> Result<Duration, ContainerError> {
    match nanos {
        0 => Ok(default),
        ..SHORTEST_NANOS => {
            Err(ContainerError::Invalid(format!("{name} in Healthcheck cannot be less than 1ms")))
        }
        _ => Ok(Duration::from_nanos(nanos.unsigned_abs())),
    }
}

fn retries(count: i64) -> Result<u32, ContainerError> {
    match count {
        0 => Ok(DEFAULT_RETRIES),
        ..0 => Err(ContainerError::Invalid("Retries in Healthcheck cannot be negative".into())),
        _ => Ok(u32::try_from(count).unwrap_or(u32::MAX)),
    }
}

/// The caller's configuration over the image's: what the caller left empty is the image's.
#[must_use]
pub fn merge(own: Option<HealthConfig>, image: Option<HealthConfig>) -> Option<HealthConfig> {
    let (mut own, image) = match (own, image) {
        (Some(own), Some(image)) => (own, image),
        (own, image) => return own.or(image),
    };
    if own.test.is_empty() {
        own.test = image.test;
    }
    for (own, image) in [
        (&mut own.interval, image.interval),
        (&mut own.timeout, image.timeout),
        (&mut own.start_period, image.start_period),
        (&mut own.start_interval, image.start_interval),
        (&mut own.retries, image.retries),
    ] {
        if *own == 0 {
            *own = image;
        }
    }
    Some(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(test: &[&str]) -> Vec<String> {
        test.iter().map(|word| (*word).to_owned()).collect()
    }

    fn parse(health: HealthConfig) -> Result<Option<Check>, ContainerError> {
        Check::parse(&ContainerConfig { healthcheck: Some(health), ..ContainerConfig::default() })
    }

    fn with(test: &[&str]) -> HealthConfig {
        HealthConfig { test: words(test), ..HealthConfig::default() }
    }

    #[test]
    fn tests_of_every_kind() {
        let probe = |test: &[&str]| parse(with(test)).unwrap().map(|check| check.probe);
        assert_eq!(probe(&["CMD", "a", "b c"]), Some(Probe::Exec(words(&["a", "b c"]))));
        let shell = Some(Probe::Exec(words(&["/bin/sh", "-c", "a b"])));
        assert_eq!(probe(&["CMD-SHELL", "a b"]), shell);
        assert!(matches!(probe(&["HTTP", "http://:80/"]), Some(Probe::Http(_))));
        assert!(matches!(probe(&["TCP", ":80"]), Some(Probe::Tcp(_))));
        assert!(matches!(probe(&["GRPC", ":80/x"]), Some(Probe::Grpc(_))));
        assert!(parse(with(&["TCP"])).is_err() && parse(with(&["TCP", ":1", ":2"])).is_err());
        for none in [&[][..], &["NONE"], &["NOSUCH", "x"]] {
            assert_eq!(probe(none), None);
        }
        assert!(unknown_test(&with(&["NOSUCH"])).is_some());
        assert_eq!(unknown_test(&with(&[])), None);
    }

    #[test]
    fn the_image_s_shell_runs_texts() {
        let config = ContainerConfig {
            healthcheck: Some(with(&["CMD-SHELL", "x"])),
            shell: Some(words(&["/bin/ash", "-ec"])),
            ..ContainerConfig::default()
        };
        let check = Check::parse(&config).unwrap().unwrap();
        assert_eq!(check.probe, Probe::Exec(words(&["/bin/ash", "-ec", "x"])));
    }

    #[test]
    fn zero_is_the_default_and_less_than_a_millisecond_a_mistake() {
        let check = parse(with(&["CMD", "x"])).unwrap().unwrap();
        assert_eq!((check.interval.as_secs(), check.timeout.as_secs()), (30, 30));
        assert_eq!((check.start_period.as_secs(), check.start_interval.as_secs()), (0, 5));
        assert_eq!(check.retries, 3);
        let short = |health| parse(health).unwrap_err().to_string();
        let text = short(HealthConfig { interval: 999_999, ..with(&["CMD", "x"]) });
        assert_eq!(text, "Interval in Healthcheck cannot be less than 1ms");
        let text = short(HealthConfig { start_interval: -1, ..with(&["NONE"]) });
        assert_eq!(text, "StartInterval in Healthcheck cannot be less than 1ms");
        let text = short(HealthConfig { retries: -1, ..HealthConfig::default() });
        assert_eq!(text, "Retries in Healthcheck cannot be negative");
    }

    #[test]
    fn what_the_caller_leaves_out_is_the_image_s() {
        let image = HealthConfig { interval: 5, retries: 7, ..with(&["CMD", "x"]) };
        let own = HealthConfig { interval: 9, ..HealthConfig::default() };
        let merged = merge(Some(own), Some(image.clone())).unwrap();
        assert_eq!((merged.test, merged.interval, merged.retries), (words(&["CMD", "x"]), 9, 7));
        assert_eq!(merge(None, Some(image.clone())), Some(image.clone()));
        assert_eq!(merge(Some(image.clone()), None), Some(image));
    }
}
