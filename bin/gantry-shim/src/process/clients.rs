//! What attached clients send to a process, and how they leave it.

use std::{io, time::Instant};

use super::{Process, Surroundings};
use crate::{
    poller::Poller,
    stream::{Client, InputState, ReadOutcome},
};

/// Why a client's socket is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientReadiness {
    /// It has input, or its input has ended.
    Readable,
    /// It has room.
    Writable,
    /// Both directions are closed.
    HungUp,
}

impl Process {
    /// Serves a client's socket.
    ///
    /// # Errors
    /// Those of the poll set.
    pub fn serve_client(
        &mut self,
        number: u16,
        readiness: ClientReadiness,
        around: &mut Surroundings<'_>,
    ) -> io::Result<()> {
        let Some(client) = self.clients.iter_mut().find(|client| client.number == number) else {
            return Ok(());
        };
        let flushed = client.flush();
        if flushed.is_err() || client.is_done() {
            self.drop_client(number, around.poller)?;
            return self.settle(around.poller);
        }
        match readiness {
            ClientReadiness::Readable => self.pump_input(number, around)?,
            ClientReadiness::HungUp => client.hang_up(),
            ClientReadiness::Writable => {}
        }
        self.let_go(number, around.poller)?;
        self.settle(around.poller)
    }

    /// Drops a client that is gone, unless it has left input that can still be passed on.
    fn let_go(&mut self, number: u16, poller: &Poller) -> io::Result<()> {
        let may_have_input = self.input.is_some();
        let is_of_no_use = self.clients.iter().any(|client| {
            client.number == number
                && client.is_hung_up()
                && !(client.gives_input() && may_have_input)
        });
        if is_of_no_use { self.drop_client(number, poller) } else { Ok(()) }
    }

    fn pump_input(&mut self, number: u16, around: &mut Surroundings<'_>) -> io::Result<()> {
        let Some(client) = self.clients.iter_mut().find(|client| client.number == number) else {
            return Ok(());
        };
        let Some(input) = self.input.as_mut().filter(|input| input.is_ready()) else {
            return Ok(());
        };
        if !client.gives_input() {
            return Ok(());
        }
        let mut buffer = around.buffers.take_read();
        let outcome = client.read(&mut buffer);
        let state = match outcome {
            Ok(ReadOutcome::Bytes(count)) => input.write(&buffer[..count], around.poller),
            Ok(ReadOutcome::Empty) => Ok(InputState::Open),
            Ok(ReadOutcome::End) => {
                client.end_input();
                input.client_ended(around.poller)
            }
            Err(_) => {
                around.buffers.give_back(buffer);
                return self.drop_client(number, around.poller);
            }
        };
        around.buffers.give_back(buffer);
        self.conclude_input(state, around)
    }

    /// When the next client is given up.
    #[must_use]
    pub fn client_deadline(&self) -> Option<Instant> {
        self.clients.iter().filter_map(Client::deadline).min()
    }

    /// Drops clients that hold the process up and have taken nothing for too long.
    ///
    /// # Errors
    /// Those of the poll set.
    pub fn drop_stuck_clients(
        &mut self,
        now: Instant,
        around: &mut Surroundings<'_>,
    ) -> io::Result<()> {
        let is_stuck = |client: &&Client| client.deadline().is_some_and(|at| at <= now);
        let stuck: Vec<u16> = self.clients.iter().filter(is_stuck).map(|c| c.number).collect();
        for number in stuck {
            around.complaints.add_text("an attached client took nothing and was dropped");
            self.drop_client(number, around.poller)?;
        }
        self.settle(around.poller)
    }

    /// Standard input has room again.
    ///
    /// # Errors
    /// Those of the poll set.
    pub fn flush_input(&mut self, around: &mut Surroundings<'_>) -> io::Result<()> {
        let Some(input) = &mut self.input else { return Ok(()) };
        let state = input.flush(around.poller);
        self.conclude_input(state, around)?;
        self.settle(around.poller)
    }

    fn conclude_input(
        &mut self,
        state: io::Result<InputState>,
        around: &Surroundings<'_>,
    ) -> io::Result<()> {
        match state {
            Ok(InputState::Open) => return Ok(()),
            Ok(InputState::Finished) => {}
            Err(error) => around.complaints.add("write the input of a process", &error),
        }
        self.input.take().map_or(Ok(()), |input| input.close(around.poller))
    }

    pub(super) fn drop_client(&mut self, number: u16, poller: &Poller) -> io::Result<()> {
        let Some(at) = self.clients.iter().position(|client| client.number == number) else {
            return Ok(());
        };
        let client = self.clients.swap_remove(at);
        let gave_input = client.gives_input();
        client.close(poller)?;
        if gave_input
            && let Some(input) = &mut self.input
            && !matches!(input.client_ended(poller), Ok(InputState::Open))
            && let Some(input) = self.input.take()
        {
            input.close(poller)?;
        }
        Ok(())
    }
}
