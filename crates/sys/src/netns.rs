//! Network namespaces as file descriptors.
//!
//! A namespace is a property of a *thread*, and a thread that fails to come back from one would
//! poison whatever runs on it later. So nothing here changes the caller's thread: each change
//! happens on a short-lived thread of its own (about 50 µs), which ends with it.
//!
//! Source: network_namespaces(7), setns(2), unshare(2).

use std::{
    fs::File,
    io,
    os::fd::{BorrowedFd, OwnedFd},
    thread,
};

use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};

/// Bytes of stack; what runs on these threads is shallow, and a small one is mapped faster.
const STACK_BYTES: usize = 256 * 1024;

/// Makes a new network namespace, runs `prepare` inside it, and returns both.
///
/// # Errors
/// Those of unshare(2), of opening the namespace and of `prepare`.
pub fn create<T, E>(prepare: impl FnOnce() -> Result<T, E> + Send) -> Result<(OwnedFd, T), E>
where
    T: Send,
    E: From<io::Error> + Send,
{
    on_own_thread(|| {
        // SAFETY: CLONE_NEWNET alone leaves the file descriptor table shared, so no descriptor
        // that another thread relies on changes its meaning.
        unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.map_err(io::Error::from)?;
        let namespace = current()?;
        Ok((namespace, prepare()?))
    })?
}

/// Runs `body` on a thread that has joined `namespace`.
///
/// # Errors
/// Those of setns(2) and of starting a thread; `body` has not run then.
pub fn inside<T: Send>(
    namespace: BorrowedFd<'_>,
    body: impl FnOnce() -> T + Send,
) -> io::Result<T> {
    on_own_thread(|| {
        move_into_link_name_space(namespace, Some(LinkNameSpaceType::Network))?;
        Ok(body())
    })?
}

/// Opens the calling thread's network namespace.
///
/// # Errors
/// When /proc is not mounted.
pub fn current() -> io::Result<OwnedFd> {
    File::open("/proc/thread-self/ns/net").map(OwnedFd::from)
}

/// Opens the network namespace of process `pid`.
///
/// # Errors
/// `NotFound` when there is no such process.
pub fn of_process(pid: i32) -> io::Result<OwnedFd> {
    File::open(format!("/proc/{pid}/ns/net")).map(OwnedFd::from)
}

fn on_own_thread<T: Send>(body: impl FnOnce() -> T + Send) -> io::Result<T> {
    thread::scope(|scope| {
        let handle = thread::Builder::new()
            .name("netns".to_owned())
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, body)?;
        match handle.join() {
            Ok(value) => Ok(value),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    fn inode(namespace: &OwnedFd) -> u64 {
        rustix::fs::fstat(namespace).unwrap().st_ino
    }

    #[test]
    fn the_caller_stays_where_it_is() {
        let before = inode(&current().unwrap());
        let (fresh, within) = create(|| current().map(|ns| inode(&ns))).unwrap();
        assert_eq!(inode(&fresh), within);
        assert_ne!(within, before);
        let joined = inside(fresh.as_fd(), || inode(&current().unwrap())).unwrap();
        assert_eq!(joined, within);
        assert_eq!(inode(&current().unwrap()), before);
    }

    #[test]
    fn a_process_that_is_not_there_is_not_found() {
        assert_eq!(of_process(i32::MAX).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
