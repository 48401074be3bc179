//! What nobody waits for: refilling the pool of ready namespaces, and removing links whose
//! container has left them.
//!
//! A link usually dies with its namespace, for nothing; removing one by hand costs an RCU grace
//! period under the kernel's network lock. So a link gets [`PATIENCE`] first. One thread, owned
//! and joined by [`Housekeeper`].

use std::{
    os::fd::OwnedFd,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, RecvTimeoutError, Sender},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use netdev::{LinkName, RouteSocket};

use crate::NetworkError;

/// How long a link may take to die by itself.
const PATIENCE: Duration = Duration::from_secs(5);
/// Quiet time before the pool is refilled: the container that took the last one starts first.
const QUIET: Duration = Duration::from_millis(20);

enum Task {
    Refill,
    Watch(LinkName),
    Stop,
}

/// The background thread and what it makes.
#[derive(Debug)]
pub(crate) struct Housekeeper {
    tasks: Sender<Task>,
    ready: Arc<Mutex<Vec<OwnedFd>>>,
    thread: Option<JoinHandle<()>>,
}

impl Housekeeper {
    /// Starts the thread; it keeps `warm` namespaces ready.
    pub(crate) fn start(warm: usize) -> Result<Self, NetworkError> {
        let (tasks, inbox) = mpsc::channel();
        let ready = Arc::new(Mutex::new(Vec::new()));
        let worker = Worker { warm, ready: Arc::clone(&ready), dying: Vec::new() };
        let thread = thread::Builder::new()
            .name("net-housekeeper".to_owned())
            .spawn(move || worker.run(&inbox))
            .map_err(NetworkError::Housekeeper)?;
        let this = Self { tasks, ready, thread: Some(thread) };
        this.tell(Task::Refill);
        Ok(this)
    }

    /// Takes a ready namespace, if there is one, and has it replaced.
    pub(crate) fn take(&self) -> Option<OwnedFd> {
        let taken = self.ready.lock().unwrap_or_else(PoisonError::into_inner).pop();
        self.tell(Task::Refill);
        taken
    }

    /// Has `link` removed unless it soon goes by itself.
    pub(crate) fn watch(&self, link: LinkName) {
        self.tell(Task::Watch(link));
    }

    fn tell(&self, task: Task) {
        // The thread ends only after `Stop`, which is the last task of all.
        let _ = self.tasks.send(task);
    }
}

impl Drop for Housekeeper {
    fn drop(&mut self) {
        self.tell(Task::Stop);
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported by the panic hook.
            let _ = thread.join();
        }
    }
}

struct Worker {
    warm: usize,
    ready: Arc<Mutex<Vec<OwnedFd>>>,
    dying: Vec<(Instant, LinkName)>,
}

impl Worker {
    fn run(mut self, inbox: &mpsc::Receiver<Task>) {
        let mut is_short = false;
        loop {
            let task = match self.wait(is_short) {
                None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(wait) => inbox.recv_timeout(wait),
            };
            match task {
                Ok(Task::Refill) => is_short = true,
                Ok(Task::Watch(link)) => self.dying.push((Instant::now() + PATIENCE, link)),
                Ok(Task::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {
                    is_short = is_short && self.refill_one();
                    self.remove_overdue();
                }
            }
        }
    }

    /// How long to wait for a task before there is something to do without one.
    fn wait(&self, is_short: bool) -> Option<Duration> {
        let refill = is_short.then_some(QUIET);
        let overdue =
            self.dying.first().map(|(at, _)| at.saturating_duration_since(Instant::now()));
        refill.into_iter().chain(overdue).min()
    }

    /// Makes one namespace; returns whether there are still too few.
    fn refill_one(&self) -> bool {
        let count = || self.ready.lock().unwrap_or_else(PoisonError::into_inner).len();
        if count() >= self.warm {
            return false;
        }
        match netdev::sandbox() {
            Ok(namespace) => {
                self.ready.lock().unwrap_or_else(PoisonError::into_inner).push(namespace);
                count() < self.warm
            }
            Err(error) => {
                // Whoever needs one makes it and hears the error.
                tracing::warn!(error = %types::error::chain(&error), "no namespace in reserve");
                false
            }
        }
    }

    fn remove_overdue(&mut self) {
        let now = Instant::now();
        let (overdue, dying): (Vec<_>, Vec<_>) =
            self.dying.drain(..).partition(|(at, _)| *at <= now);
        self.dying = dying;
        for (_, link) in overdue {
            if let Err(error) = remove_if_there(&link) {
                tracing::warn!(%link, error = %types::error::chain(&error), "link is left");
            }
        }
    }
}

fn remove_if_there(link: &LinkName) -> Result<(), netdev::NetdevError> {
    let mut route = RouteSocket::open()?;
    if route.link(link)?.is_some() {
        route.remove_link(link)?;
    }
    Ok(())
}
