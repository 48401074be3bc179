//! Messages between the thread that takes them and the one that sends.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use container_log::sink::Delivery;

/// What a blocking queue holds: as little as keeps both threads busy.
const BLOCKING_BYTES: u64 = 64 << 10;

/// A bounded queue of frames.
#[derive(Debug)]
pub struct Queue {
    delivery: Delivery,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    frames: VecDeque<Vec<u8>>,
    bytes: u64,
    dropped: u64,
    is_closed: bool,
}

/// What became of a frame.
#[derive(Debug, PartialEq, Eq)]
pub enum Pushed {
    /// It waits to be sent, or was dropped by the rule.
    Taken,
    /// There was no room in time: here it is back.
    Full(Vec<u8>),
}

impl Queue {
    /// Makes an empty queue.
    #[must_use]
    pub fn new(delivery: Delivery) -> Self {
        Self { delivery, state: Mutex::default(), changed: Condvar::new() }
    }

    /// No invariant spans a panic: every change is complete in itself.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a frame. Without blocking delivery one that finds the queue full is dropped, unless it
    /// is alone; with it, room is waited for, but not longer than `patience`.
    pub fn push(&self, frame: Vec<u8>, patience: Duration) -> Pushed {
        let mut state = self.state();
        let length = frame.len() as u64;
        let has_room = |state: &mut State, limit: u64| {
            state.frames.is_empty() || state.bytes + length <= limit
        };
        match self.delivery {
            Delivery::NonBlocking { max_buffer_bytes } => {
                if !has_room(&mut state, max_buffer_bytes) {
                    state.dropped += 1;
                    return Pushed::Taken;
                }
            }
            Delivery::Blocking => {
                let waited = self
                    .changed
                    .wait_timeout_while(state, patience, |state| !has_room(state, BLOCKING_BYTES));
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
                if !has_room(&mut state, BLOCKING_BYTES) {
                    return Pushed::Full(frame);
                }
            }
        }
        state.bytes += length;
        state.frames.push_back(frame);
        drop(state);
        self.changed.notify_all();
        Pushed::Taken
    }

    /// No more frames will come.
    pub fn close(&self) {
        self.state().is_closed = true;
        self.changed.notify_all();
    }

    /// Takes the next frame, waiting for it; `None` at the end.
    pub fn pop(&self) -> Option<Vec<u8>> {
        let state = self.state();
        let waited =
            self.changed.wait_while(state, |state| state.frames.is_empty() && !state.is_closed);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        let frame = state.frames.pop_front()?;
        state.bytes -= frame.len() as u64;
        drop(state);
        self.changed.notify_all();
        Some(frame)
    }

    /// How many were dropped since the last question.
    pub fn take_dropped(&self) -> u64 {
        std::mem::take(&mut self.state().dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_finds_no_room_is_dropped_and_counted() {
        let queue = Queue::new(Delivery::NonBlocking { max_buffer_bytes: 10 });
        for _ in 0..5 {
            assert_eq!(queue.push(vec![0; 4], Duration::ZERO), Pushed::Taken);
        }
        assert_eq!(queue.take_dropped(), 3);
        queue.close();
        assert_eq!(std::iter::from_fn(|| queue.pop()).count(), 2);
    }

    #[test]
    fn a_frame_larger_than_the_queue_goes_alone() {
        let queue = Queue::new(Delivery::NonBlocking { max_buffer_bytes: 10 });
        queue.push(vec![0; 100], Duration::ZERO);
        queue.push(vec![0; 1], Duration::ZERO);
        assert_eq!((queue.pop().map(|f| f.len()), queue.take_dropped()), (Some(100), 1));
    }

    #[test]
    fn blocking_waits_for_room_and_loses_nothing() {
        let queue = Queue::new(Delivery::Blocking);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for n in 0..100u8 {
                    let mut frame = vec![n; 10 << 10];
                    while let Pushed::Full(back) = queue.push(frame, Duration::from_millis(1)) {
                        frame = back;
                    }
                }
                queue.close();
            });
            let taken: Vec<u8> = std::iter::from_fn(|| queue.pop()).map(|f| f[0]).collect();
            assert_eq!(taken, (0..100).collect::<Vec<u8>>());
        });
    }
}
