//! Proxies on the way to an engine behind `tcp://`, as the environment names them.
//!
//! `HTTP_PROXY` is for engines without TLS, `HTTPS_PROXY` for those with; `NO_PROXY` lists hosts
//! that are reached directly, and this machine always is. A proxy is `http://[USER:PASSWORD@]HOST[:PORT]`.

use std::{io, net::IpAddr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Most that a proxy may answer before the tunnel is open.
const MAX_ANSWER_LEN: usize = 16 * 1024;

/// A proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Proxy {
    host: String,
    port: u16,
    /// `USER:PASSWORD`.
    userinfo: Option<String>,
}

fn variable(name: &str) -> Option<String> {
    let read = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    read(name).or_else(|| read(&name.to_lowercase()))
}

/// The proxy for an engine, `None` where it is reached directly.
pub(crate) fn proxy_for(host: &str, port: u16, has_tls: bool) -> Option<Proxy> {
    let text = variable(if has_tls { "HTTPS_PROXY" } else { "HTTP_PROXY" })?;
    let direct = variable("NO_PROXY").unwrap_or_default();
    if is_direct(host, port, &direct) { None } else { Proxy::parse(&text) }
}

fn is_direct(host: &str, port: u16, list: &str) -> bool {
    let host = host.to_lowercase();
    let address: Option<IpAddr> = host.parse().ok();
    if host == "localhost" || address.is_some_and(|address| address.is_loopback()) {
        return true;
    }
    list.split(',').map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| {
        let entry = entry.to_lowercase();
        if entry == "*" {
            return true;
        }
        let (name, own_port) = match entry.rsplit_once(':') {
            Some((name, digits)) if digits.parse::<u16>().is_ok() && !name.contains(':') => {
                (name.to_owned(), digits.parse::<u16>().ok())
            }
            _ => (entry, None),
        };
        if own_port.is_some_and(|own| own != port) {
            return false;
        }
        match address {
            Some(address) => is_in(address, &name),
            None => {
                let suffix = name.trim_start_matches('*').trim_start_matches('.');
                let is_below = host.ends_with(&format!(".{suffix}"));
                is_below || (host == suffix && !name.starts_with('.'))
            }
        }
    })
}

/// Whether an address is `entry` or in the block that it is.
fn is_in(address: IpAddr, entry: &str) -> bool {
    let Some((network, length)) = entry.split_once('/') else {
        return entry.parse::<IpAddr>().is_ok_and(|own| own == address);
    };
    match (address, network.parse::<IpAddr>(), length.parse::<u32>()) {
        (IpAddr::V4(a), Ok(IpAddr::V4(b)), Ok(length)) if length <= 32 => {
            let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
            u32::from(a) & mask == u32::from(b) & mask
        }
        (IpAddr::V6(a), Ok(IpAddr::V6(b)), Ok(length)) if length <= 128 => {
            let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
            u128::from(a) & mask == u128::from(b) & mask
        }
        _ => false,
    }
}

impl Proxy {
    fn parse(text: &str) -> Option<Self> {
        let rest = match text.split_once("://") {
            Some(("http", rest)) => rest,
            Some(_) => return None,
            None => text,
        };
        let authority = rest.split('/').next()?;
        let (userinfo, address) = match authority.rsplit_once('@') {
            Some((userinfo, address)) => (Some(userinfo.to_owned()), address),
            None => (None, authority),
        };
        let (host, port) = match address.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port.parse().ok()?),
            _ => (address, 80),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        (!host.is_empty()).then_some(Self { host, port, userinfo })
    }

    /// The value of `Proxy-Authorization`, if the proxy wants to know who asks.
    pub(crate) fn authorization(&self) -> Option<String> {
        use base64::{Engine, engine::general_purpose::STANDARD};
        self.userinfo.as_ref().map(|text| format!("Basic {}", STANDARD.encode(text)))
    }

    /// Connects to the proxy itself.
    pub(crate) async fn connect(&self) -> io::Result<TcpStream> {
        TcpStream::connect((self.host.as_str(), self.port)).await
    }

    /// Connects to `authority` through the proxy.
    pub(crate) async fn tunnel(&self, authority: &str) -> io::Result<TcpStream> {
        let mut stream = self.connect().await?;
        let proof = self.authorization().map(|value| format!("Proxy-Authorization: {value}\r\n"));
        let head = format!(
            "CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n{}\r\n",
            proof.unwrap_or_default()
        );
        stream.write_all(head.as_bytes()).await?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            if answer.len() == MAX_ANSWER_LEN {
                return Err(io::Error::other("the proxy's answer is too long"));
            }
            answer.push(stream.read_u8().await?);
        }
        let text = String::from_utf8_lossy(&answer);
        let line = text.lines().next().unwrap_or("").to_owned();
        match line.split(' ').nth(1) {
            Some(code) if code.starts_with('2') => Ok(stream),
            _ => Err(io::Error::other(format!("the proxy refused: {line}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_read() {
        let proxy = |host: &str, port, userinfo: Option<&str>| {
            Some(Proxy { host: host.into(), port, userinfo: userinfo.map(Into::into) })
        };
        assert_eq!(Proxy::parse("http://p:3128/"), proxy("p", 3128, None));
        assert_eq!(Proxy::parse("me:pw@p"), proxy("p", 80, Some("me:pw")));
        assert_eq!(Proxy::parse("http://[::1]:8"), proxy("::1", 8, None));
        assert_eq!(Proxy::parse("socks5://p:1"), None);
    }

    #[test]
    fn some_hosts_are_reached_directly() {
        for (host, list, expected) in [
            ("localhost", "", true),
            ("127.0.0.1", "", true),
            ("far.example", "", false),
            ("far.example", "example", true),
            ("far.example", ".example", true),
            ("example", ".example", false),
            ("far.example", "far.example:1", false),
            ("far.example", "far.example:2376", true),
            ("10.1.2.3", "10.0.0.0/8", true),
            ("11.1.2.3", "10.0.0.0/8", false),
            ("far", "*", true),
        ] {
            assert_eq!(is_direct(host, 2376, list), expected, "{host} {list}");
        }
    }
}
