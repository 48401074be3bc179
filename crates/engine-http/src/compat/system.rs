//! The engine itself: answers of `/info`, `/system/df` and `/events` lowered.

use engine_api::{disk_usage::DiskUsage, event::EventMessage, info::SystemInfo};
use serde_json::{Map, Value};

use super::{merge, value};
use crate::{Answer, ApiVersion, compat};

/// Lowers `/info`.
///
/// # Errors
/// 500 if the document cannot be written.
pub fn lower_info(mut info: SystemInfo, version: ApiVersion) -> Answer<Value> {
    if version.is_before(44) {
        for runtime in info.runtimes.values_mut() {
            runtime.status.clear();
        }
    }
    if version.is_before(49) {
        info.firewall_backend = None;
    }
    if version.is_before(50) {
        info.discovered_devices.clear();
        info.bridge_nf_iptables = Some(false);
        info.bridge_nf_ip6tables = Some(false);
    }
    let mut document = value(&info)?;
    if version.is_before(47) {
        merge(
            &mut document,
            "RegistryConfig",
            nulls(&[
                "AllowNondistributableArtifactsCIDRs",
                "AllowNondistributableArtifactsHostnames",
            ]),
        );
    }
    if version.is_before(49) {
        for name in ["ContainerdCommit", "RuncCommit", "InitCommit"] {
            let expected = document[name]["ID"].clone();
            merge(&mut document, name, Map::from_iter([("Expected".to_owned(), expected)]));
        }
    }
    Ok(document)
}

fn nulls(names: &[&str]) -> Map<String, Value> {
    names.iter().map(|name| ((*name).to_owned(), Value::Null)).collect()
}

/// Which forms of `/system/df` a client gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskUsageForm {
    /// Lists only: below 1.52.
    Lists,
    /// Lists and sums: since 1.52, for clients that do not say their version.
    Both,
    /// Sums only: `verbose` shows that the client knows them.
    Sums,
}

impl DiskUsageForm {
    /// The form for a version and its `verbose` flag.
    #[must_use]
    pub fn of(version: ApiVersion, verbose: bool) -> Self {
        match (version.is_at_least(52), verbose) {
            (false, _) => Self::Lists,
            (true, false) => Self::Both,
            (true, true) => Self::Sums,
        }
    }
}

/// Makes the lists of older versions out of the items of the sums.
pub fn lower_disk_usage(
    mut usage: DiskUsage,
    form: DiskUsageForm,
    version: ApiVersion,
) -> DiskUsage {
    if form == DiskUsageForm::Sums {
        return usage;
    }
    let mut lists = DiskUsage::default();
    if let Some(images) = &mut usage.image_usage {
        lists.layers_size = Some(images.total_size);
        let mut items = std::mem::take(&mut images.items);
        // Here every version counts an image's containers; the list of images does not.
        let users: Vec<i64> = items.iter().map(|item| item.containers).collect();
        compat::image::lower_list(&mut items, version);
        items.iter_mut().zip(users).for_each(|(item, users)| item.containers = users);
        lists.images = Some(items);
    }
    if let Some(containers) = &mut usage.container_usage {
        lists.containers = Some(std::mem::take(&mut containers.items));
    }
    if let Some(volumes) = &mut usage.volume_usage {
        lists.volumes = Some(std::mem::take(&mut volumes.items));
    }
    if let Some(cache) = &mut usage.build_cache_usage {
        lists.build_cache = Some(std::mem::take(&mut cache.items));
    }
    if form == DiskUsageForm::Both {
        lists.image_usage = usage.image_usage;
        lists.container_usage = usage.container_usage;
        lists.volume_usage = usage.volume_usage;
        lists.build_cache_usage = usage.build_cache_usage;
    }
    lists
}

/// Lowers an event; `None` if the client's version did not have it.
#[must_use]
pub fn lower_event(mut event: EventMessage, version: ApiVersion) -> Option<EventMessage> {
    if version.is_before(46) && event.kind == "image" && event.action == "create" {
        return None;
    }
    if version.is_before(52) && matches!(event.kind.as_str(), "container" | "image") {
        event.id.clone_from(&event.actor.id);
        event.status.clone_from(&event.action);
        if event.kind == "container" {
            event.from = event.actor.attributes.get("image").cloned().unwrap_or_default();
        }
    }
    Some(event)
}

#[cfg(test)]
mod tests {
    use engine_api::{disk_usage::ImagesUsage, image::ImageSummary, info::Commit};

    use serde_json::json;

    use super::*;

    #[test]
    fn commits_had_an_expected_id_before_1_49() {
        let info =
            SystemInfo { runc_commit: Commit { id: "x".to_owned() }, ..SystemInfo::default() };
        let old = lower_info(info.clone(), ApiVersion::new(1, 48)).unwrap();
        assert_eq!(old["RuncCommit"], json!({"ID": "x", "Expected": "x"}));
        assert_eq!(old["BridgeNfIptables"], false);
        let new = lower_info(info, ApiVersion::new(1, 50)).unwrap();
        assert_eq!(new["RuncCommit"], json!({"ID": "x"}));
        assert_eq!(new.get("BridgeNfIptables"), None);
    }

    #[test]
    fn disk_usage_in_three_forms() {
        let usage = DiskUsage {
            image_usage: Some(ImagesUsage {
                total_size: 5,
                items: vec![ImageSummary { containers: 2, ..ImageSummary::default() }],
                ..Default::default()
            }),
            ..DiskUsage::default()
        };
        let lower = |minor, verbose| {
            let version = ApiVersion::new(1, minor);
            lower_disk_usage(usage.clone(), DiskUsageForm::of(version, verbose), version)
        };
        let lists = lower(51, false);
        assert_eq!((lists.layers_size, lists.image_usage.is_none()), (Some(5), true));
        let images = lists.images.unwrap();
        assert_eq!((images.len(), images[0].containers), (1, 2));
        let both = lower(52, false);
        assert!(both.images.is_some() && both.image_usage.is_some());
        let sums = lower(52, true);
        assert!(sums.images.is_none());
        assert_eq!(sums.image_usage.unwrap().items.len(), 1);
    }

    #[test]
    fn events_carry_their_old_keys_below_1_52() {
        let event = EventMessage {
            kind: "container".to_owned(),
            action: "start".to_owned(),
            ..EventMessage::default()
        };
        assert_eq!(lower_event(event.clone(), ApiVersion::new(1, 51)).unwrap().status, "start");
        assert_eq!(lower_event(event.clone(), ApiVersion::new(1, 52)).unwrap().status, "");
        let created =
            EventMessage { kind: "image".to_owned(), action: "create".to_owned(), ..event };
        assert_eq!(lower_event(created, ApiVersion::new(1, 45)), None);
    }
}
