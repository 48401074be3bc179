//! Events of what a container's start and end do to networks and volumes.

use std::collections::BTreeMap;

use crate::{
    Containers,
    container::Container,
    network_mode::NetworkMode,
    record::{MountSource, Record},
};

impl Containers {
    /// Tells that the container's volumes were mounted and that it was connected.
    pub(crate) fn publish_arrival(&self, container: &Container) {
        let record = container.record();
        for plan in &record.mounts {
            if let MountSource::Volume { name, .. } = &plan.source {
                let attributes = [
                    ("container", record.id.to_string()),
                    ("destination", plan.destination.clone()),
                    ("driver", "local".to_owned()),
                    ("propagation", String::new()),
                    ("read/write", (!plan.is_read_only).to_string()),
                ];
                self.publish_side_effect(("volume", "mount"), name, attributes);
            }
        }
        self.publish_network(&record, "connect");
    }

    /// Tells the opposite.
    pub(crate) fn publish_departure(&self, container: &Container) {
        let record = container.record();
        self.publish_network(&record, "disconnect");
        for plan in &record.mounts {
            if let MountSource::Volume { name, .. } = &plan.source {
                let attributes =
                    [("container", record.id.to_string()), ("driver", "local".to_owned())];
                self.publish_side_effect(("volume", "unmount"), name, attributes);
            }
        }
    }

    fn publish_network(&self, record: &Record, action: &'static str) {
        let name = match NetworkMode::parse(&record.host_config.network_mode) {
            NetworkMode::Named(name) => name,
            NetworkMode::Host => "host".to_owned(),
            NetworkMode::None => "none".to_owned(),
            NetworkMode::Container(_) => return,
        };
        // One that is gone by now has nothing left to be told of.
        let Ok(network) = self.inner.services.networks.get(&name) else { return };
        let attributes = [
            ("container", record.id.to_string()),
            ("name", network.name),
            ("type", network.driver.as_str().to_owned()),
        ];
        self.publish_side_effect(("network", action), network.id.as_str(), attributes);
    }

    fn publish_side_effect<const N: usize>(
        &self,
        (kind, action): (&'static str, &'static str),
        actor: &str,
        attributes: [(&str, String); N],
    ) {
        let attributes: BTreeMap<_, _> =
            attributes.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        self.events().publish(kind, action, actor, attributes);
    }
}
