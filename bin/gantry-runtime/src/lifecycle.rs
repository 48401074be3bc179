//! Commands that change a container.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use runtime::hook::{self, Point};
use rustix::process::{Pid, Signal};

use crate::{
    arguments::Run,
    container::{Container, Status},
    create::Plan,
    foreground::Foreground,
    state,
};

/// How long `delete --force` waits for the killed process to be gone.
const KILL_DEADLINE: Duration = Duration::from_secs(10);

pub fn start(root: &Path, id: &str) -> anyhow::Result<()> {
    let container = Container::load(root, id)?;
    match container.status() {
        Status::Created => {}
        Status::Stopped => bail!("cannot start a container that has stopped"),
        Status::Running | Status::Paused => bail!("cannot start an already running container"),
    }
    let released = runtime::fifo::release(&container.fifo());
    fs::remove_file(container.fifo()).context("remove exec fifo")?;
    released?;
    if let Some(hooks) = &container.record.spec.hooks {
        let document = container.document(Status::Running);
        hook::run_all(Point::Poststart, &hooks.poststart, &document)?;
    }
    Ok(())
}

pub fn run(root: &Path, run: &Run) -> anyhow::Result<u8> {
    let id = &run.create.id;
    let plan = Plan::new(root, &run.create)?;
    let has_terminal = plan.has_terminal();
    if run.detach {
        if has_terminal && run.create.console_socket.is_none() {
            bail!(
                "cannot allocate tty if gantry-runtime will detach without setting console socket"
            );
        }
        plan.make(None)?;
        return start_or_delete(root, id).map(|()| 0);
    }
    if run.create.console_socket.is_some() {
        bail!("cannot use console socket if gantry-runtime will not detach or allocate tty");
    }
    if !run.no_subreaper {
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
            .context("become a subreaper")?;
    }
    let foreground = Foreground::prepare(has_terminal)?;
    let made = plan.make(Some(&foreground))?;
    start_or_delete(root, id)?;
    let code = foreground.wait(&made.running, made.terminal)?;
    if !run.keep {
        delete(root, id, true)?;
    }
    Ok(code)
}

/// A container that cannot be started is not left behind.
fn start_or_delete(root: &Path, id: &str) -> anyhow::Result<()> {
    start(root, id).inspect_err(|_| drop(delete(root, id, true)))
}

pub fn kill(root: &Path, id: &str, signal: &str, all: bool) -> anyhow::Result<()> {
    let signal = parse_signal(signal)?;
    let container = Container::load(root, id)?;
    if all {
        for pid in container.cgroup.pids()?.into_iter().filter_map(Pid::from_raw) {
            match rustix::process::kill_process(pid, signal) {
                Ok(()) | Err(rustix::io::Errno::SRCH) => {}
                Err(e) => return Err(e).context("kill"),
            }
        }
        return Ok(());
    }
    if container.status() == Status::Stopped {
        bail!("container not running");
    }
    let pid = Pid::from_raw(container.record.pid).context("the container has no process")?;
    rustix::process::kill_process(pid, signal).context("kill")
}

fn parse_signal(text: &str) -> anyhow::Result<Signal> {
    let parsed: types::Signal = text.parse()?;
    Signal::from_named_raw(parsed.number()).with_context(|| format!("unknown signal {text:?}"))
}

pub fn delete(root: &Path, id: &str, force: bool) -> anyhow::Result<()> {
    let container = match Container::load(root, id) {
        Ok(container) => container,
        Err(_) if force && !state::directory(root, id)?.exists() => return Ok(()),
        Err(_) if force => {
            // A creation that was cut off before its record.
            return fs::remove_dir_all(state::directory(root, id)?).context("remove state");
        }
        Err(error) => return Err(error),
    };
    let status = container.status();
    if status != Status::Stopped {
        if !force {
            bail!("cannot delete container {id} that is not stopped: {}", status.name());
        }
        container.cgroup.kill()?;
        let deadline = Instant::now() + KILL_DEADLINE;
        while container.status() != Status::Stopped {
            if Instant::now() >= deadline {
                bail!("container {id} did not end after SIGKILL");
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    // What outlived init without a pid namespace.
    container.cgroup.kill()?;
    container.cgroup.delete().context("remove cgroup")?;
    if let Some(root) = &container.record.host_root {
        root.detach().context("unmount root")?;
    }
    fs::remove_dir_all(&container.directory).context("remove state")?;
    if let Some(hooks) = &container.record.spec.hooks {
        let document = container.document(Status::Stopped);
        hook::run_all(Point::Poststop, &hooks.poststop, &document)?;
    }
    Ok(())
}

pub fn pause(root: &Path, id: &str) -> anyhow::Result<()> {
    let container = Container::load(root, id)?;
    match container.status() {
        Status::Running | Status::Created => Ok(container.cgroup.freeze()?),
        other => bail!("container is {}, not running", other.name()),
    }
}

pub fn resume(root: &Path, id: &str) -> anyhow::Result<()> {
    let container = Container::load(root, id)?;
    match container.cgroup.is_frozen()? {
        true => Ok(container.cgroup.thaw()?),
        false => bail!("container not paused"),
    }
}
