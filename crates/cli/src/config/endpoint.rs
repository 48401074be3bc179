//! Which engine a command talks to: `-H`, then `--context`, then `GANTRY_HOST` and `DOCKER_HOST`,
//! then `DOCKER_CONTEXT`, then the current context, then the default socket.

use std::path::PathBuf;

use anyhow::bail;
use client::{Endpoint, TlsFiles, Verification};

use super::{
    context::{ContextStore, DEFAULT_CONTEXT},
    file::{ConfigFile, Directory},
};
use crate::grammar::Parsed;

const DEFAULT_HOST: &str = "unix:///run/gantry/gantry.sock";

/// The engine that was chosen.
#[derive(Debug, Clone)]
pub struct Choice {
    /// The context's name.
    pub context: String,
    /// Address.
    pub host: String,
    /// TLS for `tcp://`.
    pub tls: Option<TlsFiles>,
}

impl Choice {
    /// The parsed address.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn endpoint(&self) -> anyhow::Result<Endpoint> {
        Ok(self.host.parse()?)
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Docker's short forms: a bare `host:port` is TCP, `unix://` alone the default socket.
fn normalise(host: &str, has_tls: bool) -> String {
    let host = host.trim();
    if matches!(host, "" | "unix://") {
        return DEFAULT_HOST.to_owned();
    }
    let full = if host.contains("://") { host.to_owned() } else { format!("tcp://{host}") };
    match full.strip_prefix("tcp://") {
        Some(rest) => {
            let rest =
                if rest.starts_with(':') { format!("localhost{rest}") } else { rest.to_owned() };
            let authority = rest.split('/').next().unwrap_or("");
            let after_v6 = authority.rsplit(']').next().unwrap_or("");
            if after_v6.contains(':') {
                format!("tcp://{rest}")
            } else {
                let port = if has_tls { 2376 } else { 2375 };
                format!("tcp://{}", rest.replacen(authority, &format!("{authority}:{port}"), 1))
            }
        }
        None => full,
    }
}

/// TLS as flags and environment ask for it; to name `--tlsverify` at all turns it on.
fn tls_from_flags(globals: &Parsed, directory: &Directory) -> anyhow::Result<Option<TlsFiles>> {
    let verify = if globals.is_set("tlsverify") {
        globals.flag("tlsverify")
    } else {
        variable("DOCKER_TLS_VERIFY").is_some()
    };
    let wants_tls = globals.is_set("tlsverify") || globals.flag("tls");
    if !verify && !wants_tls && variable("DOCKER_TLS").is_none() {
        return Ok(None);
    }
    let base =
        variable("DOCKER_CERT_PATH").map_or_else(|| directory.path().to_owned(), PathBuf::from);
    let own = |flag: &str, name: &str| match globals.text(flag) {
        "" => base.join(name),
        given => PathBuf::from(given),
    };
    let ca = own("tlscacert", "ca.pem");
    // Without the authority nobody could be verified: that must not go unnoticed.
    std::fs::File::open(&ca).map_err(|error| {
        anyhow::anyhow!(
            "open {}: {}",
            ca.display(),
            crate::container_options::environment::reason(&error)
        )
    })?;
    let optional = |flag: &str, name: &str| {
        let path = own(flag, name);
        (!globals.text(flag).is_empty() || path.exists()).then_some(path)
    };
    Ok(Some(TlsFiles {
        ca: Some(ca),
        cert: optional("tlscert", "cert.pem"),
        key: optional("tlskey", "key.pem"),
        verification: if verify { Verification::Full } else { Verification::None },
    }))
}

/// The context's name that flags, environment and configuration give.
fn context_name(globals: &Parsed, config: &ConfigFile) -> String {
    let flag = globals.text("context");
    if !flag.is_empty() {
        return flag.to_owned();
    }
    let has_host = !globals.list("host").is_empty()
        || variable("GANTRY_HOST").is_some()
        || variable("DOCKER_HOST").is_some();
    if has_host {
        return DEFAULT_CONTEXT.to_owned();
    }
    variable("GANTRY_CONTEXT")
        .or_else(|| variable("DOCKER_CONTEXT"))
        .or_else(|| Some(config.current_context.clone()).filter(|name| !name.is_empty()))
        .unwrap_or_else(|| DEFAULT_CONTEXT.to_owned())
}

/// Chooses the engine.
///
/// # Errors
/// For flags that exclude each other and contexts that are not there.
pub fn choose(
    globals: &Parsed,
    directory: &Directory,
    config: &ConfigFile,
) -> anyhow::Result<Choice> {
    let hosts = globals.list("host");
    if !hosts.is_empty() && !globals.text("context").is_empty() {
        bail!("conflicting options: cannot specify both --host and --context");
    }
    if hosts.len() > 1 {
        bail!("specify only one -H");
    }
    let context = context_name(globals, config);
    if context != DEFAULT_CONTEXT {
        let store = ContextStore::new(directory);
        let stored = store.get(&context)?;
        let tls = store.tls(&stored);
        return Ok(Choice { context, host: normalise(stored.host(), tls.is_some()), tls });
    }
    let tls = tls_from_flags(globals, directory)?;
    let host = hosts
        .first()
        .cloned()
        .or_else(|| variable("GANTRY_HOST"))
        .or_else(|| variable("DOCKER_HOST"))
        .unwrap_or_default();
    Ok(Choice { context, host: normalise(&host, tls.is_some()), tls })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_addresses() {
        for (host, has_tls, full) in [
            ("", false, DEFAULT_HOST),
            ("unix:///x", false, "unix:///x"),
            ("1.2.3.4:5", false, "tcp://1.2.3.4:5"),
            ("tcp://h", true, "tcp://h:2376"),
            ("tcp://:2375", false, "tcp://localhost:2375"),
            ("tcp://[::1]", false, "tcp://[::1]:2375"),
            ("ssh://me@h", false, "ssh://me@h"),
        ] {
            assert_eq!(normalise(host, has_tls), full);
        }
    }
}
