//! TEMPORARY plain launcher.
use crate::{
    backend::{Backend, Launch, Launched},
    failure,
    stream::ChildStdio,
};
use oci::runtime::{LinuxResources, Process};
use shim_protocol::{ExecRequest, Failure};
use std::{
    os::fd::OwnedFd,
    process::{Command, Stdio},
};

#[derive(Debug, Default)]
pub struct Launcher {}

impl Launcher {
    pub fn start(&mut self, launch: Launch) -> Result<(Box<dyn Backend>, Launched), Failure> {
        let p = launch.request.spec.process.as_ref().unwrap();
        let l = plain(p, launch.stdio)?;
        Ok((Box::new(Plain), l))
    }
}
fn plain(p: &Process, stdio: ChildStdio) -> Result<Launched, Failure> {
    let ChildStdio::Fds { stdin, stdout, stderr } = stdio else {
        return Err(failure::invalid("tty"));
    };
    let f = |f: OwnedFd| Stdio::from(f);
    let c = Command::new(&p.args[0])
        .args(&p.args[1..])
        .stdin(f(stdin))
        .stdout(f(stdout))
        .stderr(f(stderr))
        .spawn()
        .map_err(|e| failure::internal("spawn", &e))?;
    Ok(Launched { pid: c.id() as i32, terminal: None })
}
#[derive(Debug)]
struct Plain;
impl Backend for Plain {
    fn exec(&mut self, request: &ExecRequest, stdio: ChildStdio) -> Result<Launched, Failure> {
        plain(&request.process, stdio)
    }
    fn update(&mut self, _: &LinuxResources) -> Result<(), Failure> {
        Ok(())
    }
    fn freeze(&mut self) -> Result<(), Failure> {
        Ok(())
    }
    fn thaw(&mut self) -> Result<(), Failure> {
        Ok(())
    }
    fn end_leftovers(&mut self) -> Result<(), Failure> {
        Ok(())
    }
    fn oom_kills(&self) -> Result<u64, Failure> {
        Ok(0)
    }
    fn watch_memory(&self) -> Result<Option<OwnedFd>, Failure> {
        Ok(None)
    }
    fn delete(&mut self) -> Result<(), Failure> {
        Ok(())
    }
}
