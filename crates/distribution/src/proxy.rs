//! Whether a host is reached through a proxy.

use std::net::IpAddr;

use url::Url;

use crate::config::{ProxyConfig, in_block};

impl ProxyConfig {
    /// The proxy for `scheme://host`, unless the host is to be reached directly.
    pub(crate) fn for_host(&self, scheme: &str, host: &str) -> Option<&Url> {
        let proxy = if scheme == "https" { self.https.as_ref() } else { self.http.as_ref() }?;
        (!self.is_direct(host)).then_some(proxy)
    }

    /// Loopback is always direct, as in Go's `ProxyFromEnvironment`.
    fn is_direct(&self, host: &str) -> bool {
        let address: Option<IpAddr> = host.parse().ok();
        if host == "localhost" || address.is_some_and(|address| address.is_loopback()) {
            return true;
        }
        self.direct.iter().any(|entry| covers(entry, host, address))
    }
}

fn covers(entry: &str, host: &str, address: Option<IpAddr>) -> bool {
    if entry.is_empty() {
        return false;
    }
    if entry == "*" || entry.eq_ignore_ascii_case(host) {
        return true;
    }
    if let (Some(address), Some((network, bits))) = (address, entry.split_once('/')) {
        return match (network.parse(), bits.parse()) {
            (Ok(network), Ok(bits)) => in_block(address, network, bits),
            _ => false,
        };
    }
    let suffix = entry.trim_start_matches('*').trim_start_matches('.').to_lowercase();
    address.is_none() && host.to_lowercase().ends_with(&format!(".{suffix}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_proxy_rules() {
        let config = ProxyConfig {
            http: None,
            https: Some("http://proxy.test:3128".parse().unwrap()),
            direct: ["corp.test", ".in.test", "10.0.0.0/8"].map(str::to_owned).to_vec(),
        };
        let proxied = |host: &str| config.for_host("https", host).is_some();
        assert!(proxied("hub.test"));
        assert!(proxied("notcorp.test"));
        assert!(proxied("11.0.0.1"));
        for direct in
            ["corp.test", "a.corp.test", "x.in.test", "10.1.1.1", "localhost", "127.0.0.1"]
        {
            assert!(!proxied(direct), "{direct}");
        }
        assert!(config.for_host("http", "hub.test").is_none());
    }
}
