//! Opens the API's sockets as configured.

use std::{os::fd::OwnedFd, sync::Arc};

use anyhow::{Context, bail};
use engine_http::server::{Address, Listener};
use tls::Identity;
use tokio_rustls::TlsAcceptor;

use crate::{
    config::{Config, DEFAULT_GROUP},
    group,
};

const PLAIN_PORT: u16 = 2375;
const TLS_PORT: u16 = 2376;

/// Opens every host of the configuration.
///
/// # Errors
/// A socket cannot be opened, a certificate cannot be read, or TCP without TLS was not allowed.
pub async fn open(config: &Config, inherited: Vec<OwnedFd>) -> anyhow::Result<Vec<Listener>> {
    let mut opener = Opener {
        config,
        gid: socket_group(config)?,
        inherited: inherited.into_iter().map(Some).collect(),
    };
    let mut listeners = Vec::new();
    for host in &config.hosts {
        for listener in opener.open(host).await? {
            tracing::info!(%host, "listening");
            listeners.push(listener);
        }
    }
    Ok(listeners)
}

/// The socket's group: the configured one, which must exist, or `gantry` if it does, or root.
///
/// # Errors
/// There is no such group, or the groups cannot be read.
pub fn socket_group(config: &Config) -> anyhow::Result<u32> {
    let name = config.group.as_deref().unwrap_or(DEFAULT_GROUP);
    match (group::id(name).context("cannot read the groups")?, &config.group) {
        (Some(gid), _) => Ok(gid),
        (None, None) => Ok(0),
        (None, Some(name)) => bail!("group {name} not found"),
    }
}

struct Opener<'a> {
    config: &'a Config,
    gid: u32,
    inherited: Vec<Option<OwnedFd>>,
}

impl Opener<'_> {
    async fn open(&mut self, host: &Address) -> anyhow::Result<Vec<Listener>> {
        Ok(match host {
            Address::Unix(path) => vec![Listener::unix(path, self.gid).await?],
            Address::Tcp { host, port } => vec![self.tcp(host, *port).await?],
            Address::Fd(number) => self.activated(*number)?,
        })
    }

    fn acceptor(&self) -> anyhow::Result<Option<TlsAcceptor>> {
        if !self.config.is_tls() {
            return Ok(None);
        }
        let identity =
            Identity { certificate: self.config.tlscert.clone(), key: self.config.tlskey.clone() };
        let authority = self.config.tlsverify.then_some(self.config.tlscacert.as_path());
        if !self.config.tlsverify {
            tracing::warn!(
                "TLS WITHOUT CLIENT CERTIFICATES: everyone who can reach this port is root on \
                 this host; use --tlsverify"
            );
        }
        let config = tls::server_config(&identity, authority)?;
        Ok(Some(TlsAcceptor::from(Arc::new(config))))
    }

    async fn tcp(&self, host: &str, port: Option<u16>) -> anyhow::Result<Listener> {
        let tls = self.acceptor()?;
        let port = port.unwrap_or(if tls.is_some() { TLS_PORT } else { PLAIN_PORT });
        let host = if host.is_empty() { "127.0.0.1" } else { host };
        if tls.is_none() {
            self.allow_plain(&format!("tcp://{host}:{port}"))?;
        }
        Ok(Listener::tcp(host, port, tls).await?)
    }

    fn allow_plain(&self, address: &str) -> anyhow::Result<()> {
        if !self.config.allow_plain_tcp {
            bail!(
                "refusing to listen on {address} without TLS: everyone who can reach it would be \
                 root on this host; use --tlsverify, or --allow-plain-tcp if that is meant"
            );
        }
        tracing::warn!(
            address,
            "PLAIN TCP: everyone who can reach this port is root on this host; use --tlsverify"
        );
        Ok(())
    }

    fn activated(&mut self, number: Option<i32>) -> anyhow::Result<Vec<Listener>> {
        let wanted: Vec<OwnedFd> = match number {
            None => self.inherited.iter_mut().filter_map(Option::take).collect(),
            Some(number) => {
                let index = usize::try_from(number - 3).ok();
                let slot = index.and_then(|index| self.inherited.get_mut(index));
                slot.and_then(Option::take).into_iter().collect()
            }
        };
        if wanted.is_empty() {
            bail!(
                "no sockets found via socket activation: make sure the service was started by \
                 systemd"
            );
        }
        wanted.into_iter().map(|socket| self.adopt(socket)).collect()
    }

    fn adopt(&self, socket: OwnedFd) -> anyhow::Result<Listener> {
        let listener = Listener::inherited(socket, self.acceptor()?)?;
        if listener.is_plain_tcp() {
            self.allow_plain("an inherited TCP socket")?;
        }
        Ok(listener)
    }
}
