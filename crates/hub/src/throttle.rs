//! Counting failed logins, so that guessing is slow and locking others out is hard.
//!
//! Three counters within a window: per account and address (a typing user), per address (a
//! guesser going through accounts) and per account (guessers on many addresses). Counters are in
//! memory: a restart forgives.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

const WINDOW: Duration = Duration::from_secs(5 * 60);
const MAX_PER_PAIR: u32 = 10;
const MAX_PER_ADDRESS: u32 = 100;
const MAX_PER_ACCOUNT: u32 = 200;
const MAX_SIGN_UPS: u32 = 20;
/// Past so many counters, expired ones are thrown out, and if none is, all are.
const MAX_COUNTERS: usize = 20_000;

#[derive(Clone, PartialEq, Eq, Hash)]
enum Key {
    Pair(String, IpAddr),
    Address(IpAddr),
    Account(String),
    SignUp(IpAddr),
}

struct Counter {
    since: Instant,
    count: u32,
}

#[derive(Default)]
pub(crate) struct Throttle {
    counters: Mutex<HashMap<Key, Counter>>,
}

impl Throttle {
    /// How long this account must wait on this address, if it must.
    pub(crate) fn login_wait(&self, account: &str, from: IpAddr) -> Option<Duration> {
        login_keys(account, from).into_iter().filter_map(|(key, max)| self.wait(&key, max)).max()
    }

    pub(crate) fn count_failed_login(&self, account: &str, from: IpAddr) {
        for (key, _) in login_keys(account, from) {
            self.count(key);
        }
    }

    /// A success forgives the pair, not the address: a guesser may own an account too.
    pub(crate) fn forgive(&self, account: &str, from: IpAddr) {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        counters.remove(&Key::Pair(account.to_owned(), from));
    }

    /// Counts a new account; how long to wait instead, if there were too many.
    pub(crate) fn count_sign_up(&self, from: IpAddr) -> Option<Duration> {
        let wait = self.wait(&Key::SignUp(from), MAX_SIGN_UPS);
        if wait.is_none() {
            self.count(Key::SignUp(from));
        }
        wait
    }

    fn wait(&self, key: &Key, max: u32) -> Option<Duration> {
        let counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        let counter = counters.get(key).filter(|counter| counter.count >= max)?;
        WINDOW.checked_sub(counter.since.elapsed()).filter(|left| !left.is_zero())
    }

    fn count(&self, key: Key) {
        let now = Instant::now();
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        if counters.len() >= MAX_COUNTERS {
            counters.retain(|_, counter| counter.since.elapsed() < WINDOW);
            if counters.len() >= MAX_COUNTERS {
                counters.clear();
            }
        }
        let counter = counters.entry(key).or_insert(Counter { since: now, count: 0 });
        if counter.since.elapsed() >= WINDOW {
            *counter = Counter { since: now, count: 0 };
        }
        counter.count = counter.count.saturating_add(1);
    }
}

fn login_keys(account: &str, from: IpAddr) -> [(Key, u32); 3] {
    [
        (Key::Pair(account.to_owned(), from), MAX_PER_PAIR),
        (Key::Address(from), MAX_PER_ADDRESS),
        (Key::Account(account.to_owned()), MAX_PER_ACCOUNT),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_the_pair_and_not_the_account_elsewhere() {
        let throttle = Throttle::default();
        let (here, there) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        for _ in 0..MAX_PER_PAIR {
            assert_eq!(throttle.login_wait("alice", here), None);
            throttle.count_failed_login("alice", here);
        }
        assert!(throttle.login_wait("alice", here).is_some());
        assert_eq!(throttle.login_wait("alice", there), None);
        assert_eq!(throttle.login_wait("bob", here), None);
        throttle.forgive("alice", here);
        assert_eq!(throttle.login_wait("alice", here), None);
    }

    #[test]
    fn locks_an_address_that_goes_through_accounts() {
        let throttle = Throttle::default();
        let here = IpAddr::from([10, 0, 0, 1]);
        for n in 0..MAX_PER_ADDRESS {
            throttle.count_failed_login(&format!("user{n}"), here);
        }
        assert!(throttle.login_wait("somebody", here).is_some());
    }
}
