//! Tells systemd how far the engine is (`sd_notify(3)`).

use std::{
    env, io,
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixDatagram},
    },
};

/// The engine answers.
pub fn ready() {
    report(&format!("READY=1\nMAINPID={}", std::process::id()));
}

/// The engine stops.
pub fn stopping() {
    report("STOPPING=1");
}

/// The engine reads its configuration again; [`ready`] follows.
pub fn reloading() {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let microseconds = now.tv_sec * 1_000_000 + now.tv_nsec / 1000;
    report(&format!("RELOADING=1\nMONOTONIC_USEC={microseconds}"));
}

fn report(state: &str) {
    let Ok(path) = env::var("NOTIFY_SOCKET") else { return };
    if let Err(error) = send(&path, state) {
        tracing::warn!(%path, %error, "cannot notify systemd");
    }
}

fn send(path: &str, state: &str) -> io::Result<()> {
    let address = match path.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(path)?,
    };
    UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address).map(|_| ())
}
