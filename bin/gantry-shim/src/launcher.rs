//! Choosing the runtime that a start asks for.

use shim_protocol::Failure;

use crate::backend::{Backend, Launch, Launched, external, own};

/// Starts a container with the runtime that its request names.
///
/// # Errors
/// The complete failure; nothing is left of the container.
pub fn start(mut launch: Launch) -> Result<(Box<dyn Backend>, Launched), Failure> {
    match launch.request.external_runtime.take() {
        Some(program) => {
            let (container, launched) = external::start(launch, program)?;
            Ok((Box::new(container), launched))
        }
        None => {
            let (container, launched) = own::start(launch)?;
            Ok((Box::new(container), launched))
        }
    }
}
