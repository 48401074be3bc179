//! Compiled seccomp filters, one file per resolved policy.
//!
//! Compiling takes longer than everything else at a container's start, and there are few
//! different policies: a filter is compiled once per boot and found by its hash afterwards.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use oci::runtime::Seccomp;
use runtime::seccomp::{self, Arch, DefaultPolicy, KernelVersion};

use crate::{
    ContainerError,
    settings::{DefaultSeccomp, make_dir},
    spec::security::SeccompChoice,
};

/// The cache.
pub struct SeccompCache {
    dir: PathBuf,
    default: Option<DefaultPolicy>,
    /// Capabilities in order, for the default policy, to the filter's file.
    known: Mutex<HashMap<Vec<String>, PathBuf>>,
}

impl SeccompCache {
    /// Uses `dir` for the files.
    ///
    /// # Errors
    /// [`ContainerError::Invalid`] when the configured default policy does not parse.
    pub fn open(dir: PathBuf, default: &DefaultSeccomp) -> Result<Self, ContainerError> {
        make_dir(&dir, 0o700)?;
        let default = match default {
            DefaultSeccomp::Unconfined => None,
            DefaultSeccomp::Builtin => Some(parse(seccomp::DOCKER_DEFAULT)?),
            DefaultSeccomp::Document(text) => Some(parse(text)?),
        };
        Ok(Self { dir, default, known: Mutex::default() })
    }

    /// The filter's file for a container, or `None` for no filter.
    ///
    /// # Errors
    /// [`ContainerError::Invalid`] when a policy does not parse or compile.
    pub fn filter(
        &self,
        choice: &SeccompChoice,
        capabilities: &[String],
    ) -> Result<Option<PathBuf>, ContainerError> {
        let custom;
        let policy = match (choice, &self.default) {
            (SeccompChoice::Unconfined, _) | (SeccompChoice::Default, None) => return Ok(None),
            (SeccompChoice::Custom(text), _) => {
                custom = parse(text)?;
                return self.compile(&custom, capabilities).map(Some);
            }
            (SeccompChoice::Default, Some(policy)) => policy,
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(path) = known.get(capabilities).filter(|path| path.exists()) {
            return Ok(Some(path.clone()));
        }
        let path = self.compile(policy, capabilities)?;
        known.insert(capabilities.to_vec(), path.clone());
        Ok(Some(path))
    }

    fn compile(
        &self,
        policy: &DefaultPolicy,
        capabilities: &[String],
    ) -> Result<PathBuf, ContainerError> {
        let resolved = resolve(policy, capabilities);
        let text = crate::containers::encode("seccomp policy", &resolved)?;
        let path = self.dir.join(format!("{}.bpf", sha256_hex(text.as_bytes())));
        if path.exists() {
            return Ok(path);
        }
        let program = seccomp::compile(&resolved)
            .map_err(|error| ContainerError::Invalid(format!("seccomp policy: {error}")))?;
        write_whole(&path, &program)?;
        Ok(path)
    }
}

/// A kernel whose version cannot be read gets the policy of the oldest one.
const OLDEST_KERNEL: KernelVersion = KernelVersion { major: 4, minor: 4 };

fn resolve(policy: &DefaultPolicy, capabilities: &[String]) -> Seccomp {
    let kernel = KernelVersion::running().unwrap_or(OLDEST_KERNEL);
    seccomp::resolve(policy, capabilities, Arch::native(), kernel)
}

fn parse(text: &str) -> Result<DefaultPolicy, ContainerError> {
    DefaultPolicy::parse(text).map_err(|error| {
        let text = types::error::chain(&error);
        ContainerError::Invalid(format!("Decoding seccomp profile failed: {text}"))
    })
}

fn sha256_hex(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    types::Digest::from_sha256(&sha2::Sha256::digest(bytes).into()).hex().to_owned()
}

/// Through a temporary name, so that nobody reads half a filter.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), ContainerError> {
    let temporary = path.with_extension(format!("tmp{:?}", std::thread::current().id()));
    fs::write(&temporary, bytes)
        .and_then(|()| fs::rename(&temporary, path))
        .map_err(|source| ContainerError::File { action: "write", path: path.to_owned(), source })
}
