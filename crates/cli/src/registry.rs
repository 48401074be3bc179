//! Registries that the client itself talks to, for `manifest`: everything else the engine does.

use anyhow::{Context, bail};
use distribution::{
    Client, ClientConfig, Credentials as Proof, DistributionError, InsecureRegistry, ProxyConfig,
    Purpose, RawManifest, Repository,
};
use oci::image::{Descriptor, Index};
use types::Reference;

use crate::{
    config::{Credentials, registry_of},
    manifest_list::{Entry, Manifest, Platform},
    session::{Session, VERSION},
};

/// Most of an image's configuration that is read for its platform.
const MAX_CONFIG_LEN: usize = 8 << 20;
/// Most entries of a list that are fetched.
const MAX_ENTRIES: usize = 1000;

/// What a name stands for at its registry.
pub enum Found {
    /// One image.
    One(Box<Manifest>),
    /// A list of them.
    List(Vec<Manifest>),
}

/// Opens the repository that `name` is in; `is_insecure` allows plain HTTP and any certificate.
///
/// # Errors
/// When credentials cannot be read or TLS not be set up.
pub fn open(
    session: &Session,
    name: &Reference,
    purpose: Purpose,
    is_insecure: IsInsecure,
) -> anyhow::Result<Repository> {
    let mut config = ClientConfig {
        user_agent: format!("Gantry-Client/{VERSION} ({})", std::env::consts::OS),
        proxy: ProxyConfig::from_environment(),
        ..ClientConfig::default()
    };
    config.certificate_dirs.push("/etc/gantry/certs.d".into());
    if is_insecure.0 {
        config.insecure_registries.push(InsecureRegistry::Host(name.domain().to_owned()));
    }
    let auth =
        Credentials::new(&session.directory).get(&registry_of(name.domain()))?.unwrap_or_default();
    let proof = Proof::from_fields(
        &auth.username,
        auth.password.expose(),
        auth.identity_token.expose(),
        auth.registry_token.expose(),
    );
    Ok(Client::new(config).repository(name, proof, purpose))
}

/// Whether `--insecure` was given.
#[derive(Debug, Clone, Copy)]
pub struct IsInsecure(pub bool);

/// Fetches what `name` stands for.
///
/// # Errors
/// `no such manifest` when there is none, and what the registry says.
pub async fn fetch(repository: &Repository, name: &Reference) -> anyhow::Result<Found> {
    let raw = resolve(repository, name).await?;
    if !oci::media_type::is_index(&raw.descriptor.media_type) {
        return Ok(Found::One(Box::new(image(repository, name, &raw).await?)));
    }
    let index: Index =
        serde_json::from_slice(&raw.bytes).with_context(|| format!("{name} is no list"))?;
    if index.manifests.len() > MAX_ENTRIES {
        bail!("{name} lists more than {MAX_ENTRIES} manifests");
    }
    let mut all = Vec::new();
    for entry in &index.manifests {
        let own = name.with_digest(entry.digest.clone());
        let raw = resolve(repository, &own).await?;
        let mut manifest = image(repository, &own, &raw).await?;
        manifest.reference = format!("{name}@{}", entry.digest);
        if entry.platform.is_some() {
            manifest.descriptor.platform = Some(listed(entry)?);
        }
        all.push(manifest);
    }
    Ok(Found::List(all))
}

async fn resolve(repository: &Repository, name: &Reference) -> anyhow::Result<RawManifest> {
    match repository.resolve(name).await {
        Err(
            DistributionError::ManifestUnknown { .. }
            | DistributionError::RepositoryUnknown { .. }
            | DistributionError::AccessDenied { .. },
        ) => bail!("no such manifest: {name}"),
        raw => Ok(raw?),
    }
}

/// The platform of an entry, with the fields that only lists have.
fn listed(entry: &Descriptor) -> anyhow::Result<Platform> {
    Ok(serde_json::from_value(serde_json::to_value(&entry.platform)?)?)
}

async fn image(
    repository: &Repository,
    name: &Reference,
    raw: &RawManifest,
) -> anyhow::Result<Manifest> {
    let manifest: oci::image::Manifest =
        serde_json::from_slice(&raw.bytes).with_context(|| format!("{name} is no manifest"))?;
    let config = repository.blob(&manifest.config, MAX_CONFIG_LEN).await?;
    // Attestations have configurations that are no image's: then the platform is unknown.
    let platform: Platform = serde_json::from_slice(&config).unwrap_or_default();
    let entry = Entry {
        media_type: raw.descriptor.media_type.clone(),
        digest: raw.descriptor.digest.clone(),
        size: raw.descriptor.size,
        platform: Some(platform),
    };
    Manifest::new(name, entry, &raw.bytes)
}
