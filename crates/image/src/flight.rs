//! One turn per layer: concurrent pulls of the same layer fetch it once.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::Mutex as Turn;
use types::Digest;

/// The turns of layers that somebody fetches or waits for.
#[derive(Default)]
pub(crate) struct Flights {
    // An async mutex, because a turn lasts as long as a download.
    turns: Mutex<HashMap<Digest, Weak<Turn<()>>>>,
}

impl Flights {
    pub(crate) fn of(&self, diff_id: &Digest) -> Arc<Turn<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|_, turn| turn.strong_count() > 0);
        if let Some(turn) = turns.get(diff_id).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::new(Turn::new(()));
        turns.insert(diff_id.clone(), Arc::downgrade(&turn));
        turn
    }
}
