//! `HostConfig.NetworkMode` and `ExposedPorts`/`PortBindings`.

/// Which network a container has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetworkMode {
    /// A network of the engine by name or id; `default` and empty mean `bridge`.
    Named(String),
    /// The host's.
    Host,
    /// Only a loopback device.
    None,
    /// Another container's.
    Container(String),
}

impl NetworkMode {
    /// Parses the API's text.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text {
            "host" => Self::Host,
            "none" => Self::None,
            "" | "default" => Self::Named("bridge".to_owned()),
            other => match other.strip_prefix("container:") {
                Some(reference) => Self::Container(reference.to_owned()),
                None => Self::Named(other.to_owned()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes() {
        assert_eq!(NetworkMode::parse("default"), NetworkMode::Named("bridge".into()));
        assert_eq!(NetworkMode::parse("container:web"), NetworkMode::Container("web".into()));
        assert_eq!(NetworkMode::parse("host"), NetworkMode::Host);
    }
}
