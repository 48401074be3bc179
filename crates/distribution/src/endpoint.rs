//! Where a registry is spoken to.

use url::Url;

use crate::{ClientConfig, DistributionError};

/// One base address of the distribution API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// `host[:port]`.
    pub(crate) authority: String,
    /// The scheme when it is settled; `None`: try `https`, fall back to `http`.
    pub(crate) scheme: Option<&'static str>,
    /// Path before `/v2/`, without a slash at its end (mirrors).
    pub(crate) prefix: String,
}

impl Endpoint {
    /// The registry of a domain as it stands in references.
    pub(crate) fn of_domain(config: &ClientConfig, domain: &str) -> Self {
        let authority = match domain {
            "docker.io" | "index.docker.io" => "registry-1.docker.io",
            other => other,
        };
        let scheme = if config.is_insecure(authority) { None } else { Some("https") };
        Self { authority: authority.to_owned(), scheme, prefix: String::new() }
    }

    fn of_mirror(url: &Url) -> Option<Self> {
        let host = url.host_str()?;
        let authority = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        let scheme = if url.scheme() == "http" { "http" } else { "https" };
        let prefix = url.path().trim_end_matches('/').to_owned();
        Some(Self { authority, scheme: Some(scheme), prefix })
    }

    /// The addresses for a pull from `domain`: mirrors first, the registry itself last.
    pub(crate) fn for_pull(config: &ClientConfig, domain: &str) -> Vec<Self> {
        let mut all = Vec::new();
        if domain == types::reference::DEFAULT_DOMAIN {
            all.extend(config.mirrors.iter().filter_map(Self::of_mirror));
        }
        all.push(Self::of_domain(config, domain));
        all
    }

    /// The URL of `path` (which starts with `/v2/`) under `scheme`.
    pub(crate) fn url(&self, scheme: &str, path: &str) -> Result<Url, DistributionError> {
        let text = format!("{scheme}://{}{}{path}", self.authority, self.prefix);
        Url::parse(&text).map_err(|_| DistributionError::Address(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrors_come_first_and_only_for_docker_io() {
        let config = ClientConfig {
            mirrors: vec!["http://mirror.test:5000/cache/".parse().unwrap()],
            ..ClientConfig::default()
        };
        let all = Endpoint::for_pull(&config, "docker.io");
        assert_eq!(all.len(), 2);
        assert_eq!(
            all[0].url("http", "/v2/x").unwrap().as_str(),
            "http://mirror.test:5000/cache/v2/x"
        );
        assert_eq!(all[1].authority, "registry-1.docker.io");
        assert_eq!(Endpoint::for_pull(&config, "hub.test").len(), 1);
    }
}
