//! The key that signs tokens: Ed25519, made at the first start, kept in the data directory.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::{
    digest,
    rand::SystemRandom,
    signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey},
};

/// A PKCS#8 document of this kind of key has about 85 bytes.
const MAX_KEY_BYTES: u64 = 4096;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or made.
    #[error("cannot use key file {path}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file's owner lets others read it.
    #[error("key file {path} is readable by others: its mode must be 0600")]
    Exposed {
        /// Which.
        path: PathBuf,
    },
    /// Not a key.
    #[error("key file {path} holds no Ed25519 key")]
    Damaged {
        /// Which.
        path: PathBuf,
    },
    /// The system has no random bytes.
    #[error("no random bytes to be had")]
    Random,
}

/// The hub's key pair.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    id: String,
}

impl SigningKey {
    /// Reads the key at `path`, making one there if there is none.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn load_or_create(path: &Path) -> Result<Self, KeyError> {
        let failed = |source| KeyError::File { path: path.to_owned(), source };
        match File::open(path) {
            Ok(file) => Self::read(path, file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
                    .map_err(|_| KeyError::Random)?;
                write_new(path, document.as_ref()).map_err(failed)?;
                Self::read(path, File::open(path).map_err(failed)?)
            }
            Err(error) => Err(failed(error)),
        }
    }

    fn read(path: &Path, file: File) -> Result<Self, KeyError> {
        let failed = |source| KeyError::File { path: path.to_owned(), source };
        if file.metadata().map_err(failed)?.permissions().mode() & 0o077 != 0 {
            return Err(KeyError::Exposed { path: path.to_owned() });
        }
        let mut document = Vec::new();
        file.take(MAX_KEY_BYTES).read_to_end(&mut document).map_err(failed)?;
        let pair = Ed25519KeyPair::from_pkcs8(&document)
            .map_err(|_| KeyError::Damaged { path: path.to_owned() })?;
        let sum = digest::digest(&digest::SHA256, pair.public_key().as_ref());
        let id = BASE64_URL_SAFE_NO_PAD.encode(&sum.as_ref()[..12]);
        Ok(Self { pair, id })
    }

    /// Names the key in a token's header.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }

    pub(crate) fn is_signature(&self, message: &[u8], signature: &[u8]) -> bool {
        let public = UnparsedPublicKey::new(&ED25519, self.pair.public_key().as_ref());
        public.verify(message, signature).is_ok()
    }
}

/// The file appears whole or not at all; two first starts end with one key.
fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = path.with_extension(format!("new-{}", std::process::id()));
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    let linked = match fs::hard_link(&draft, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    };
    fs::remove_file(&draft)?;
    linked?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_one_private_key() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token.key");
        let first = SigningKey::load_or_create(&path).unwrap();
        let second = SigningKey::load_or_create(&path).unwrap();
        assert_eq!(first.id(), second.id());
        assert!(second.is_signature(b"x", &first.sign(b"x")));
        assert!(!second.is_signature(b"y", &first.sign(b"x")));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(SigningKey::load_or_create(&path), Err(KeyError::Exposed { .. })));
    }
}
