//! Learning at once that a cgroup has run out of memory.
//!
//! cgroup v1: an eventfd registered in `cgroup.event_control` for `memory.oom_control`; v2: an
//! inotify watch of `memory.events`. Both cost one descriptor and nothing while nothing happens.
//! They tell that there was an event, not whether somebody was killed: the counter tells that.
//!
//! Sources: memory part of cgroup-v1's guide ("OOM Control"), cgroup-v2's ("memory.events").

use std::{
    fs::{self, File},
    io,
    os::fd::{AsRawFd as _, OwnedFd},
    path::Path,
};

use runtime::cgroup::Cgroup;
use rustix::{
    event::{EventfdFlags, eventfd},
    fs::inotify,
};

/// A descriptor that becomes readable at the event; `None` when memory is not controlled.
///
/// # Errors
/// When the kernel refuses.
pub fn open(cgroup: &Cgroup) -> io::Result<Option<OwnedFd>> {
    let mut hierarchies = cgroup.hierarchies();
    let Some((hierarchy, directory)) = hierarchies.find(|(h, _)| h.has_controller("memory")) else {
        return Ok(None);
    };
    if hierarchy.is_unified() { watch_v2(directory) } else { watch_v1(directory) }.map(Some)
}

fn watch_v1(directory: &Path) -> io::Result<OwnedFd> {
    let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    let control = File::open(directory.join("memory.oom_control"))?;
    let registration = format!("{} {}", event.as_raw_fd(), control.as_raw_fd());
    fs::write(directory.join("cgroup.event_control"), registration)?;
    Ok(event)
}

fn watch_v2(directory: &Path) -> io::Result<OwnedFd> {
    let watch = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
    inotify::add_watch(&watch, directory.join("memory.events"), inotify::WatchFlags::MODIFY)?;
    Ok(watch)
}
