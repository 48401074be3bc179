//! The flags of `volume create` that only a Swarm cluster's volumes have. They are sent as they are;
//! an engine without Swarm refuses them.

use serde_json::{Map, Value, json};

use crate::grammar::Parsed;

/// The flags that make a volume a cluster's.
const OWN: [&str; 8] = [
    "group",
    "scope",
    "sharing",
    "availability",
    "type",
    "secret",
    "limit-bytes",
    "required-bytes",
];

/// The document of a cluster volume, `None` when no flag asks for one.
///
/// # Errors
/// For flags that Docker would drop without a word.
pub fn spec(flags: &Parsed) -> anyhow::Result<Option<Value>> {
    let has_topology =
        ["topology-required", "topology-preferred"].iter().any(|name| flags.is_set(name));
    if !OWN.iter().any(|name| flags.is_set(name)) {
        if has_topology {
            anyhow::bail!("a topology is for cluster volumes only: give --group or --scope too");
        }
        return Ok(None);
    }
    let mut access = json!({"Scope": flags.text("scope"), "Sharing": flags.text("sharing")});
    match flags.text("type") {
        "mount" => access["MountVolume"] = json!({}),
        "block" => access["BlockVolume"] = json!({}),
        other => {
            anyhow::bail!("invalid cluster volume type {other:?}: must be \"mount\" or \"block\"")
        }
    }
    let mut secrets: Vec<_> = flags.map("secret").into_iter().collect();
    secrets.sort();
    let secrets: Vec<_> =
        secrets.into_iter().map(|(key, secret)| json!({"Key": key, "Secret": secret})).collect();
    let mut spec = json!({
        "AccessMode": access,
        "AccessibilityRequirements": {},
        "CapacityRange": {
            "RequiredBytes": flags.int("required-bytes"), "LimitBytes": flags.int("limit-bytes"),
        },
        "Availability": flags.text("availability"),
    });
    if !flags.text("group").is_empty() {
        spec["Group"] = flags.text("group").into();
    }
    for (flag, field) in [("topology-required", "Requisite"), ("topology-preferred", "Preferred")] {
        if !flags.list(flag).is_empty() {
            spec["AccessibilityRequirements"][field] = topologies(flags.list(flag)).into();
        }
    }
    if !secrets.is_empty() {
        spec["Secrets"] = secrets.into();
    }
    Ok(Some(spec))
}

/// `segment=value,...`, once per topology.
fn topologies(texts: &[String]) -> Vec<Value> {
    let topology = |text: &String| {
        let segments: Map<String, Value> = text
            .split(',')
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(key, value)| (key.to_owned(), value.into()))
            .collect();
        json!({"Segments": segments})
    };
    texts.iter().map(topology).collect()
}
