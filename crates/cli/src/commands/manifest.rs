//! `manifest create`, `annotate`, `inspect`, `push` and `rm`: lists made here and put in a registry.

use std::sync::{Arc, atomic::AtomicU64};

use anyhow::bail;
use distribution::{BlobUpload, Purpose, RawManifest, Repository, Uploaded};
use oci::image::Descriptor;
use types::{Digest, Reference};

use crate::{
    failure,
    grammar::Parsed,
    manifest_list::{self, Entry, Manifest, Store},
    output, reference,
    registry::{self, Found, IsInsecure},
    session::Session,
    template::indent_with,
};

/// Systems and architectures that Go compiles for, which are those a list may name.
const PLATFORMS: &[(&str, &[&str])] = &[
    ("darwin", &["386", "amd64", "arm", "arm64"]),
    ("dragonfly", &["amd64"]),
    ("freebsd", &["386", "amd64", "arm"]),
    (
        "linux",
        &[
            "386", "amd64", "arm", "arm64", "ppc64le", "mips64", "mips64le", "riscv64", "s390x",
            "loong64",
        ],
    ),
    ("netbsd", &["386", "amd64", "arm"]),
    ("openbsd", &["386", "amd64", "arm"]),
    ("plan9", &["386", "amd64"]),
    ("solaris", &["amd64"]),
    ("windows", &["386", "amd64", "arm", "arm64"]),
];

fn parse(text: &str) -> anyhow::Result<Reference> {
    let name = reference::parse(text)?;
    Ok(if name.digest().is_some() { name } else { name.with_default_tag() })
}

fn insecure(flags: &Parsed) -> IsInsecure {
    IsInsecure(flags.flag("insecure"))
}

/// `manifest create`.
pub async fn create(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let store = Store::new(&session.directory);
    let list = match parse(flags.first()) {
        Ok(list) => list,
        Err(error) => bail!("error parsing name for manifest list {}: {error}", flags.first()),
    };
    if store.list(&list)?.is_some() && !flags.flag("amend") {
        bail!("refusing to amend an existing manifest list with no --amend flag");
    }
    for text in &flags.args[1..] {
        let name = parse(text)?;
        let manifest = match store.get(&list, &name)? {
            Some(manifest) => manifest,
            None => {
                let repository = registry::open(session, &name, Purpose::Pull, insecure(flags))?;
                match registry::fetch(&repository, &name).await? {
                    Found::One(manifest) => *manifest,
                    Found::List(_) => bail!("{name} is a manifest list"),
                }
            }
        };
        store.save(&list, &name, &manifest)?;
    }
    output::line(&format!("Created manifest list {list}"))?;
    Ok(0)
}

/// `manifest annotate`.
pub fn annotate(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let (list, name) = (parse(&flags.args[0])?, parse(&flags.args[1])?);
    let store = Store::new(&session.directory);
    let Some(mut manifest) = store.get(&list, &name)? else {
        bail!("manifest for image {} does not exist in {}", flags.args[1], flags.args[0]);
    };
    let platform = manifest.descriptor.platform.get_or_insert_default();
    let set = |flag: &str, field: &mut String| {
        if !flags.text(flag).is_empty() {
            flags.text(flag).clone_into(field);
        }
    };
    set("os", &mut platform.os);
    set("arch", &mut platform.architecture);
    set("variant", &mut platform.variant);
    set("os-version", &mut platform.os_version);
    for feature in flags.list("os-features") {
        if !platform.os_features.contains(feature) {
            platform.os_features.push(feature.clone());
        }
    }
    let is_known = PLATFORMS.iter().any(|(os, architectures)| {
        *os == platform.os && architectures.contains(&platform.architecture.as_str())
    });
    if !is_known {
        bail!(
            "manifest entry for image has unsupported os/arch combination: {}/{}",
            flags.text("os"),
            flags.text("arch")
        );
    }
    store.save(&list, &name, &manifest)?;
    Ok(0)
}

/// `manifest inspect`.
pub async fn inspect(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let store = Store::new(&session.directory);
    let is_verbose = flags.flag("verbose");
    if let [list, name] = flags.args.as_slice() {
        let (list, name) = (parse(list)?, parse(name)?);
        let Some(manifest) = store.get(&list, &name)? else { bail!("No such manifest: {name}") };
        return show_one(&manifest, is_verbose);
    }
    let name = parse(flags.first())?;
    if let Some(all) = store.list(&name)? {
        return show_list(&name, &all, is_verbose);
    }
    let repository = registry::open(session, &name, Purpose::Pull, insecure(flags))?;
    match registry::fetch(&repository, &name).await? {
        Found::One(manifest) => show_one(&manifest, is_verbose),
        Found::List(all) => show_list(&name, &all, is_verbose),
    }
}

fn show_one(manifest: &Manifest, is_verbose: bool) -> anyhow::Result<u8> {
    let json = match is_verbose {
        true => serde_json::to_string(manifest)?,
        false => String::from_utf8_lossy(&manifest.bytes()?).into_owned(),
    };
    output::line(&indent_with(&json, "\t"))?;
    Ok(0)
}

fn show_list(name: &Reference, all: &[Manifest], is_verbose: bool) -> anyhow::Result<u8> {
    let text = match is_verbose {
        true => indent_with(&serde_json::to_string(all)?, "\t"),
        false => String::from_utf8(manifest_list::document(&entries(name, all)?)?)?,
    };
    output::line(&text)?;
    Ok(0)
}

/// What the list says of its manifests, all of which must be where it is.
fn entries<'a>(list: &Reference, all: &'a [Manifest]) -> anyhow::Result<Vec<&'a Entry>> {
    for manifest in all {
        let name = manifest.name()?;
        if name.domain() != list.domain() {
            bail!(
                "cannot use source images from a different registry than the target image: {} != {}",
                name.domain(),
                list.domain()
            );
        }
    }
    Ok(all.iter().map(|manifest| &manifest.descriptor).collect())
}

/// `manifest push`.
pub async fn push(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let store = Store::new(&session.directory);
    let list = parse(flags.first())?;
    let all = store.list(&list)?.unwrap_or_default();
    if all.is_empty() {
        bail!("No such manifest: {list}");
    }
    for manifest in &all {
        let platform = manifest.descriptor.platform.as_ref();
        if platform.is_none_or(|own| own.os.is_empty() || own.architecture.is_empty()) {
            bail!(
                "manifest {} must have an OS and Architecture to be pushed to a registry",
                manifest.reference
            );
        }
    }
    let entries = entries(&list, &all)?;
    let bytes = manifest_list::document(&entries)?;
    let repository = registry::open(session, &list, Purpose::Push, insecure(flags))?;
    for manifest in &all {
        if manifest.name()?.path() != list.path() {
            take_over(&repository, &list, manifest).await?;
        }
    }
    let digest = put(&repository, list.tag(), manifest_list::media_type(&entries), bytes).await?;
    output::line(&digest.to_string())?;
    if flags.flag("purge") {
        store.remove(&list)?;
    }
    Ok(0)
}

async fn put(
    repository: &Repository,
    tag: Option<&str>,
    media_type: &str,
    bytes: Vec<u8>,
) -> anyhow::Result<Digest> {
    let digest = manifest_list::digest(&bytes);
    let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let descriptor = Descriptor {
        media_type: media_type.to_owned(),
        digest: digest.clone(),
        size,
        urls: None,
        annotations: None,
        platform: None,
        artifact_type: None,
    };
    repository.put_manifest(tag, &RawManifest { descriptor, bytes: bytes.into() }).await?;
    Ok(digest)
}

/// Puts a manifest of a sibling repository, with its blobs, into the list's.
async fn take_over(
    repository: &Repository,
    list: &Reference,
    manifest: &Manifest,
) -> anyhow::Result<()> {
    let bytes = manifest.bytes()?;
    let parsed: oci::image::Manifest = serde_json::from_slice(&bytes)?;
    let from = manifest.name()?;
    for blob in std::iter::once(&parsed.config).chain(&parsed.layers) {
        let upload = BlobUpload {
            digest: blob.digest.clone(),
            size_bytes: blob.size,
            source: None,
            mount_from: vec![from.path().to_owned()],
            sent: Arc::new(AtomicU64::new(0)),
        };
        if repository.upload(&upload).await? == Uploaded::Missing {
            bail!("error mounting {}@{} to {list}", from.name(), blob.digest);
        }
    }
    let digest = put(repository, None, &manifest.descriptor.media_type, bytes).await?;
    output::line(&format!("Pushed ref {}@{digest} with digest: {digest}", list.name()))
}

/// `manifest rm`.
pub fn remove(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let store = Store::new(&session.directory);
    let mut errors = Vec::new();
    for text in &flags.args {
        let removed = parse(text).and_then(|list| match store.list(&list)? {
            Some(_) => store.remove(&list),
            None => bail!("No such manifest: {list}"),
        });
        errors.extend(removed.err().map(|error| failure::text(&error)));
    }
    if errors.is_empty() {
        return Ok(0);
    }
    output::error_line(&errors.join("\n"));
    Ok(1)
}
