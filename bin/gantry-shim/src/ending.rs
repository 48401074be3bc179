//! How processes and the container end.

use std::{
    io,
    time::{Duration, Instant},
};

use rustix::{
    io::Errno,
    process::{WaitOptions, WaitStatus, wait},
};
use shim_protocol::{Event, ExitRecord};

use container_log::Timestamp;

use crate::{
    process::Process,
    supervisor::{INIT, State, Supervisor},
};

/// Pauses between looks for a kill after a shortage of memory; they double.
const FIRST_RECHECK: Duration = Duration::from_millis(5);
const LAST_RECHECK: Duration = Duration::from_secs(2);

impl Supervisor {
    /// Collects every child that has ended: our processes, and orphans that came to us.
    pub(crate) fn reap_children(&mut self) -> io::Result<()> {
        loop {
            let (pid, status) = match wait(WaitOptions::NOHANG) {
                Ok(Some(ended)) => ended,
                Ok(None) | Err(Errno::CHILD) => return Ok(()),
                Err(Errno::INTR) => continue,
                Err(errno) => return Err(errno.into()),
            };
            let pid = pid.as_raw_nonzero().get();
            let ours = self.processes.iter().find(|(_, p)| p.pid == pid && !p.has_exited());
            let Some((&number, _)) = ours else { continue };
            self.process_ended(number, exit_code(status))?;
        }
    }

    fn process_ended(&mut self, number: u32, code: i32) -> io::Result<()> {
        if number == INIT
            && let State::Running(container) = &mut self.state
        {
            // With a pid namespace of its own everything is dead already. Without, what goes on
            // would keep the pipes open and the cgroup busy.
            if let Err(failure) = container.backend.end_leftovers() {
                self.complaints.add_text(&failure.message);
            }
        }
        self.with_process(number, |process, around| process.exited(code, around))
    }

    /// Tells what has ended since the last turn of the loop.
    pub(crate) fn conclude(&mut self) -> io::Result<()> {
        let now = Instant::now();
        self.recheck_memory(now);
        self.keep_deadlines(now)?;
        let numbers: Vec<u32> = self
            .processes
            .iter()
            .filter(|(_, process)| process.has_exited())
            .map(|(number, _)| *number)
            .collect();
        for number in numbers {
            self.with_process(number, |process, around| process.expire(now, around))?;
            self.conclude_process(number)?;
        }
        Ok(())
    }

    /// Starts loggers again whose time has come, and gives clients up whose time is over.
    fn keep_deadlines(&mut self, now: Instant) -> io::Result<()> {
        let is_due = |p: &Process| p.log_deadline().is_some_and(|deadline| deadline <= now);
        for number in self.numbers_of(is_due) {
            self.with_process(number, Process::serve_log)?;
        }
        let is_held_up = |p: &Process| p.client_deadline().is_some_and(|deadline| deadline <= now);
        for number in self.numbers_of(is_held_up) {
            self.with_process(number, |process, around| process.drop_stuck_clients(now, around))?;
        }
        Ok(())
    }

    fn numbers_of(&self, wanted: impl Fn(&Process) -> bool) -> Vec<u32> {
        self.processes.iter().filter(|(_, p)| wanted(p)).map(|(number, _)| *number).collect()
    }

    fn conclude_process(&mut self, number: u32) -> io::Result<()> {
        let Some(process) = self.processes.get_mut(&number) else { return Ok(()) };
        let Some(code) = process.finished() else { return Ok(()) };
        if let Some(id) = process.take_untold_exec() {
            self.tell(Event::ExecExited { id, exit_code: code });
        }
        if number == INIT && matches!(self.state, State::Running(_)) {
            if self.processes.iter().any(|(number, p)| *number != INIT && p.finished().is_none()) {
                // Execs die with init; their ends are told first.
                return Ok(());
            }
            self.container_ended(code);
        }
        self.with_process(number, |process, around| process.end_clients(around.poller))?;
        if !self.processes.get(&number).is_some_and(Process::is_lingering) {
            self.processes.remove(&number);
        }
        Ok(())
    }

    fn container_ended(&mut self, exit_code: i32) {
        let State::Running(container) = &mut self.state else { return };
        let oom_kills = container.backend.oom_kills().unwrap_or_else(|failure| {
            self.complaints.add_text(&failure.message);
            0
        });
        let record = ExitRecord {
            exit_code,
            oom_killed: oom_kills > 0,
            started_at_nanos: container.started_at_nanos,
            finished_at_nanos: Timestamp::now().unix_nanos(),
        };
        if let Err(error) = self.directory.write_exit(&record) {
            self.complaints.add("write the exit record", &error);
        }
        if let Some((memory, mut watch)) = container.memory.watch.take()
            && let Err(error) = self.poller.set(&memory, &mut watch, None)
        {
            self.complaints.add("stop watching memory", &error);
        }
        // Told first: taking the cgroup apart takes a while. A release is answered after it, and
        // the mounts end when nobody waits for an answer any more.
        let ended = std::mem::replace(&mut self.state, State::Exited(record.clone()));
        self.tell(Event::Exited(record));
        let State::Running(mut container) = ended else { return };
        if let Err(failure) = container.backend.delete() {
            self.complaints.add_text(&failure.message);
        }
        self.mounts = container.backend.take_mounts();
    }

    /// The cgroup's memory ran out; looks for the kill that follows, now and soon.
    pub(crate) fn memory_ran_out(&mut self) -> io::Result<()> {
        let State::Running(container) = &mut self.state else { return Ok(()) };
        let Some((memory, _)) = &container.memory.watch else { return Ok(()) };
        let mut discarded = [0; 4096];
        while rustix::io::read(memory, &mut discarded).is_ok() {}
        self.look_for_kill(FIRST_RECHECK);
        Ok(())
    }

    /// Looks again when the time has come.
    fn recheck_memory(&mut self, now: Instant) {
        if let State::Running(container) = &self.state
            && let Some((at, pause)) = container.memory.recheck
            && now >= at
        {
            self.look_for_kill(pause * 2);
        }
    }

    /// Tells of a kill if there is one; otherwise looks again after `pause`, unless that is long.
    fn look_for_kill(&mut self, pause: Duration) {
        let State::Running(container) = &mut self.state else { return };
        let memory = &mut container.memory;
        memory.recheck = None;
        match container.backend.oom_kills() {
            Ok(kills) if kills > memory.kills => {
                memory.kills = kills;
                self.tell(Event::OutOfMemory);
            }
            Ok(_) if pause <= LAST_RECHECK => {
                memory.recheck = Some((Instant::now() + pause, pause));
            }
            Ok(_) => {}
            Err(failure) => self.complaints.add_text(&failure.message),
        }
    }
}

/// As shells have it: the exit status, or 128 and the signal.
fn exit_code(status: WaitStatus) -> i32 {
    const SIGNAL_BASE: i32 = 128;
    let by_signal = status.terminating_signal().map(|signal| SIGNAL_BASE + signal);
    status.exit_status().or(by_signal).unwrap_or(SIGNAL_BASE)
}
