//! Making rows and kernel agree after a restart.

use std::collections::HashSet;

use types::ContainerId;

use crate::{LiveEndpoint, NetworkError, Networks, PortBinding, endpoint::Record};

/// Every host end of a container's link begins so; the rest is its endpoint's id.
pub(crate) const LINK_PREFIX: &str = "gveth";

/// What [`Networks::reconcile`] found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// Containers that are gone and whose addresses, ports and rules were released.
    pub released: Vec<ContainerId>,
    /// Links of ours that no row names, removed.
    pub removed_links: Vec<String>,
    /// Ports of live containers that another program has taken while the engine was away; the
    /// rules still lead to the container.
    pub unheld_ports: Vec<PortBinding>,
    /// Live containers with a row whose link is gone.
    pub without_link: Vec<ContainerId>,
    /// Live containers whose link was no port of the bridge (somebody removed it) and is again.
    pub rejoined: Vec<ContainerId>,
}

impl Networks {
    /// Compares rows, kernel and the containers that are alive, and repairs the difference.
    ///
    /// # Errors
    /// [`NetworkError::Link`], [`NetworkError::Firewall`], [`NetworkError::Database`].
    pub fn reconcile(&self, live: &[LiveEndpoint]) -> Result<Reconciled, NetworkError> {
        let live: HashSet<&ContainerId> = live.iter().map(|each| &each.container).collect();
        let mut report = Reconciled { unheld_ports: self.unheld(), ..Reconciled::default() };
        for record in self.records() {
            if !live.contains(&record.container) {
                self.disconnect(&record.container)?;
                report.released.push(record.container);
            }
        }
        let records = self.records();
        report.unheld_ports.retain(|port| records.iter().any(|each| each.ports.contains(port)));
        self.compare_links(&records, &mut report)?;
        // In full, so that elements which somebody else changed are right again too.
        self.rewrite_rules()?;
        Ok(report)
    }

    fn compare_links(
        &self,
        records: &[Record],
        report: &mut Reconciled,
    ) -> Result<(), NetworkError> {
        let mut route = self.route();
        let links = route.links().map_err(NetworkError::Link)?;
        let ours = links
            .iter()
            .filter(|link| link.master == Some(self.bridge_index()))
            .filter(|link| link.kind == "veth" && link.name.as_str().starts_with(LINK_PREFIX));
        for link in ours {
            if !records.iter().any(|record| record.host_link == link.name) {
                route.remove_link(&link.name).map_err(NetworkError::Link)?;
                report.removed_links.push(link.name.to_string());
            }
        }
        for record in records {
            let container = || record.container.clone();
            match links.iter().find(|link| link.name == record.host_link) {
                None => report.without_link.push(container()),
                Some(link) if link.master == Some(self.bridge_index()) => {}
                Some(link) => {
                    route
                        .rejoin(&link.name, self.bridge_index(), self.port_flags())
                        .map_err(NetworkError::Link)?;
                    report.rejoined.push(container());
                }
            }
        }
        Ok(())
    }
}
