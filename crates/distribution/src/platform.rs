//! Choosing one manifest of an index.

use oci::image::{Descriptor, Platform};

/// Writes a platform as `os/arch[/variant]`.
#[must_use]
pub fn format(platform: &Platform) -> String {
    let mut text = format!("{}/{}", platform.os, platform.architecture);
    if let Some(variant) = platform.variant.as_deref().filter(|variant| !variant.is_empty()) {
        text.push('/');
        text.push_str(variant);
    }
    text
}

/// `arm64` means `arm64/v8` and `arm` means `arm/v7`, written or not.
fn variant(platform: &Platform) -> &str {
    match (platform.architecture.as_str(), platform.variant.as_deref().unwrap_or("")) {
        ("arm64", "") => "v8",
        ("arm", "") => "v7",
        (_, variant) => variant,
    }
}

/// Variants that run where `wanted` runs, the best first.
fn accepted_variants(wanted: &Platform) -> Vec<String> {
    let own = variant(wanted).to_owned();
    let lower: &[&str] = match (wanted.architecture.as_str(), own.as_str()) {
        ("arm", "v8") => &["v7", "v6", "v5"],
        ("arm", "v7") => &["v6", "v5"],
        ("arm", "v6") => &["v5"],
        ("amd64", "v4") => &["v3", "v2", "v1", ""],
        ("amd64", "v3") => &["v2", "v1", ""],
        ("amd64", "v2") => &["v1", ""],
        ("amd64", "v1") => &[""],
        ("amd64", "") => &["v1"],
        ("arm64", "v9") => &["v8"],
        _ => &[],
    };
    std::iter::once(own).chain(lower.iter().map(|text| (*text).to_owned())).collect()
}

/// Whether content for `offered` runs where `wanted` runs.
#[must_use]
pub fn matches(wanted: &Platform, offered: &Platform) -> bool {
    wanted.os == offered.os
        && wanted.architecture == offered.architecture
        && accepted_variants(wanted).iter().any(|accepted| accepted == variant(offered))
}

/// Chooses the entry for `wanted`: the best variant that fits, the first of equals. Entries
/// without a platform fit only when the index has no other.
#[must_use]
pub fn select<'a>(manifests: &'a [Descriptor], wanted: &Platform) -> Option<&'a Descriptor> {
    for accepted in accepted_variants(wanted) {
        let found = manifests.iter().find(|entry| {
            entry.platform.as_ref().is_some_and(|offered| {
                offered.os == wanted.os
                    && offered.architecture == wanted.architecture
                    && variant(offered) == accepted
            })
        });
        if found.is_some() {
            return found;
        }
    }
    match manifests {
        [only] if only.platform.is_none() => Some(only),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(os: &str, arch: &str, variant: Option<&str>, mark: char) -> Descriptor {
        Descriptor {
            media_type: oci::media_type::OCI_MANIFEST.into(),
            digest: types::Digest::from_sha256_hex(&mark.to_string().repeat(64)).unwrap(),
            size: 1,
            urls: None,
            annotations: None,
            platform: Some(platform(os, arch, variant)),
            artifact_type: None,
        }
    }

    fn platform(os: &str, arch: &str, variant: Option<&str>) -> Platform {
        Platform {
            os: os.into(),
            architecture: arch.into(),
            variant: variant.map(Into::into),
            os_version: None,
        }
    }

    #[test]
    fn picks_the_best_variant_and_falls_back() {
        let list = [
            entry("linux", "amd64", None, 'a'),
            entry("linux", "arm", Some("v6"), 'b'),
            entry("linux", "arm", Some("v7"), 'c'),
            entry("linux", "arm64", Some("v8"), 'd'),
            entry("unknown", "unknown", None, 'e'),
        ];
        let pick = |os: &str, arch: &str, v: Option<&str>| {
            select(&list, &platform(os, arch, v)).map(|d| d.digest.hex()[..1].to_owned())
        };
        assert_eq!(pick("linux", "amd64", None).as_deref(), Some("a"));
        assert_eq!(pick("linux", "amd64", Some("v3")).as_deref(), Some("a"));
        assert_eq!(pick("linux", "arm", None).as_deref(), Some("c"));
        assert_eq!(pick("linux", "arm", Some("v6")).as_deref(), Some("b"));
        assert_eq!(pick("linux", "arm", Some("v5")), None);
        assert_eq!(pick("linux", "arm64", None).as_deref(), Some("d"));
        assert_eq!(pick("windows", "amd64", None), None);
        assert_eq!(format(&platform("linux", "arm64", Some("v8"))), "linux/arm64/v8");
    }
}
