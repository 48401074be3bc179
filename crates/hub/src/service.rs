//! The hub's operations.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use registry::{
    Registry, RepositoryName,
    catalog::{Repository, Search, Viewer, Visibility},
};
use sha2::{Digest, Sha256};

use crate::{
    Access, Account, AccountStore, Actions, Caller, HubError, Role, Secret, SigningKey, Token,
    UserName,
    password::Passwords,
    permission,
    throttle::Throttle,
    token::{self, Envelope},
};

const TOKEN_LIFETIME_SECONDS: u32 = 300;
const MAX_REFRESH_TOKENS: u32 = 100;

/// How a hub is set up.
#[derive(Debug, Clone)]
pub struct HubSettings {
    /// Issuer and audience of its tokens, `service` of its challenges.
    pub service: String,
    /// Whether strangers may make accounts.
    pub sign_up: SignUp,
}

/// Whether strangers may make accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignUp {
    /// They may.
    Open,
    /// The administrator makes them.
    Closed,
}

/// A new account.
#[derive(Debug)]
pub struct NewAccount {
    /// Its name.
    pub name: UserName,
    /// Its password.
    pub password: Secret,
    /// What it is.
    pub role: Role,
}

/// A token for a client.
#[derive(Debug)]
pub struct IssuedToken {
    /// The bearer token.
    pub token: Secret,
    /// How long it is good.
    pub lifetime_seconds: u32,
    /// Seconds since 1970.
    pub issued_at: i64,
    /// What it grants.
    pub access: Vec<Access>,
}

struct Parts {
    accounts: Arc<dyn AccountStore>,
    registry: Registry,
    key: SigningKey,
    settings: HubSettings,
    passwords: Passwords,
    throttle: Throttle,
}

/// A hub; cheap to clone.
#[derive(Clone)]
pub struct Hub {
    parts: Arc<Parts>,
}

impl Hub {
    /// Puts a hub together.
    ///
    /// # Errors
    /// [`HubError::Hashing`].
    pub fn new(
        accounts: Arc<dyn AccountStore>,
        registry: Registry,
        key: SigningKey,
        settings: HubSettings,
    ) -> Result<Self, HubError> {
        let passwords = Passwords::new()?;
        let throttle = Throttle::default();
        let parts = Parts { accounts, registry, key, settings, passwords, throttle };
        Ok(Self { parts: Arc::new(parts) })
    }

    /// The registry that it guards.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.parts.registry
    }

    /// The name that tokens are issued for.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.parts.settings.service
    }

    /// Checks name and password.
    ///
    /// # Errors
    /// [`HubError::WrongCredentials`], [`HubError::TooManyFailures`].
    pub async fn login(
        &self,
        name: &str,
        password: Secret,
        from: IpAddr,
    ) -> Result<Account, HubError> {
        let Parts { accounts, passwords, throttle, .. } = &*self.parts;
        if let Some(retry_after) = throttle.login_wait(name, from) {
            return Err(HubError::TooManyFailures { retry_after });
        }
        let parsed: Option<UserName> = name.parse().ok();
        let stored = match &parsed {
            Some(name) => accounts.password_hash(name).await?,
            None => None,
        };
        let is_right = passwords.verify(password, stored).await?;
        let account = match parsed {
            Some(name) if is_right => accounts.find(&name).await?,
            _ => None,
        };
        match account {
            Some(account) => {
                throttle.forgive(name, from);
                Ok(account)
            }
            None => {
                throttle.count_failed_login(name, from);
                Err(HubError::WrongCredentials)
            }
        }
    }

    /// Makes an account for a stranger.
    ///
    /// # Errors
    /// [`HubError::SignUpClosed`], [`HubError::NameTaken`], [`HubError::Account`],
    /// [`HubError::TooManyFailures`].
    pub async fn sign_up(&self, new: NewAccount, from: IpAddr) -> Result<Account, HubError> {
        if self.parts.settings.sign_up == SignUp::Closed {
            return Err(HubError::SignUpClosed);
        }
        if let Some(retry_after) = self.parts.throttle.count_sign_up(from) {
            return Err(HubError::TooManyFailures { retry_after });
        }
        self.add_account(NewAccount { role: Role::User, ..new }).await
    }

    /// Makes an account.
    ///
    /// # Errors
    /// [`HubError::NameTaken`], [`HubError::Account`].
    pub async fn add_account(&self, new: NewAccount) -> Result<Account, HubError> {
        crate::account::check_password(&new.password)?;
        let hash = self.parts.passwords.hash(new.password).await?;
        let account = Account { name: new.name, role: new.role };
        if self.parts.accounts.add(&account, &hash).await? {
            return Ok(account);
        }
        Err(HubError::NameTaken { name: account.name })
    }

    /// Lists all accounts by name.
    ///
    /// # Errors
    /// [`HubError::Catalog`].
    pub async fn accounts(&self) -> Result<Vec<Account>, HubError> {
        Ok(self.parts.accounts.list().await?)
    }

    /// Removes an account that has no repositories; tokens already issued expire by themselves.
    ///
    /// # Errors
    /// [`HubError::NamespaceInUse`], [`HubError::UserUnknown`].
    pub async fn remove_account(&self, name: &UserName) -> Result<(), HubError> {
        if self.parts.registry.is_namespace_used(name.as_str()).await? {
            return Err(HubError::NamespaceInUse { name: name.clone() });
        }
        if self.parts.accounts.remove(name).await? {
            return Ok(());
        }
        Err(HubError::UserUnknown { name: name.clone() })
    }

    /// Changes a password and revokes the account's refresh tokens.
    ///
    /// # Errors
    /// [`HubError::UserUnknown`], [`HubError::Account`].
    pub async fn set_password(&self, name: &UserName, password: Secret) -> Result<(), HubError> {
        crate::account::check_password(&password)?;
        let hash = self.parts.passwords.hash(password).await?;
        if self.parts.accounts.set_password_hash(name, &hash).await? {
            return Ok(());
        }
        Err(HubError::UserUnknown { name: name.clone() })
    }

    /// Issues a token with that part of `wanted` which the account may have.
    ///
    /// # Errors
    /// [`HubError::WrongService`], [`HubError::Catalog`].
    pub async fn issue(
        &self,
        account: Option<&Account>,
        service: Option<&str>,
        wanted: &[Access],
    ) -> Result<IssuedToken, HubError> {
        let own = self.service();
        if let Some(service) = service.filter(|service| !service.is_empty() && *service != own) {
            return Err(HubError::WrongService(service.to_owned()));
        }
        let mut access = Vec::new();
        for want in wanted {
            access.extend(self.grant(account, want).await?);
        }
        let token = Token { subject: account.map(|account| account.name.clone()), access };
        let issued_at = now();
        let envelope = Envelope {
            service: own,
            now: issued_at,
            lifetime_seconds: TOKEN_LIFETIME_SECONDS.into(),
            id: random_text()?,
        };
        let text = token::sign(&self.parts.key, &token, envelope);
        Ok(IssuedToken {
            token: Secret::new(text),
            lifetime_seconds: TOKEN_LIFETIME_SECONDS,
            issued_at,
            access: token.access,
        })
    }

    async fn grant(
        &self,
        account: Option<&Account>,
        want: &Access,
    ) -> Result<Option<Access>, HubError> {
        match want {
            Access::Catalog => {
                let is_admin = account.is_some_and(|account| account.role == Role::Admin);
                Ok(is_admin.then_some(Access::Catalog))
            }
            Access::Repository { name, actions } => {
                let may = permission::actions_of(account, name, self.visibility(name).await?);
                let actions = actions.within(may);
                let granted = Access::Repository { name: name.clone(), actions };
                Ok((actions != Actions::NONE).then_some(granted))
            }
        }
    }

    async fn visibility(&self, name: &RepositoryName) -> Result<Option<Visibility>, HubError> {
        let found = self.parts.registry.repository(name).await?;
        Ok(found.map(|repository| repository.visibility))
    }

    /// Verifies a bearer token.
    ///
    /// # Errors
    /// [`HubError::Token`].
    pub fn verify(&self, text: &str) -> Result<Token, HubError> {
        Ok(token::verify(&self.parts.key, text, self.service(), now())?)
    }

    /// Makes a refresh token for an account.
    ///
    /// # Errors
    /// [`HubError::Random`], [`HubError::Catalog`].
    pub async fn grant_refresh_token(
        &self,
        account: &Account,
        client_id: &str,
    ) -> Result<Secret, HubError> {
        let text = random_text()?;
        let client: String = client_id.chars().take(100).collect();
        let sum = sum_of(&text);
        let accounts = &self.parts.accounts;
        accounts.add_refresh_token(&account.name, &sum, &client, MAX_REFRESH_TOKENS).await?;
        Ok(Secret::new(text))
    }

    /// Tells whose refresh token it is. It has 256 bits, so guesses need no counting.
    ///
    /// # Errors
    /// [`HubError::WrongCredentials`].
    pub async fn redeem_refresh_token(&self, token: &Secret) -> Result<Account, HubError> {
        let found = self.parts.accounts.use_refresh_token(&sum_of(token.expose())).await?;
        found.ok_or(HubError::WrongCredentials)
    }

    /// Whether the caller may do this. A token is limited to what it carries; what everybody may
    /// do needs no token.
    ///
    /// # Errors
    /// [`HubError::Catalog`].
    pub async fn is_allowed(&self, caller: &Caller, need: &Access) -> Result<bool, HubError> {
        let account = match caller {
            Caller::Anonymous => None,
            Caller::Account(account) => Some(account),
            Caller::Token(token) if token.access.iter().any(|has| covers(has, need)) => {
                return Ok(true);
            }
            Caller::Token(_) => None,
        };
        Ok(self.grant(account, need).await?.is_some_and(|granted| covers(&granted, need)))
    }

    /// Finds repositories that the caller may see.
    ///
    /// # Errors
    /// [`HubError::Catalog`].
    pub async fn search(
        &self,
        caller: &Caller,
        text: &str,
        page: SearchPage,
    ) -> Result<(Vec<Repository>, u64), HubError> {
        let viewer = self.viewer(caller).await?;
        let SearchPage { offset, limit } = page;
        let search = Search { text: text.to_owned(), viewer, offset, limit };
        Ok(self.parts.registry.search(&search).await?)
    }

    /// A token shows its owner's repositories only as far as it grants pulling from them, which
    /// a listing cannot ask one by one: it shows what everybody sees.
    async fn viewer(&self, caller: &Caller) -> Result<Viewer, HubError> {
        Ok(match caller {
            Caller::Account(account) => permission::viewer_of(Some(account)),
            Caller::Token(token) if token.access.contains(&Access::Catalog) => Viewer::Everything,
            Caller::Token(Token { subject: Some(name), access }) if access.is_empty() => {
                // A token of a plain login, without any scope: it stands for the account.
                permission::viewer_of(self.parts.accounts.find(name).await?.as_ref())
            }
            Caller::Anonymous | Caller::Token(_) => Viewer::Anonymous,
        })
    }
}

/// Which part of the results of a search.
#[derive(Debug, Clone, Copy)]
pub struct SearchPage {
    /// Results to skip.
    pub offset: u32,
    /// Results to return.
    pub limit: u32,
}

fn covers(has: &Access, need: &Access) -> bool {
    match (has, need) {
        (Access::Catalog, Access::Catalog) => true,
        (
            Access::Repository { name: has, actions: granted },
            Access::Repository { name: need, actions },
        ) => has == need && granted.contains(*actions),
        _ => false,
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs().try_into().unwrap_or(i64::MAX)
}

fn random_text() -> Result<String, HubError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|_| HubError::Random)?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

fn sum_of(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}
