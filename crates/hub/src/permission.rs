//! The one place that decides who may do what.

use registry::{RepositoryName, catalog::Viewer, catalog::Visibility};

use crate::{Account, Actions, Role, Token};

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// Nobody in particular.
    Anonymous,
    /// Somebody who gave name and password.
    Account(Account),
    /// Somebody with a token, which may grant less than its owner may do.
    Token(Token),
}

/// What an account may do with a repository; `visibility` is `None` when it does not exist.
pub(crate) fn actions_of(
    account: Option<&Account>,
    name: &RepositoryName,
    visibility: Option<Visibility>,
) -> Actions {
    let is_owner = account.is_some_and(|account| {
        account.role == Role::Admin || name.namespace() == Some(account.name.as_str())
    });
    match (is_owner, visibility) {
        (true, _) => Actions::ALL,
        (false, Some(Visibility::Public)) => Actions::PULL,
        (false, _) => Actions::NONE,
    }
}

/// Which repositories an account sees in listings.
pub(crate) fn viewer_of(account: Option<&Account>) -> Viewer {
    match account {
        None => Viewer::Anonymous,
        Some(Account { role: Role::Admin, .. }) => Viewer::Everything,
        Some(account) => Viewer::Namespace(account.name.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_owners_write_and_everybody_reads_what_is_public() {
        let account = |name: &str, role| Account { name: name.parse().unwrap(), role };
        let alice = account("alice", Role::User);
        let bob = account("bob", Role::User);
        let root = account("root", Role::Admin);
        let web: RepositoryName = "alice/web".parse().unwrap();
        let plain: RepositoryName = "alice".parse().unwrap();
        let prefix: RepositoryName = "alice2/web".parse().unwrap();
        for visibility in [None, Some(Visibility::Private), Some(Visibility::Public)] {
            let public =
                if visibility == Some(Visibility::Public) { Actions::PULL } else { Actions::NONE };
            assert_eq!(actions_of(Some(&alice), &web, visibility), Actions::ALL);
            assert_eq!(actions_of(Some(&root), &web, visibility), Actions::ALL);
            assert_eq!(actions_of(Some(&bob), &web, visibility), public);
            assert_eq!(actions_of(None, &web, visibility), public);
            assert_eq!(actions_of(Some(&alice), &plain, visibility), public);
            assert_eq!(actions_of(Some(&alice), &prefix, visibility), public);
        }
    }
}
