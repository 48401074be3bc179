//! Handing a seccomp listener over to the agent that answers it.
//!
//! The filter is in force as soon as there is a listener, so the process does as little as it
//! can: it writes the listener's number to its creator, which takes the descriptor out of the
//! process and sends it to the agent's socket together with the state of the container, and waits
//! for the creator's word. Source: runtime-spec config-linux, "container process state".

use std::{
    io::{IoSlice, Write},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    path::PathBuf,
};

use oci::runtime::{Seccomp, State};
use rustix::{
    net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags},
    process::PidfdGetfdFlags,
};
use serde::Serialize;

use crate::{error::RuntimeError, hook::OCI_VERSION, seccomp};

/// The name that the specification has for the listener.
const NAME: &str = "seccompFd";

/// Where a container's listeners go.
#[derive(Debug, Clone)]
pub struct Agent {
    path: PathBuf,
    metadata: String,
    state: State,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ProcessState<'a> {
    oci_version: &'a str,
    fds: [&'a str; 1],
    pid: i32,
    #[serde(skip_serializing_if = "str::is_empty")]
    metadata: &'a str,
    state: &'a State,
}

impl Agent {
    /// The agent of a policy, if it asks one; `state` is the container's.
    #[must_use]
    pub fn of(policy: Option<&Seccomp>, state: State) -> Option<Self> {
        let policy = policy.filter(|policy| seccomp::asks_listener(policy))?;
        Some(Self {
            path: policy.listener_path.clone()?,
            metadata: policy.listener_metadata.clone().unwrap_or_default(),
            state,
        })
    }

    /// Takes descriptor `number` out of the process and sends it.
    pub(crate) fn send(
        &self,
        (pid, pidfd): (i32, BorrowedFd<'_>),
        number: i32,
    ) -> Result<(), RuntimeError> {
        let listener = rustix::process::pidfd_getfd(pidfd, number, PidfdGetfdFlags::empty())
            .map_err(|e| RuntimeError::system("take", "seccomp listener", e))?;
        self.deliver(pid, &listener)
            .map_err(|e| RuntimeError::system("send seccomp listener to", self.path.display(), e))
    }

    fn deliver(&self, pid: i32, listener: &OwnedFd) -> std::io::Result<()> {
        let mut state = self.state.clone();
        // Init's own filter is loaded before anyone knows init's pid.
        state.pid.get_or_insert(pid);
        let document = serde_json::to_vec(&ProcessState {
            oci_version: OCI_VERSION,
            fds: [NAME],
            pid,
            metadata: &self.metadata,
            state: &state,
        })?;
        let mut socket = UnixStream::connect(&self.path)?;
        let descriptors = [listener.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        control.push(SendAncillaryMessage::ScmRights(&descriptors));
        let sent = rustix::net::sendmsg(
            &socket,
            &[IoSlice::new(&document)],
            &mut control,
            SendFlags::NOSIGNAL,
        )?;
        socket.write_all(&document[sent..])
    }
}
