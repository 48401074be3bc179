//! The hub as the registry's guard.

use async_trait::async_trait;
use http::{HeaderValue, request::Parts};
use hub::{Access, Actions, Caller, Hub, HubError};
use registry_http::{Action, Guard, Need, Refusal, Session};
use types::error::chain;

use crate::{
    credentials::Credentials,
    origin::{self, Origin, PublicUrl},
};

/// Knows the hub's accounts and tokens.
pub(crate) struct HubGuard {
    pub(crate) hub: Hub,
    pub(crate) public_url: Option<PublicUrl>,
}

struct HubSession {
    hub: Hub,
    caller: Caller,
    base_url: String,
}

#[async_trait]
impl Guard for HubGuard {
    async fn identify(&self, head: &Parts) -> Result<Box<dyn Session>, Refusal> {
        let base_url = origin::base_url(self.public_url.as_ref(), head);
        let credentials = Credentials::of(&head.headers);
        match credentials.caller(&self.hub, Origin::of(head)).await {
            Ok(caller) => Ok(Box::new(HubSession { hub: self.hub.clone(), caller, base_url })),
            Err(error) => Err(refusal(&error, &base_url, self.hub.service())),
        }
    }
}

fn refusal(error: &HubError, base_url: &str, service: &str) -> Refusal {
    match error {
        HubError::Token(_) => {
            Refusal::Challenge(challenge(base_url, service, ",error=\"invalid_token\""))
        }
        HubError::WrongCredentials => Refusal::Challenge(challenge(base_url, service, "")),
        HubError::TooManyFailures { retry_after } => Refusal::TooMany(*retry_after),
        other => {
            tracing::error!(error = chain(other), "cannot find out who asks");
            Refusal::Failed
        }
    }
}

/// `rest` begins with a comma where it is not empty.
fn challenge(base_url: &str, service: &str, rest: &str) -> HeaderValue {
    let text = format!("Bearer realm=\"{base_url}/token\",service=\"{service}\"{rest}");
    HeaderValue::from_str(&text).expect("address, service and scope are visible ASCII")
}

#[async_trait]
impl Session for HubSession {
    async fn check(&self, need: &Need) -> Result<(), Refusal> {
        let (access, scope) = match need {
            Need::Base if self.caller != Caller::Anonymous => return Ok(()),
            Need::Base => {
                return Err(Refusal::Challenge(challenge(&self.base_url, self.hub.service(), "")));
            }
            Need::Catalog => (Access::Catalog, Access::Catalog),
            Need::Repository(name, action) => {
                let of = |actions| Access::Repository { name: name.clone(), actions };
                match action {
                    Action::Pull => (of(Actions::PULL), of(Actions::PULL)),
                    // Whoever pushes looks first at what is there.
                    Action::Push => (of(Actions::PUSH), of(Actions::PULL.and(Actions::PUSH))),
                    Action::Delete => (of(Actions::DELETE), of(Actions::DELETE)),
                }
            }
        };
        match self.hub.is_allowed(&self.caller, &access).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.turn_away(&scope)),
            Err(error) => Err(refusal(&error, &self.base_url, self.hub.service())),
        }
    }
}

impl HubSession {
    /// Clients fetch a token for the scope of the challenge, and give up when that is not enough
    /// either; one who gave a password has nothing more to show.
    fn turn_away(&self, scope: &Access) -> Refusal {
        let error = match self.caller {
            Caller::Account(_) => return Refusal::Denied,
            Caller::Anonymous => "",
            Caller::Token(_) => ",error=\"insufficient_scope\"",
        };
        let rest = format!(",scope=\"{scope}\"{error}");
        Refusal::Challenge(challenge(&self.base_url, self.hub.service(), &rest))
    }
}
