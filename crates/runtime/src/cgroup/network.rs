//! Packet classes and priorities (v1's `net_cls` and `net_prio`) and RDMA devices.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{Cgroup, CgroupError, Result, value};

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Network {
    #[serde(rename = "classID")]
    class_id: Option<u32>,
    #[serde(default)]
    priorities: Option<Vec<Priority>>,
}

#[derive(Deserialize)]
struct Priority {
    name: String,
    priority: u32,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rdma {
    hca_handles: Option<u32>,
    hca_objects: Option<u32>,
}

fn parse<T: Default + for<'a> Deserialize<'a>>(
    field: &'static str,
    document: Option<&Value>,
) -> Result<T> {
    let Some(document) = document.filter(|document| !document.is_null()) else {
        return Ok(T::default());
    };
    T::deserialize(document).map_err(|_| CgroupError::Value { field, value: document.to_string() })
}

/// Sets class and priorities. v2 has neither: there it is an error to ask for them.
pub(super) fn apply(cgroup: &Cgroup, document: Option<&Value>) -> Result<()> {
    let network: Network = parse("network", document)?;
    if let Some(class) = network.class_id.filter(|class| *class != 0) {
        let directory = &cgroup.controller("net_cls")?.directory;
        value::set(directory, "net_cls.classid", &class.to_string())?;
    }
    for priority in network.priorities.unwrap_or_default() {
        let directory = &cgroup.controller("net_prio")?.directory;
        let line = format!("{} {}", priority.name, priority.priority);
        value::set(directory, "net_prio.ifpriomap", &line)?;
    }
    Ok(())
}

/// Sets limits of RDMA devices.
pub(super) fn apply_rdma(cgroup: &Cgroup, devices: &BTreeMap<String, Value>) -> Result<()> {
    for (device, document) in devices {
        let Rdma { hca_handles, hca_objects } = parse("rdma", Some(document))?;
        let mut line = device.clone();
        for (key, limit) in [("hca_handle", hca_handles), ("hca_object", hca_objects)] {
            if let Some(limit) = limit {
                line.push_str(&format!(" {key}={limit}"));
            }
        }
        value::set(&cgroup.controller("rdma")?.directory, "rdma.max", &line)?;
    }
    Ok(())
}
