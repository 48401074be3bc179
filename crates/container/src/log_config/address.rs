//! `scheme://host:port` and `scheme:///path`.

/// The scheme, and what follows it.
pub(super) fn split(address: &str) -> (&str, &str) {
    address.split_once("://").unwrap_or(("", address))
}

/// Host and port; `None` when there is no port. `[::1]:514` has one.
pub(super) fn split_port(authority: &str) -> Option<(&str, &str)> {
    let (host, port) = authority.rsplit_once(':')?;
    let is_bare_v6 = host.contains(':') && !(host.starts_with('[') && host.ends_with(']'));
    (!is_bare_v6).then_some((host, port))
}

/// What stands before a path.
pub(super) fn authority(rest: &str) -> &str {
    rest.split_once('/').map_or(rest, |(authority, _)| authority)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts() {
        assert_eq!(split("tcp+tls://h:1"), ("tcp+tls", "h:1"));
        assert_eq!(split("nothing"), ("", "nothing"));
        assert_eq!(split_port("h:1"), Some(("h", "1")));
        assert_eq!(split_port("[::1]:1"), Some(("[::1]", "1")));
        assert_eq!(split_port("h"), None);
        assert_eq!(split_port("::1"), None);
        assert_eq!(authority("h:1/x"), "h:1");
    }
}
