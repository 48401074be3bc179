//! What a caller asks to be mounted: `Binds`, `Mounts`, `Tmpfs`, `VolumesFrom` and the image's
//! `Volumes`, each parsed into a [`MountRequest`].
//!
//! Texts are those of Docker's mount parser, on which clients rely.

use std::{collections::BTreeMap, path::Path};

use engine_api::mount::{Mount, TmpfsOptions};

use crate::{ContainerError, record::ReadOnlySubmounts};

/// One wanted mount, not yet resolved to a volume's directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountRequest {
    /// Absolute, clean path in the container.
    pub destination: String,
    /// What.
    pub source: RequestedSource,
    /// Whether the container may not write.
    pub is_read_only: bool,
    /// As the caller wrote it.
    pub mode: String,
}

/// Kinds of wanted mounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestedSource {
    /// A host path.
    Bind {
        /// Absolute.
        path: String,
        /// Empty: the default, `rprivate`.
        propagation: String,
        /// Take no mounts below along.
        is_non_recursive: bool,
        /// Make a missing path (`-v` does, `--mount` does not unless asked).
        create: bool,
        /// How mounts below a read-only bind are treated.
        submounts: ReadOnlySubmounts,
    },
    /// A volume; no name: an anonymous one.
    Volume {
        /// Its name.
        name: Option<String>,
        /// Driver, or empty.
        driver: String,
        /// For a new one.
        options: BTreeMap<String, String>,
        /// For a new one.
        labels: BTreeMap<String, String>,
        /// Whether the image's content is copied into an empty volume.
        copy_up: bool,
        /// Below the volume's root.
        subpath: String,
    },
    /// Memory.
    Tmpfs {
        /// Options of mount(8).
        options: Vec<String>,
    },
}

fn invalid(text: impl Into<String>) -> ContainerError {
    ContainerError::Invalid(text.into())
}

/// Resolves `.`, `..` and repeated slashes of an absolute path by text alone, as Go's
/// `filepath.Clean`.
///
/// # Errors
/// [`ContainerError::Invalid`] when the path is not absolute.
pub fn clean(path: &str) -> Result<String, ContainerError> {
    if !path.starts_with('/') {
        return Err(invalid(format!(
            "invalid mount config for type \"volume\": invalid mount path: '{path}' mount path must be absolute"
        )));
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    Ok(format!("/{}", parts.join("/")))
}

fn destination(path: &str, spec: &str) -> Result<String, ContainerError> {
    let cleaned = clean(path)?;
    if cleaned == "/" {
        return Err(invalid(format!(
            "invalid volume specification: '{spec}': invalid mount config: destination can't be '/'"
        )));
    }
    Ok(cleaned)
}

const PROPAGATIONS: &[&str] = &["shared", "rshared", "slave", "rslave", "private", "rprivate"];

/// Parses one element of `Binds`: `SOURCE:DESTINATION[:MODE]`, or `DESTINATION`.
///
/// # Errors
/// [`ContainerError::Invalid`] with Docker's text.
pub fn parse_bind(spec: &str) -> Result<MountRequest, ContainerError> {
    let malformed = || invalid(format!("invalid volume specification: '{spec}'"));
    let parts: Vec<&str> = spec.split(':').collect();
    let (source, target, mode) = match parts[..] {
        [target] => ("", target, ""),
        [source, target] => (source, target, ""),
        [source, target, mode] => (source, target, mode),
        _ => return Err(malformed()),
    };
    if target.is_empty() || (parts.len() > 1 && source.is_empty()) {
        return Err(malformed());
    }
    if !target.starts_with('/') {
        return Err(invalid(format!(
            "invalid volume specification: '{spec}': invalid mount path: '{target}' mount path must be absolute"
        )));
    }
    let flags = BindMode::parse(mode).ok_or_else(|| invalid(format!("invalid mode: {mode}")))?;
    let source = if source.starts_with('/') {
        RequestedSource::Bind {
            path: clean(source)?,
            propagation: flags.propagation.unwrap_or_default().to_owned(),
            is_non_recursive: false,
            create: true,
            submounts: ReadOnlySubmounts::WherePossible,
        }
    } else if flags.propagation.is_some() {
        return Err(invalid(format!("invalid mode: {mode}")));
    } else {
        RequestedSource::Volume {
            name: (!source.is_empty()).then(|| source.to_owned()),
            driver: String::new(),
            options: BTreeMap::new(),
            labels: BTreeMap::new(),
            copy_up: !flags.is_nocopy,
            subpath: String::new(),
        }
    };
    Ok(MountRequest {
        destination: destination(target, spec)?,
        source,
        is_read_only: flags.is_read_only,
        mode: mode.to_owned(),
    })
}

/// The third part of a bind: comma-separated flags, each kind at most once.
#[derive(Default)]
struct BindMode<'a> {
    is_read_only: bool,
    is_nocopy: bool,
    propagation: Option<&'a str>,
}

impl<'a> BindMode<'a> {
    fn parse(mode: &'a str) -> Option<Self> {
        let mut flags = Self::default();
        let mut seen = Vec::new();
        for word in mode.split(',').filter(|_| !mode.is_empty()) {
            let kind = match word {
                "rw" => "access",
                "ro" => {
                    flags.is_read_only = true;
                    "access"
                }
                "z" | "Z" => "label",
                "nocopy" => {
                    flags.is_nocopy = true;
                    "copy"
                }
                "cached" | "delegated" | "consistent" | "default" => "consistency",
                word if PROPAGATIONS.contains(&word) => {
                    flags.propagation = Some(word);
                    "propagation"
                }
                _ => return None,
            };
            if seen.contains(&kind) {
                return None;
            }
            seen.push(kind);
        }
        Some(flags)
    }
}

/// Parses one element of `Mounts`.
///
/// # Errors
/// [`ContainerError::Invalid`] with Docker's text.
pub fn parse_mount(mount: &Mount) -> Result<MountRequest, ContainerError> {
    let failed =
        |why: String| invalid(format!("invalid mount config for type \"{}\": {why}", mount.kind));
    if mount.target.is_empty() {
        return Err(failed("field Target must not be empty".into()));
    }
    if !mount.target.starts_with('/') {
        return Err(failed(format!(
            "invalid mount path: '{}' mount path must be absolute",
            mount.target
        )));
    }
    let source = match mount.kind.as_str() {
        "bind" => bind_source(mount).map_err(failed)?,
        "volume" => volume_source(mount).map_err(failed)?,
        "tmpfs" if !mount.source.is_empty() => {
            return Err(failed("field Source must not be specified".into()));
        }
        "tmpfs" => RequestedSource::Tmpfs { options: tmpfs_options(mount.tmpfs_options.as_ref()) },
        "image" | "npipe" | "cluster" => {
            return Err(ContainerError::NotBuilt(format!(
                "mounts of type {} are not built yet",
                mount.kind
            )));
        }
        "" => return Err(invalid("invalid mount config: mount type unknown: \"\"")),
        other => return Err(invalid(format!("mount type unknown: \"{other}\""))),
    };
    let cleaned = clean(&mount.target)?;
    if cleaned == "/" {
        return Err(failed("invalid specification: destination can't be '/'".into()));
    }
    Ok(MountRequest {
        destination: cleaned,
        source,
        is_read_only: mount.read_only,
        mode: String::new(),
    })
}

fn bind_source(mount: &Mount) -> Result<RequestedSource, String> {
    if mount.source.is_empty() {
        return Err("field Source must not be empty".into());
    }
    if !mount.source.starts_with('/') {
        return Err(format!("invalid mount path: '{}' mount path must be absolute", mount.source));
    }
    if mount.volume_options.is_some() || mount.tmpfs_options.is_some() {
        return Err("exactly one of the options of the mount's type may be specified".into());
    }
    let options = mount.bind_options.clone().unwrap_or_default();
    if !options.propagation.is_empty() && !PROPAGATIONS.contains(&options.propagation.as_str()) {
        return Err(format!("invalid propagation mode: {}", options.propagation));
    }
    if !options.create_mountpoint && !Path::new(&mount.source).exists() {
        return Err(format!("bind source path does not exist: {}", mount.source));
    }
    let submounts = match (options.read_only_non_recursive, options.read_only_force_recursive) {
        (true, true) => {
            return Err(
                "cannot be both read-only non-recursive and read-only force-recursive".into()
            );
        }
        (true, false) => ReadOnlySubmounts::Writable,
        (false, true) => ReadOnlySubmounts::Required,
        (false, false) => ReadOnlySubmounts::WherePossible,
    };
    Ok(RequestedSource::Bind {
        path: mount.source.clone(),
        propagation: options.propagation,
        is_non_recursive: options.non_recursive,
        create: options.create_mountpoint,
        submounts,
    })
}

fn volume_source(mount: &Mount) -> Result<RequestedSource, String> {
    if mount.bind_options.is_some() || mount.tmpfs_options.is_some() {
        return Err("exactly one of the options of the mount's type may be specified".into());
    }
    let options = mount.volume_options.clone().unwrap_or_default();
    let is_anonymous = mount.source.is_empty();
    if is_anonymous && !options.subpath.is_empty() {
        return Err("must not set Subpath when using anonymous volumes".into());
    }
    if Path::new(&options.subpath).is_absolute() || options.subpath.split('/').any(|p| p == "..") {
        return Err(format!(
            "subpath must be a relative path within the volume: {}",
            options.subpath
        ));
    }
    let driver = options.driver_config.unwrap_or_default();
    Ok(RequestedSource::Volume {
        name: (!is_anonymous).then(|| mount.source.clone()),
        driver: driver.name,
        options: driver.options,
        labels: options.labels,
        copy_up: !options.no_copy,
        subpath: options.subpath,
    })
}

fn tmpfs_options(options: Option<&TmpfsOptions>) -> Vec<String> {
    let mut text: Vec<String> = ["noexec", "nosuid", "nodev"].map(str::to_owned).into();
    let Some(options) = options else { return text };
    if options.mode != 0 {
        text.push(format!("mode={:o}", options.mode));
    }
    if options.size_bytes != 0 {
        text.push(format!("size={}", options.size_bytes));
    }
    for option in &options.options {
        text.push(option.join("="));
    }
    text
}

/// Parses one entry of `Tmpfs`: destination and comma-separated options.
///
/// # Errors
/// [`ContainerError::Invalid`] for a relative path or an unknown option.
pub fn parse_tmpfs(target: &str, options: &str) -> Result<MountRequest, ContainerError> {
    const FLAGS: &[&str] = &[
        "ro",
        "rw",
        "suid",
        "nosuid",
        "dev",
        "nodev",
        "exec",
        "noexec",
        "sync",
        "async",
        "dirsync",
        "remount",
        "mand",
        "nomand",
        "atime",
        "noatime",
        "diratime",
        "nodiratime",
        "bind",
        "rbind",
        "unbindable",
        "runbindable",
        "private",
        "rprivate",
        "shared",
        "rshared",
        "slave",
        "rslave",
        "relatime",
        "norelatime",
        "strictatime",
        "nostrictatime",
        "defaults",
        "bsize",
    ];
    const VALUES: &[&str] = &["size", "mode", "uid", "gid", "nr_inodes", "nr_blocks", "mpol"];
    // Docker's defaults come first, so that a caller's option overrides them.
    let mut words: Vec<String> = ["noexec", "nosuid", "nodev"].map(str::to_owned).into();
    for word in options.split(',').filter(|word| !word.is_empty()) {
        let is_known = match word.split_once('=') {
            Some((key, _)) => VALUES.contains(&key),
            None => FLAGS.contains(&word),
        };
        if !is_known {
            return Err(invalid(format!("invalid tmpfs option [\"{word}\"]")));
        }
        words.retain(|kept| Some(kept.as_str()) != word.strip_prefix("no").map(|_| word));
        if ["exec", "suid", "dev"].contains(&word) {
            words.retain(|kept| *kept != format!("no{word}"));
        }
        words.push(word.to_owned());
    }
    let is_read_only = words.iter().any(|word| word == "ro");
    Ok(MountRequest {
        destination: destination(target, target)?,
        source: RequestedSource::Tmpfs { options: words },
        is_read_only,
        mode: options.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binds() {
        let bind = parse_bind("/host/./a:/x/../y:ro,rslave").unwrap();
        assert_eq!((bind.destination.as_str(), bind.is_read_only), ("/y", true));
        assert!(matches!(bind.source, RequestedSource::Bind { path, propagation, .. }
            if path == "/host/a" && propagation == "rslave"));
        let volume = parse_bind("data:/d:nocopy").unwrap();
        assert!(
            matches!(volume.source, RequestedSource::Volume { name: Some(n), copy_up: false, .. }
            if n == "data")
        );
        let anonymous = parse_bind("/d").unwrap();
        assert!(matches!(anonymous.source, RequestedSource::Volume { name: None, .. }));
    }

    #[test]
    fn bad_binds() {
        for bad in [
            "",
            ":",
            "a:",
            ":/a",
            "a:b",
            "a:/b:c:d",
            "/a:/",
            "/a:/b:ro,rw",
            "/a:/b:xx",
            "data:/d:rshared",
        ] {
            assert!(parse_bind(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn tmpfs() {
        let mount = parse_tmpfs("/run", "size=64m,exec").unwrap();
        let RequestedSource::Tmpfs { options } = mount.source else { panic!("not a tmpfs") };
        assert_eq!(options, ["nosuid", "nodev", "size=64m", "exec"]);
        assert!(parse_tmpfs("/run", "colour=red").is_err());
        assert!(parse_tmpfs("run", "").is_err());
    }

    #[test]
    fn mounts() {
        let mount = |kind: &str, source: &str, target: &str| Mount {
            kind: kind.into(),
            source: source.into(),
            target: target.into(),
            ..Mount::default()
        };
        assert!(parse_mount(&mount("bind", "/", "/host")).is_ok());
        let missing = parse_mount(&mount("bind", "/nosuch", "/a")).unwrap_err();
        assert!(missing.to_string().contains("bind source path does not exist: /nosuch"));
        assert!(parse_mount(&mount("bind", "", "/a")).is_err());
        assert!(parse_mount(&mount("tmpfs", "x", "/a")).is_err());
        assert!(parse_mount(&mount("nosuch", "x", "/a")).is_err());
        assert!(parse_mount(&mount("volume", "v", "a")).is_err());
        assert!(parse_mount(&mount("volume", "", "/a")).is_ok());
    }
}
