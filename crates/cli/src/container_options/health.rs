//! `--health-*` and `--no-healthcheck`.
//!
//! `--health-http`, `--health-tcp`, `--health-grpc`, `--health-action` and `--health-budget` are
//! Gantry's own: probes that the engine makes itself, and what it does about a container that is
//! unhealthy. The latter two are labels, which other clients set with `--label`.

use anyhow::bail;
use engine_api::{StringMap, health::HealthConfig};

use crate::grammar::Parsed;

/// The label of what is done about an unhealthy container.
const ACTION_LABEL: &str = "gantry.health.action";
/// The label of how often it is restarted.
const BUDGET_LABEL: &str = "gantry.health.budget";

/// The flags that say what is tested, with the word for it in the document.
const TESTS: [(&str, &str); 4] = [
    ("health-cmd", "CMD-SHELL"),
    ("health-http", "HTTP"),
    ("health-tcp", "TCP"),
    ("health-grpc", "GRPC"),
];

/// The check that the flags ask for.
///
/// # Errors
/// For flags that exclude each other, and negative numbers, in docker's words.
pub(super) fn check(flags: &Parsed) -> anyhow::Result<Option<HealthConfig>> {
    let mut tests = TESTS.iter().filter(|(flag, _)| !flags.text(flag).is_empty());
    let (test, further) = (tests.next(), tests.next());
    if let (Some((one, _)), Some((other, _))) = (test, further) {
        bail!("--{one} conflicts with --{other}");
    }
    let number = |name: &str| -> anyhow::Result<i64> {
        match flags.int(name) {
            value if value < 0 => bail!("--{name} cannot be negative"),
            value => Ok(value),
        }
    };
    let numbers = [
        "health-interval",
        "health-timeout",
        "health-start-period",
        "health-start-interval",
        "health-retries",
    ];
    let has_settings = test.is_some() || numbers.iter().any(|name| flags.int(name) != 0);
    if flags.flag("no-healthcheck") {
        if has_settings {
            bail!("--no-healthcheck conflicts with --health-* options");
        }
        return Ok(Some(HealthConfig { test: vec!["NONE".to_owned()], ..Default::default() }));
    }
    if !has_settings {
        return Ok(None);
    }
    let test = test.map(|(flag, kind)| vec![(*kind).to_owned(), flags.text(flag).to_owned()]);
    Ok(Some(HealthConfig {
        test: test.unwrap_or_default(),
        interval: number("health-interval")?,
        timeout: number("health-timeout")?,
        start_period: number("health-start-period")?,
        start_interval: number("health-start-interval")?,
        retries: number("health-retries")?,
    }))
}

/// Adds the labels of `--health-action` and `--health-budget`.
pub(super) fn add_labels(flags: &Parsed, labels: &mut StringMap) {
    for (flag, label) in [("health-action", ACTION_LABEL), ("health-budget", BUDGET_LABEL)] {
        let value = flags.text(flag);
        if !value.is_empty() {
            labels.insert(label.to_owned(), value.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grammar::{Found, Outcome, find, parse};

    fn flags(options: &str) -> Parsed {
        let line = format!("run {options} busybox");
        let words: Vec<String> = line.split_whitespace().map(Into::into).collect();
        let Found::Command(command, used) = find(&words) else { panic!("{line}") };
        match parse(&command, &words[used..]) {
            Ok(Outcome::Parsed(parsed)) => parsed,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn tests_of_every_kind() {
        let test = |options: &str| check(&flags(options)).unwrap().map(|check| check.test);
        let of = |words: [&str; 2]| Some(words.map(str::to_owned).to_vec());
        assert_eq!(test(""), None);
        assert_eq!(test("--health-cmd x"), of(["CMD-SHELL", "x"]));
        assert_eq!(test("--health-http http://:80/"), of(["HTTP", "http://:80/"]));
        assert_eq!(test("--health-tcp :80"), of(["TCP", ":80"]));
        assert_eq!(test("--health-grpc :80"), of(["GRPC", ":80"]));
        assert_eq!(test("--no-healthcheck"), Some(vec!["NONE".to_owned()]));
        assert_eq!(test("--health-interval 5s"), Some(Vec::new()));
        assert!(check(&flags("--health-cmd x --health-tcp :80")).is_err());
        assert!(check(&flags("--no-healthcheck --health-tcp :80")).is_err());
        assert!(check(&flags("--health-retries -1")).is_err());
    }

    #[test]
    fn actions_are_labels() {
        let mut labels = StringMap::new();
        add_labels(&flags("--health-action restart --health-budget 3/10m"), &mut labels);
        assert_eq!(labels[ACTION_LABEL], "restart");
        assert_eq!(labels[BUDGET_LABEL], "3/10m");
    }
}
