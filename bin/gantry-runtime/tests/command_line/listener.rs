//! Seccomp listeners and their agent.

use std::{
    io::IoSliceMut,
    mem::MaybeUninit,
    os::{fd::OwnedFd, unix::net::UnixListener},
    path::Path,
};

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use serde_json::{Value, json};

use crate::bundle::{Bundle, text};

/// What an agent gets from its next client.
fn receive(listener: &UnixListener) -> (Value, OwnedFd) {
    let (socket, _) = listener.accept().unwrap();
    let mut bytes = vec![0; 1 << 16];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let message = rustix::net::recvmsg(
        &socket,
        &mut [IoSliceMut::new(&mut bytes)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )
    .unwrap();
    let descriptor = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    (serde_json::from_slice(&bytes[..message.bytes]).unwrap(), descriptor.unwrap())
}

fn ask_about_mkdir(bundle: &Bundle, agent: &Path) {
    bundle.configure(|config| {
        config["root"]["readonly"] = false.into();
        config["linux"]["seccomp"] = json!({
            "defaultAction": "SCMP_ACT_ALLOW",
            "listenerPath": agent,
            "listenerMetadata": "told along",
            "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_NOTIFY"}],
        });
    });
}

#[test]
fn the_agent_gets_the_listener_of_init_and_of_exec() {
    for has_no_new_privileges in [true, false] {
        let bundle = Bundle::new(&format!("agent-{has_no_new_privileges}"), &["sleep", "1000"]);
        let path = bundle.directory.join("agent");
        let agent = UnixListener::bind(&path).unwrap();
        ask_about_mkdir(&bundle, &path);
        bundle.configure(|config| {
            config["process"]["noNewPrivileges"] = has_no_new_privileges.into();
        });
        bundle.create();
        let (state, _init) = receive(&agent);
        assert_eq!(state["fds"], json!(["seccompFd"]));
        assert_eq!(state["metadata"], "told along");
        assert_eq!(state["state"]["id"], bundle.id.as_str());
        assert_eq!(state["pid"], state["state"]["pid"]);
        assert!(bundle.gantry(&["start", &bundle.id]).status.success());
        // An agent that hangs up: its calls are answered with ENOSYS.
        let hang_up = std::thread::spawn(move || receive(&agent).0);
        let script = "mkdir /made; echo $?";
        let output = bundle.gantry(&["exec", &bundle.id, "sh", "-c", script]);
        let of_exec = hang_up.join().unwrap();
        assert_eq!(text(&output), "1\n", "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("not implemented"), "{output:?}");
        assert_ne!(of_exec["pid"], of_exec["state"]["pid"]);
    }
}

#[test]
fn a_listener_that_nobody_could_answer_is_refused() {
    let bundle = Bundle::new("noagent", &["sh"]);
    ask_about_mkdir(&bundle, &bundle.directory.join("nobody"));
    let run = ["run", "--bundle", bundle.path(), &bundle.id];
    let error = |output: std::process::Output| {
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(error(bundle.gantry(&run)).contains("send seccomp listener to"));
    bundle.configure(|config| {
        config["linux"]["seccomp"].as_object_mut().unwrap().remove("listenerPath");
    });
    assert!(error(bundle.gantry(&run)).contains("needs a listenerPath"));
}
