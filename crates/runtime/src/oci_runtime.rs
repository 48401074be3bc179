//! One way to run containers, whether by this crate or by an external program.

use std::os::fd::OwnedFd;

use crate::{
    error::RuntimeError,
    exec::{ExecLaunch, exec},
    launch::{Created, Launch, Running, create},
};

/// A container that waits for its start.
pub trait Pending {
    /// Init's pid.
    fn pid(&self) -> i32;

    /// The terminal's controlling end, once.
    fn take_terminal(&mut self) -> Option<OwnedFd>;

    /// Lets init execute its program.
    ///
    /// # Errors
    /// When that fails; init is gone then.
    fn start(self: Box<Self>) -> Result<Running, RuntimeError>;
}

/// Makes containers.
pub trait OciRuntime {
    /// Makes a container whose init waits.
    ///
    /// # Errors
    /// Whatever the configuration asks that cannot be.
    fn create(&self, launch: Launch<'_>) -> Result<Box<dyn Pending>, RuntimeError>;

    /// Runs a further process in the container `id`.
    ///
    /// # Errors
    /// As for `create`.
    fn exec(
        &self,
        id: &str,
        launch: ExecLaunch<'_>,
    ) -> Result<(Running, Option<OwnedFd>), RuntimeError>;

    /// Removes what the runtime keeps of the ended container `id`.
    ///
    /// # Errors
    /// When something stays.
    fn delete(&self, id: &str) -> Result<(), RuntimeError>;
}

/// This crate's own.
#[derive(Debug, Clone, Copy, Default)]
pub struct Native;

impl Pending for Created {
    fn pid(&self) -> i32 {
        Created::pid(self)
    }

    fn take_terminal(&mut self) -> Option<OwnedFd> {
        Created::take_terminal(self)
    }

    fn start(self: Box<Self>) -> Result<Running, RuntimeError> {
        Created::start(*self)
    }
}

impl OciRuntime for Native {
    fn create(&self, launch: Launch<'_>) -> Result<Box<dyn Pending>, RuntimeError> {
        Ok(Box::new(create(launch)?))
    }

    fn exec(
        &self,
        _id: &str,
        launch: ExecLaunch<'_>,
    ) -> Result<(Running, Option<OwnedFd>), RuntimeError> {
        exec(launch)
    }

    fn delete(&self, _id: &str) -> Result<(), RuntimeError> {
        // Everything lives in the container's namespaces, and ends with them.
        Ok(())
    }
}
