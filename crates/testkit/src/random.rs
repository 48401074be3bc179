//! Random choices that a printed seed repeats.

use std::time::{SystemTime, UNIX_EPOCH};

/// A xorshift generator: not for secrets.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// Seeded by `GANTRY_TEST_SEED`, else by the clock; prints the seed.
    ///
    /// # Panics
    /// When the variable is no number.
    #[must_use]
    pub fn announced() -> Self {
        let seed = std::env::var("GANTRY_TEST_SEED").map_or_else(
            |_| {
                let now = SystemTime::now().duration_since(UNIX_EPOCH);
                u64::from(now.expect("the clock is past 1970").subsec_nanos()) | 1
            },
            |text| text.parse().expect("GANTRY_TEST_SEED is a number"),
        );
        println!("GANTRY_TEST_SEED={seed}");
        Self(seed.max(1))
    }

    /// A generator of its own for another thread: its choices do not depend on ours.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        Self(self.below(u64::MAX).max(1))
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// A count that the environment may change: quick runs ask for less, long ones for more.
///
/// # Panics
/// When the variable is no number.
#[must_use]
pub fn count_from_env(variable: &str, default: u64) -> u64 {
    std::env::var(variable)
        .map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}
