//! Hashing of passwords: argon2id (RFC 9106), 19 MiB, two passes.

use std::sync::Arc;

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use tokio::sync::Semaphore;

use crate::{HubError, Secret};

/// Hashes at a time: each takes 19 MiB and a processor.
const AT_ONCE: usize = 2;

/// The hasher; bounds memory however many log in.
pub(crate) struct Passwords {
    permits: Arc<Semaphore>,
    /// A hash of nothing, verified when the name is unknown, so that the answer takes as long.
    decoy: String,
}

impl Passwords {
    pub(crate) fn new() -> Result<Self, HubError> {
        Ok(Self { permits: Arc::new(Semaphore::new(AT_ONCE)), decoy: hash(&Secret::new(""))? })
    }

    pub(crate) async fn hash(&self, password: Secret) -> Result<String, HubError> {
        self.run(move || hash(&password)).await
    }

    /// Whether the password has the hash; without a hash it has not, after the same work.
    pub(crate) async fn verify(
        &self,
        password: Secret,
        stored: Option<String>,
    ) -> Result<bool, HubError> {
        let decoy = self.decoy.clone();
        self.run(move || {
            let is_right = verify(&password, stored.as_deref().unwrap_or(&decoy))?;
            Ok(is_right && stored.is_some())
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, HubError> + Send + 'static,
    ) -> Result<T, HubError> {
        let permit = self.permits.clone().acquire_owned().await;
        let permit = permit.map_err(|_| HubError::Interrupted)?;
        let task = tokio::task::spawn_blocking(move || {
            let outcome = work();
            drop(permit);
            outcome
        });
        task.await.unwrap_or(Err(HubError::Interrupted))
    }
}

fn hash(password: &Secret) -> Result<String, HubError> {
    let hash = Argon2::default().hash_password(password.expose().as_bytes());
    Ok(hash.map_err(HubError::Hashing)?.to_string())
}

fn verify(password: &Secret, stored: &str) -> Result<bool, HubError> {
    use argon2::password_hash::Error;
    let parsed = PasswordHash::new(stored).map_err(|e| HubError::Hashing(e.into()))?;
    match Argon2::default().verify_password(password.expose().as_bytes(), &parsed) {
        Ok(()) => Ok(true),
        Err(Error::PasswordInvalid) => Ok(false),
        Err(error) => Err(HubError::Hashing(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn verifies_only_the_right_password() {
        let passwords = Passwords::new().unwrap();
        let stored = passwords.hash(Secret::new("correct horse")).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$"));
        let is_right = passwords.verify(Secret::new("correct horse"), Some(stored.clone())).await;
        assert!(is_right.unwrap());
        assert!(!passwords.verify(Secret::new("battery"), Some(stored)).await.unwrap());
        assert!(!passwords.verify(Secret::new(""), None).await.unwrap());
    }
}
