//! NUMA memory policy of a container's processes (`linux.memoryPolicy`).

use oci::runtime::MemoryPolicy;

use crate::error::RuntimeError;

/// Nodes that the mask has room for.
const MAX_NODES: usize = 1024;

/// As `set_mempolicy(2)` takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Policy {
    mode: u32,
    nodes: Vec<u64>,
}

impl Policy {
    /// Reads the configuration.
    pub(crate) fn parse(spec: &MemoryPolicy) -> Result<Self, RuntimeError> {
        let mode = match spec.mode.as_str() {
            "MPOL_DEFAULT" => 0,
            "MPOL_PREFERRED" => 1,
            "MPOL_BIND" => 2,
            "MPOL_INTERLEAVE" => 3,
            "MPOL_LOCAL" => 4,
            "MPOL_PREFERRED_MANY" => 5,
            "MPOL_WEIGHTED_INTERLEAVE" => 6,
            other => return Err(bad("mode", other)),
        };
        let flags = spec.flags.iter().try_fold(0, |flags, name| match name.as_str() {
            "MPOL_F_STATIC_NODES" => Ok(flags | 1 << 15),
            "MPOL_F_RELATIVE_NODES" => Ok(flags | 1 << 14),
            "MPOL_F_NUMA_BALANCING" => Ok(flags | 1 << 13),
            other => Err(bad("flag", other)),
        })?;
        Ok(Self { mode: mode | flags, nodes: mask(&spec.nodes)? })
    }

    /// Child: sets it, also for what it executes.
    pub(crate) fn apply(&self) -> Result<(), RuntimeError> {
        sys::process::set_memory_policy(self.mode, &self.nodes)
            .map_err(|e| RuntimeError::system("set", "memory policy", e))
    }
}

fn bad(what: &'static str, value: &str) -> RuntimeError {
    let reason = match what {
        "mode" => "is no mode",
        "flag" => "is no flag",
        _ => "is not a list of nodes",
    };
    RuntimeError::field("linux.memoryPolicy", value, reason)
}

/// The nodes of a list as `0-1,3`, as a mask.
fn mask(list: &str) -> Result<Vec<u64>, RuntimeError> {
    let mut mask = Vec::new();
    for part in list.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |word: &str| {
            let node = word.trim().parse::<usize>().ok().filter(|node| *node < MAX_NODES);
            node.ok_or_else(|| bad("nodes", list))
        };
        for node in number(first)?..=number(last)? {
            mask.resize(mask.len().max(node / 64 + 1), 0);
            mask[node / 64] |= 1 << (node % 64);
        }
    }
    Ok(mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_flags_and_nodes_are_the_kernels() {
        let policy = Policy::parse(&MemoryPolicy {
            mode: "MPOL_BIND".to_owned(),
            nodes: "0-1,65".to_owned(),
            flags: vec!["MPOL_F_STATIC_NODES".to_owned()],
        });
        assert_eq!(policy.unwrap(), Policy { mode: 2 | 1 << 15, nodes: vec![3, 2] });
        let bad = MemoryPolicy { mode: "MPOL_SOME".to_owned(), ..MemoryPolicy::default() };
        assert!(Policy::parse(&bad).is_err());
        assert!(mask("5-x").is_err());
    }
}
