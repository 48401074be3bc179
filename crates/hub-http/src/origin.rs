//! Where a request came from, and by which address the hub is known to its sender.

use std::{fmt, net::IpAddr, str::FromStr};

use http::{HeaderValue, header, request::Parts};

/// How the bytes travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Https,
}

/// Of every request's connection; the server puts it among the request's extensions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin {
    pub(crate) peer: IpAddr,
    pub(crate) scheme: Scheme,
}

impl Origin {
    /// The origin of a request that came through the server.
    pub(crate) fn of(head: &Parts) -> Self {
        *head.extensions.get::<Self>().expect("the server adds the origin to every request")
    }
}

/// The address that clients reach the hub by, e.g. `https://hub.example:5000`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl(String);

/// A text that is no such address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("public URL must be http://HOST[:PORT] or https://HOST[:PORT], without a path")]
pub struct PublicUrlError;

impl FromStr for PublicUrl {
    type Err = PublicUrlError;

    fn from_str(text: &str) -> Result<Self, PublicUrlError> {
        let text = text.strip_suffix('/').unwrap_or(text);
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let is_good = rest.is_some_and(is_authority);
        if is_good { Ok(Self(text.to_owned())) } else { Err(PublicUrlError) }
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Host and port, and nothing that could end a quoted string or begin a path.
fn is_authority(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 255
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']'))
}

/// The configured address, or else the one that the client used.
pub(crate) fn base_url(configured: Option<&PublicUrl>, head: &Parts) -> String {
    if let Some(url) = configured {
        return url.to_string();
    }
    let scheme = match Origin::of(head).scheme {
        Scheme::Http => "http",
        Scheme::Https => "https",
    };
    let host = head.headers.get(header::HOST).and_then(|host: &HeaderValue| host.to_str().ok());
    let host = host.filter(|host| is_authority(host)).unwrap_or("localhost");
    format!("{scheme}://{host}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_url_is_scheme_and_authority() {
        assert_eq!("https://h:5000/".parse::<PublicUrl>().unwrap().to_string(), "https://h:5000");
        assert!("http://[::1]:80".parse::<PublicUrl>().is_ok());
        for bad in ["h:5000", "ftp://h", "https://", "https://h/p", "https://h\"x", "https://a@h"] {
            assert!(bad.parse::<PublicUrl>().is_err(), "{bad}");
        }
    }
}
