//! Links between containers of the default bridge: a second name (`/parent/alias`), lines in
//! `/etc/hosts` and variables that describe the other container.
//!
//! A link holds the other container's id, so that renaming either of the two keeps it.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use network::{ExtraHost, HostTarget, Protocol};
use serde::{Deserialize, Serialize};
use types::ContainerId;

use crate::{
    ContainerError, Containers, container::Container, network_mode::NetworkMode,
    port_request::port_and_protocol, record::Record,
};

/// One link of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The container that is linked to.
    pub container: ContainerId,
    /// Its name within the linking one.
    pub alias: String,
}

/// The link names of every container that is linked to, without the first slash.
pub(crate) type LinkNames = HashMap<ContainerId, Vec<String>>;

fn invalid(text: String) -> ContainerError {
    ContainerError::Invalid(text)
}

/// Reads `NAME[:ALIAS]`, and the form in which inspection shows it: `/NAME:/PARENT/ALIAS`.
fn parse(text: &str) -> Result<(&str, &str), ContainerError> {
    let mut parts = text.split(':');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(""), _, _) | (None, _, _) => {
            Err(invalid("empty string specified for links".to_owned()))
        }
        (Some(name), None, _) => Ok((name.trim_start_matches('/'), name.trim_start_matches('/'))),
        (Some(name), Some(alias), None) => {
            let alias = alias.rsplit('/').next().unwrap_or_default();
            Ok((name.trim_start_matches('/'), alias))
        }
        _ => Err(invalid(format!("bad format for links: {text}"))),
    }
}

impl Containers {
    /// The links that a container asks for.
    ///
    /// # Errors
    /// [`ContainerError::Invalid`] names the link that cannot be.
    pub(crate) fn links(&self, record: &Record) -> Result<Vec<Link>, ContainerError> {
        let mut links: Vec<Link> = Vec::new();
        for text in record.host_config.links.iter().flatten() {
            let (name, alias) = parse(text)?;
            let target = self.link_target(name)?;
            if links.iter().any(|link| link.alias == alias) {
                return Err(invalid(format!("conflict: the link alias {alias} is used twice")));
            }
            links.push(Link { container: target.id.clone(), alias: alias.to_owned() });
        }
        Ok(links)
    }

    /// The container that is linked to: the one whose network it uses, if it has none itself.
    fn link_target(&self, name: &str) -> Result<Arc<Container>, ContainerError> {
        let missing =
            |name: &str, error| invalid(format!("could not get container for {name}: {error}"));
        let mut target = self.find(name).map_err(|error| missing(name, error))?;
        // Each step goes to an older container.
        while let NetworkMode::Container(next) =
            NetworkMode::parse(&target.record().host_config.network_mode)
        {
            target = self.find(&next).map_err(|error| missing(&next, error))?;
        }
        if NetworkMode::parse(&target.record().host_config.network_mode) == NetworkMode::Host {
            return Err(invalid(
                "conflicting options: host type networking can't be used with links. This would result in undefined behavior".to_owned(),
            ));
        }
        Ok(target)
    }

    /// A container's links with the containers that are still there.
    pub(crate) fn linked(&self, record: &Record) -> Vec<(String, Arc<Container>)> {
        record
            .links
            .iter()
            .filter_map(|link| Some((link.alias.clone(), self.find(link.container.as_str()).ok()?)))
            .collect()
    }

    /// `HostConfig.Links` as inspection has them.
    pub(crate) fn link_texts(&self, record: &Record) -> Option<Vec<String>> {
        let text = |(alias, target): (String, Arc<Container>)| {
            format!("/{}:/{}/{alias}", target.record().name, record.name)
        };
        let texts: Vec<String> = self.linked(record).into_iter().map(text).collect();
        (!texts.is_empty()).then_some(texts)
    }

    /// The container that `PARENT/ALIAS` means.
    pub(crate) fn find_by_link(&self, reference: &str) -> Option<Arc<Container>> {
        let (parent, alias) = reference.trim_start_matches('/').rsplit_once('/')?;
        let parent = self.find(parent).ok()?.record();
        let link = parent.links.iter().find(|link| link.alias == alias)?;
        self.find(link.container.as_str()).ok()
    }

    /// The further names of every container, for a list.
    pub(crate) fn link_names(&self) -> LinkNames {
        let mut names = LinkNames::new();
        for container in self.all() {
            let record = container.record();
            for link in &record.links {
                let name = format!("{}/{}", record.name, link.alias);
                names.entry(link.container.clone()).or_default().push(name);
            }
        }
        names
    }

    /// Removes the link `PARENT/ALIAS`, and neither container.
    ///
    /// # Errors
    /// [`ContainerError::Conflict`] for a container's own name, [`ContainerError::NotFound`].
    pub async fn unlink(&self, name: &str) -> Result<(), ContainerError> {
        let name = name.trim_start_matches('/');
        let Some((parent, alias)) = name.rsplit_once('/') else {
            self.find(name)?;
            return Err(ContainerError::Conflict(
                "Conflict, cannot remove the default link name of the container".into(),
            ));
        };
        let parent = self.find(parent)?;
        let _operation = parent.lock().await;
        if !parent.record().links.iter().any(|link| link.alias == alias) {
            return Err(ContainerError::NotFound(name.to_owned()));
        }
        self.change_record(&parent, |record| record.links.retain(|link| link.alias != alias))?;
        self.rewrite_hosts(&parent)
    }

    /// The lines of `/etc/hosts` for a container's links.
    ///
    /// # Errors
    /// [`ContainerError::StartFailed`] when one does not run or is on no network.
    pub(crate) fn linked_hosts(&self, record: &Record) -> Result<Vec<ExtraHost>, ContainerError> {
        let host = |(alias, target): (String, Arc<Container>)| {
            let address = link_address(record, &alias, &target)?;
            let other = target.record();
            let mut names = vec![alias];
            for name in [&other.config.hostname, other.name.as_str()] {
                if !names.iter().any(|known| known == name) {
                    names.push(name.to_owned());
                }
            }
            let target = HostTarget::Address(IpAddr::from(address));
            Ok(ExtraHost { name: names.join(" "), target })
        };
        self.linked(record).into_iter().map(host).collect()
    }

    /// The variables by which a container knows what it is linked to.
    ///
    /// # Errors
    /// As [`Containers::linked_hosts`].
    pub(crate) fn link_environment(&self, record: &Record) -> Result<Vec<String>, ContainerError> {
        let mut environment = Vec::new();
        for (alias, target) in self.linked(record) {
            let address = link_address(record, &alias, &target)?;
            let other = target.record();
            let path = format!("/{}/{alias}", record.name);
            environment.extend(variables(&path, address, &other));
        }
        Ok(environment)
    }

    /// Tells the running containers that are linked to one which has just started its address.
    pub(crate) fn tell_linking(&self, started: &Container) {
        for container in self.all() {
            let is_linking =
                container.record().links.iter().any(|link| link.container == started.id);
            if !is_linking {
                continue;
            }
            if let Err(error) = self.rewrite_hosts(&container) {
                tracing::warn!(container.id = %container.id, error = %types::error::chain(&error), "cannot tell a link's address");
            }
        }
    }
}

fn link_address(
    record: &Record,
    alias: &str,
    target: &Container,
) -> Result<Ipv4Addr, ContainerError> {
    let failed = |message| ContainerError::StartFailed { message, exit_code: 128 };
    let (name, parent) = (target.record().name.clone(), &record.name);
    if !target.state().is_running() {
        return Err(failed(format!(
            "Cannot link to a non running container: /{name} AS /{parent}/{alias}"
        )));
    }
    target.live().endpoint.as_ref().map(|endpoint| endpoint.ip).ok_or_else(|| {
        failed(format!("Cannot link to /{name}, as it does not belong to the default network"))
    })
}

/// `ALIAS_PORT_80_TCP_ADDR` and so on, TCP first, as Docker writes them.
fn variables(path: &str, address: Ipv4Addr, other: &Record) -> Vec<String> {
    let alias = path.rsplit('/').next().unwrap_or_default().to_uppercase().replace('-', "_");
    let ports = other.config.exposed_ports.keys().filter_map(|spec| port_and_protocol(spec).ok());
    let mut ports: Vec<(u16, Protocol)> = ports.collect();
    ports.sort_by_key(|(port, protocol)| (*protocol != Protocol::Tcp, *port));
    let mut all = Vec::new();
    for (index, (port, protocol)) in ports.into_iter().enumerate() {
        let (word, url) = (protocol.to_string(), format!("{protocol}://{address}:{port}"));
        if index == 0 {
            all.push(format!("{alias}_PORT={url}"));
        }
        let prefix = format!("{alias}_PORT_{port}_{}", word.to_uppercase());
        all.push(format!("{prefix}={url}"));
        all.push(format!("{prefix}_ADDR={address}"));
        all.push(format!("{prefix}_PORT={port}"));
        all.push(format!("{prefix}_PROTO={word}"));
    }
    all.push(format!("{alias}_NAME={path}"));
    for entry in other.config.env.iter().flatten() {
        if let Some((name, value)) = entry.split_once('=')
            && !matches!(name, "HOME" | "PATH")
        {
            all.push(format!("{alias}_ENV_{name}={value}"));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_read_in_all_their_forms() {
        assert_eq!(parse("db").unwrap(), ("db", "db"));
        assert_eq!(parse("db:mysql").unwrap(), ("db", "mysql"));
        assert_eq!(parse("db:/mysql").unwrap(), ("db", "mysql"));
        assert_eq!(parse("/db:/app/mysql").unwrap(), ("db", "mysql"));
        assert!(parse("").is_err());
        assert!(parse("a:b:c").is_err());
    }
}
