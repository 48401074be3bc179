//! Moves of processes between v1 cgroups without a wait.
//!
//! A move takes `cgroup_threadgroup_rwsem` for writing, and the first one after a pause waits for
//! an RCU grace period: 6 to 15 ms of every start and every exec. A hierarchy that is mounted with
//! `favordynmods` takes the wait out of all moves on the host, of whichever hierarchy. [`Favor`]
//! is such a hierarchy: named, without controllers, mounted nowhere. It ends with its last
//! descriptor, so with the process at the latest, whatever ends that.
//!
//! From Linux 6.18 on the option makes the kernel use one lock per process instead; this costs
//! nothing elsewhere and stays until the host's next boot. Before that (6.0 to 6.17) it lasts as
//! long as the mount, and makes forks and exits a little dearer meanwhile.
//!
//! Source: `cgroup_favor_dynmods` and `cgroup_attach_lock` of Linux, kernel/cgroup/cgroup.c;
//! decision 0005.

use std::os::fd::OwnedFd;

use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag,
    fsconfig_set_string, fsmount, fsopen,
};

use super::{CgroupError, Result, hierarchy};

/// The first kernel where the option has no price.
const FREE_SINCE: (u32, u32) = (6, 18);
/// Characters that the kernel takes of a name, less our prefix.
const MAX_KEY_CHARS: usize = 32;

/// Keeps moves cheap as long as it is held.
#[derive(Debug)]
pub struct Favor {
    _mount: OwnedFd,
}

impl Favor {
    /// Switches it on. `key` makes the hierarchy's name unique on the host; what is no letter or
    /// digit is left out of it.
    ///
    /// # Errors
    /// [`CgroupError::Dynmods`] when the kernel is too old (before 6.0), has no v1, or refuses.
    pub fn hold(key: &str) -> Result<Self> {
        let key = key.chars().filter(char::is_ascii_alphanumeric).take(MAX_KEY_CHARS);
        let name = format!("gantry-{}", key.collect::<String>());
        let mount = || -> rustix::io::Result<OwnedFd> {
            let context = fsopen("cgroup", FsOpenFlags::FSOPEN_CLOEXEC)?;
            fsconfig_set_flag(&context, "none")?;
            fsconfig_set_string(&context, "name", name.as_str())?;
            fsconfig_set_flag(&context, "favordynmods")?;
            fsconfig_create(&context)?;
            fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())
        };
        match mount() {
            Ok(mount) => Ok(Self { _mount: mount }),
            Err(error) => Err(CgroupError::Dynmods { source: std::io::Error::from(error).into() }),
        }
    }

    /// Whether it costs nothing here: from Linux 6.18 on.
    #[must_use]
    pub fn is_free() -> bool {
        release(&rustix::system::uname().release().to_string_lossy())
            .is_some_and(|version| version >= FREE_SINCE)
    }
}

/// Whether processes are moved between v1 cgroups on this host at all; on v2 alone they are born
/// where they belong.
///
/// # Errors
/// When the mount table cannot be read.
pub fn has_v1_controllers() -> Result<bool> {
    let hierarchies = hierarchy::discover()?;
    Ok(hierarchies.iter().any(|h| !h.is_unified() && !h.controllers().is_empty()))
}

/// Major and minor number of a kernel's release, e.g. `6.18.0-rc1`.
fn release(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_seen(name: &str) -> bool {
        let text = std::fs::read_to_string("/proc/self/cgroup").unwrap();
        text.lines().any(|line| line.contains(&format!(":name={name}:")))
    }

    #[test]
    fn releases_compare_as_numbers() {
        assert_eq!(release("6.18.0-rc1+"), Some((6, 18)));
        assert!(release("6.9.12") < Some(FREE_SINCE));
        assert!(release("10.0") > Some(FREE_SINCE));
        assert_eq!(release("linux"), None);
    }

    #[test]
    fn the_hierarchy_vanishes_with_its_holder() {
        let key = format!("test/{}", std::process::id());
        let name = format!("gantry-test{}", std::process::id());
        let favor = match Favor::hold(&key) {
            Ok(favor) => favor,
            Err(error) => {
                // A host without v1, or before 6.0.
                assert!(matches!(error, CgroupError::Dynmods { .. }), "{error}");
                return;
            }
        };
        assert!(is_seen(&name));
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!mounts.contains(&name), "it is mounted somewhere");
        drop(favor);
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        // The kernel destroys it from a work queue.
        while is_seen(&name) && std::time::Instant::now() < deadline {
            std::thread::yield_now();
        }
        assert!(!is_seen(&name), "it outlived its holder");
    }
}
