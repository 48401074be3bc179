//! A container's /etc/hosts.

use std::{fmt::Write as _, net::IpAddr};

/// Where an extra name leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostTarget {
    /// An address.
    Address(IpAddr),
    /// The host as the container sees it (`host-gateway`).
    Gateway,
}

/// One `--add-host`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtraHost {
    /// The name.
    pub name: String,
    /// Where it leads.
    pub target: HostTarget,
}

/// Why a text is no extra host.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ExtraHostError {
    /// There is no name, or no address.
    #[error("bad format for add-host: {0:?}")]
    Format(String),
    /// The address does not parse.
    #[error("invalid IP address in add-host: {0:?}")]
    Address(String),
}

impl std::str::FromStr for ExtraHost {
    type Err = ExtraHostError;

    /// Reads `NAME:ADDRESS`, the form of `HostConfig.ExtraHosts`; the address may be IPv6, in
    /// brackets or not, or `host-gateway`.
    fn from_str(text: &str) -> Result<Self, ExtraHostError> {
        let (name, target) = text
            .split_once(':')
            .filter(|(name, _)| !name.is_empty() && !name.contains(char::is_whitespace))
            .ok_or_else(|| ExtraHostError::Format(text.to_owned()))?;
        let bare = target.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let target = match bare.unwrap_or(target) {
            "host-gateway" => HostTarget::Gateway,
            address => HostTarget::Address(
                address.parse().map_err(|_| ExtraHostError::Address(target.to_owned()))?,
            ),
        };
        Ok(Self { name: name.to_owned(), target })
    }
}

/// What goes into the file.
#[derive(Debug, Clone)]
pub struct HostsFile<'a> {
    /// The container's own addresses; none without a network.
    pub addresses: &'a [IpAddr],
    /// Its host name.
    pub hostname: &'a str,
    /// Its domain, if it has one.
    pub domain: Option<&'a str>,
    /// Names that were asked for.
    pub extra: &'a [ExtraHost],
    /// What `host-gateway` stands for.
    pub gateway: IpAddr,
}

/// The lines of every file, in Docker's order and form.
const LOOPBACK: &str = "127.0.0.1\tlocalhost\n\
    ::1\tlocalhost ip6-localhost ip6-loopback\n\
    fe00::\tip6-localnet\n\
    ff00::\tip6-mcastprefix\n\
    ff02::1\tip6-allnodes\n\
    ff02::2\tip6-allrouters\n";

impl HostsFile<'_> {
    /// Writes the file's text.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = LOOPBACK.to_owned();
        for host in self.extra {
            let address = match host.target {
                HostTarget::Address(address) => address,
                HostTarget::Gateway => self.gateway,
            };
            // Writing into a String cannot fail.
            let _ = writeln!(text, "{address}\t{}", host.name);
        }
        for address in self.addresses {
            let _ = match self.domain.filter(|domain| !domain.is_empty()) {
                Some(domain) => {
                    writeln!(text, "{address}\t{0}.{domain} {0}", self.hostname)
                }
                None => writeln!(text, "{address}\t{}", self.hostname),
            };
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extra_names_and_the_containers_own() {
        let extra = ["db:10.0.0.9", "host.docker.internal:host-gateway", "six:[2001:db8::1]"]
            .map(|text| text.parse().unwrap());
        let own = ["172.18.0.2".parse().unwrap()];
        let mut file = HostsFile {
            addresses: &own,
            hostname: "web",
            domain: None,
            extra: &extra,
            gateway: "172.18.0.1".parse().unwrap(),
        };
        let tail = "10.0.0.9\tdb\n172.18.0.1\thost.docker.internal\n2001:db8::1\tsix\n";
        assert_eq!(file.render(), format!("{LOOPBACK}{tail}172.18.0.2\tweb\n"));
        file.domain = Some("example.org");
        assert!(file.render().ends_with("172.18.0.2\tweb.example.org web\n"));
    }

    #[test]
    fn what_is_no_extra_host() {
        for bad in ["", "x", ":1.2.3.4", "x:", "x:nowhere", "a b:1.2.3.4"] {
            assert!(bad.parse::<ExtraHost>().is_err(), "{bad}");
        }
        assert!("six:2001:db8::1".parse::<ExtraHost>().is_ok());
    }
}
