//! `RegistryConfig` of `/info`: which registries may be spoken to without verified TLS.

use std::collections::BTreeMap;

use engine_api::info::{IndexInfo, RegistryServiceConfig};

const DEFAULT: &str = "docker.io";
/// This machine always may.
const LOOPBACK: [&str; 2] = ["::1/128", "127.0.0.0/8"];

/// The document: blocks of addresses in one place, hosts in another, as clients read them.
pub(super) fn document(insecure: &[String], mirrors: &[String]) -> RegistryServiceConfig {
    // A host with a port has no slash, a block always has one.
    let (blocks, hosts): (Vec<&String>, Vec<&String>) =
        insecure.iter().partition(|text| text.contains('/'));
    let cidrs = LOOPBACK.into_iter().map(ToOwned::to_owned).chain(blocks.into_iter().cloned());
    let mut indexes: BTreeMap<String, IndexInfo> = hosts
        .into_iter()
        .map(|host| {
            let info = IndexInfo {
                name: host.clone(),
                mirrors: Some(Vec::new()),
                secure: false,
                official: false,
            };
            (host.clone(), info)
        })
        .collect();
    let official = IndexInfo {
        name: DEFAULT.to_owned(),
        mirrors: Some(mirrors.to_vec()),
        secure: true,
        official: true,
    };
    indexes.insert(DEFAULT.to_owned(), official);
    RegistryServiceConfig {
        insecure_registry_cidrs: Some(cidrs.collect()),
        index_configs: indexes,
        mirrors: Some(mirrors.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_blocks_stand_apart() {
        let config = document(&["hub:5000".into(), "10.0.0.0/8".into()], &[]);
        assert_eq!(
            config.insecure_registry_cidrs.unwrap(),
            ["::1/128", "127.0.0.0/8", "10.0.0.0/8"]
        );
        assert!(!config.index_configs["hub:5000"].secure);
        assert!(config.index_configs["docker.io"].official);
    }
}
