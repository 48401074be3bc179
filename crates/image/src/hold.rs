//! Holds on layers and images against removal, and removal's own turn.
//!
//! A digest is free, held by any number of holders, or dying. Holding waits until the dying is
//! over; dying is refused while it is held. So what a holder has seen stands as long as it holds.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use types::Digest;

#[derive(Default)]
struct State {
    held: HashMap<Digest, usize>,
    dying: HashSet<Digest>,
}

/// All holds of one service.
#[derive(Clone, Default)]
pub(crate) struct Holds {
    inner: Arc<(Mutex<State>, Condvar)>,
}

/// Keeps digests from being removed until it is dropped.
#[must_use = "what is held may vanish once this is dropped"]
pub struct Hold {
    holds: Holds,
    digests: Vec<Digest>,
}

/// The exclusive right to remove a digest.
pub(crate) struct Dying {
    holds: Holds,
    digest: Digest,
}

impl Holds {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No code under this lock panics half-way through a change.
        self.inner.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Blocks while one of `digests` is being removed.
    pub(crate) fn hold(&self, digests: &[Digest]) -> Hold {
        let mut state = self.lock();
        while digests.iter().any(|digest| state.dying.contains(digest)) {
            state = self.inner.1.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        for digest in digests {
            *state.held.entry(digest.clone()).or_default() += 1;
        }
        Hold { holds: self.clone(), digests: digests.to_vec() }
    }

    /// `None` when it is held, or dying at another's hand.
    pub(crate) fn begin_removal(&self, digest: &Digest) -> Option<Dying> {
        let mut state = self.lock();
        if state.held.contains_key(digest) || !state.dying.insert(digest.clone()) {
            return None;
        }
        Some(Dying { holds: self.clone(), digest: digest.clone() })
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut state = self.holds.lock();
        for digest in &self.digests {
            if let Some(count) = state.held.get_mut(digest) {
                *count -= 1;
                if *count == 0 {
                    state.held.remove(digest);
                }
            }
        }
    }
}

impl Drop for Dying {
    fn drop(&mut self) {
        self.holds.lock().dying.remove(&self.digest);
        self.holds.inner.1.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn held_things_do_not_die_and_dying_things_are_waited_for() {
        let holds = Holds::default();
        let digest = Digest::from_sha256(&[1; 32]);
        let one = holds.hold(std::slice::from_ref(&digest));
        let two = holds.hold(std::slice::from_ref(&digest));
        drop(one);
        assert!(holds.begin_removal(&digest).is_none());
        drop(two);
        let dying = holds.begin_removal(&digest).unwrap();
        assert!(holds.begin_removal(&digest).is_none());
        let waiter = {
            let (holds, digest) = (holds.clone(), digest.clone());
            std::thread::spawn(move || drop(holds.hold(&[digest])))
        };
        drop(dying);
        waiter.join().unwrap();
    }
}
