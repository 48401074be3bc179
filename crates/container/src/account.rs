//! Who a process runs as: `user[:group]` resolved with the container's own `/etc/passwd` and
//! `/etc/group`.
//!
//! The rules are those of Docker (and of runc's user lookup): a name must exist, a number need
//! not; supplementary groups come from `/etc/group` unless a group was named explicitly.

use oci::runtime::User;

/// Lines longer than this and files with more of them are not accounts but an attack.
const MAX_LINES: usize = 65_536;

/// The two files' content; empty where the image has none.
#[derive(Debug, Clone, Default)]
pub struct Accounts {
    /// `/etc/passwd`.
    pub passwd: String,
    /// `/etc/group`.
    pub group: String,
}

/// Why a user cannot be resolved; texts as Docker's.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum AccountError {
    /// A name that `/etc/passwd` does not hold.
    #[error("unable to find user {0}: no matching entries in passwd file")]
    NoUser(String),
    /// A name that `/etc/group` does not hold.
    #[error("unable to find group {0}: no matching entries in group file")]
    NoGroup(String),
    /// An id outside 0 to 2^31-1.
    #[error("uids and gids must be in range 0-2147483647")]
    Range,
}

struct Passwd<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
}

struct Group<'a> {
    name: &'a str,
    gid: u32,
    members: &'a str,
}

impl Accounts {
    fn users(&self) -> impl Iterator<Item = Passwd<'_>> {
        self.passwd.lines().take(MAX_LINES).filter_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            let uid = fields.nth(1)?.parse().ok()?;
            let gid = fields.next()?.parse().ok()?;
            Some(Passwd { name, uid, gid })
        })
    }

    fn groups(&self) -> impl Iterator<Item = Group<'_>> {
        self.group.lines().take(MAX_LINES).filter_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            let gid = fields.nth(1)?.parse().ok()?;
            Some(Group { name, gid, members: fields.next().unwrap_or_default() })
        })
    }

    /// Resolves `spec`, which is `""`, `user`, `uid`, `user:group`, `uid:gid` or a mixture.
    ///
    /// `extra_groups` are names or numbers (`--group-add`).
    ///
    /// # Errors
    /// [`AccountError`] names what is not there.
    pub fn resolve(&self, spec: &str, extra_groups: &[String]) -> Result<User, AccountError> {
        let (user, group) = match spec.split_once(':') {
            Some((user, group)) => (user, Some(group).filter(|g| !g.is_empty())),
            None => (spec, None),
        };
        let (uid, primary, name) = self.find_user(if user.is_empty() { "0" } else { user })?;
        let gid = match group {
            Some(group) => self.find_group(group)?,
            None => primary,
        };
        // The primary group is supplementary too: else a set-group-id program could drop it, and
        // with it what files deny to that group (CVE-2022-36109).
        let mut additional_gids = vec![gid];
        if let (None, Some(name)) = (group, name) {
            additional_gids.extend(self.groups_of(name, gid));
        }
        for extra in extra_groups {
            let gid = self.find_group(extra)?;
            if !additional_gids.contains(&gid) {
                additional_gids.push(gid);
            }
        }
        Ok(User { uid, gid, umask: None, additional_gids })
    }

    /// Returns uid, primary gid and the name where there is one.
    fn find_user(&self, user: &str) -> Result<(u32, u32, Option<&str>), AccountError> {
        let number = user.parse::<i64>().ok();
        let found =
            self.users().find(|p| p.name == user || number.is_some_and(|n| n == i64::from(p.uid)));
        match (found, number) {
            (Some(passwd), _) => Ok((passwd.uid, passwd.gid, Some(passwd.name))),
            (None, Some(number)) => Ok((id(number)?, 0, None)),
            (None, None) => Err(AccountError::NoUser(user.to_owned())),
        }
    }

    fn find_group(&self, group: &str) -> Result<u32, AccountError> {
        let number = group.parse::<i64>().ok();
        let found = self
            .groups()
            .find(|g| g.name == group || number.is_some_and(|n| n == i64::from(g.gid)));
        match (found, number) {
            (Some(group), _) => Ok(group.gid),
            (None, Some(number)) => id(number),
            (None, None) => Err(AccountError::NoGroup(group.to_owned())),
        }
    }

    fn groups_of(&self, name: &str, primary: u32) -> Vec<u32> {
        let mut gids = vec![];
        for group in self.groups().filter(|g| g.members.split(',').any(|m| m == name)) {
            if group.gid != primary && !gids.contains(&group.gid) {
                gids.push(group.gid);
            }
        }
        gids
    }
}

fn id(number: i64) -> Result<u32, AccountError> {
    if (0..=i64::from(i32::MAX)).contains(&number) {
        u32::try_from(number).map_err(|_| AccountError::Range)
    } else {
        Err(AccountError::Range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts() -> Accounts {
        Accounts {
            passwd: "root:x:0:0:root:/root:/bin/sh\nweb:x:33:33::/var/www:/bin/sh\nbroken\n".into(),
            group: "root:x:0:\nwww-data:x:33:\nadm:x:4:web,other\nbin:x:1:root\n".into(),
        }
    }

    fn user(spec: &str) -> Result<(u32, u32, Vec<u32>), AccountError> {
        accounts().resolve(spec, &[]).map(|u| (u.uid, u.gid, u.additional_gids))
    }

    #[test]
    fn names_and_numbers() {
        assert_eq!(user("").unwrap(), (0, 0, vec![0, 1]));
        assert_eq!(user("web").unwrap(), (33, 33, vec![33, 4]));
        assert_eq!(user("33").unwrap(), (33, 33, vec![33, 4]));
        assert_eq!(user("web:adm").unwrap(), (33, 4, vec![4]));
        assert_eq!(user("1000:1001").unwrap(), (1000, 1001, vec![1001]));
        assert_eq!(user("1000").unwrap(), (1000, 0, vec![0]));
    }

    #[test]
    fn what_is_not_there() {
        assert_eq!(user("nosuch"), Err(AccountError::NoUser("nosuch".into())));
        assert_eq!(user("web:nosuch"), Err(AccountError::NoGroup("nosuch".into())));
        assert_eq!(user("-1"), Err(AccountError::Range));
        assert_eq!(user("4294967296"), Err(AccountError::Range));
    }

    #[test]
    fn extra_groups() {
        let extra = ["adm".to_owned(), "777".to_owned()];
        let found = accounts().resolve("1000", &extra).unwrap();
        assert_eq!(found.additional_gids, [0, 4, 777]);
    }
}
