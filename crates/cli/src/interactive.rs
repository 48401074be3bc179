//! A connection to a process: its output to ours, our input to it, terminal size and signals.

use std::io::{stderr, stdout};

use client::{Client, Hijacked, Resizable, stdcopy};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    signal::unix::{SignalKind, signal},
};

use crate::{
    output::Direct,
    terminal::{self, DetachKeys, RawMode, Scan},
};

/// How a connection ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// The process closed its output.
    Closed,
    /// The user pressed the detach keys.
    Detached,
}

/// What to connect.
pub struct Connection<'a> {
    /// The engine.
    pub client: &'a Client,
    /// The process, for its terminal's size.
    pub target: Resizable,
    /// Whether the process has a terminal (and its output is one raw stream).
    pub has_terminal: bool,
    /// Whether our input goes to it.
    pub has_input: bool,
    /// Keys that detach.
    pub detach_keys: String,
}

impl Connection<'_> {
    /// Moves bytes until the process closes its output or the user detaches.
    ///
    /// # Errors
    /// For malformed detach keys and streams that break.
    pub async fn run(&self, stream: Hijacked) -> anyhow::Result<End> {
        let keys = match self.has_terminal {
            true => Some(DetachKeys::parse(&self.detach_keys)?),
            false => None,
        };
        let _raw = (self.has_terminal && self.has_input).then(RawMode::enter).flatten();
        let is_multiplexed = stream.is_multiplexed.unwrap_or(!self.has_terminal);
        let (mut from, to) = stream.split();
        let output = copy_output(&mut from, is_multiplexed);
        let input = send_input(to, self.has_input, keys);
        tokio::pin!(output, input);
        let mut is_sending = true;
        loop {
            tokio::select! {
                biased;
                result = &mut output => {
                    result?;
                    return Ok(End::Closed);
                }
                result = &mut input, if is_sending => match result? {
                    End::Detached => return Ok(End::Detached),
                    End::Closed => is_sending = false,
                },
            }
        }
    }

    /// Follows the size of our terminal; never returns by itself.
    pub async fn follow_size(&self) {
        if !self.has_terminal {
            return std::future::pending().await;
        }
        let Ok(mut changes) = signal(SignalKind::window_change()) else {
            return std::future::pending().await;
        };
        loop {
            if let Some(size) = terminal::size() {
                // The process may not have started or have ended: the next change tries again.
                let _ = self.client.resize(&self.target, size).await;
            }
            if changes.recv().await.is_none() {
                return std::future::pending().await;
            }
        }
    }
}

async fn copy_output(
    from: &mut (impl AsyncRead + Unpin),
    is_multiplexed: bool,
) -> anyhow::Result<()> {
    let mut out = Direct(stdout());
    if is_multiplexed {
        let copied = stdcopy::demultiplex(from, &mut out, &mut Direct(stderr())).await;
        return match copied {
            Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => Ok(()),
            result => Ok(result?),
        };
    }
    let mut buffer = vec![0u8; 32 * 1024];
    loop {
        let got = match from.read(&mut buffer).await {
            // The engine closed while input was on its way: that is an end like any other.
            Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => 0,
            got => got?,
        };
        match got {
            0 => return Ok(()),
            got => {
                out.write_all(&buffer[..got]).await?;
                out.flush().await?;
            }
        }
    }
}

async fn send_input(
    mut to: impl AsyncWrite + Unpin,
    has_input: bool,
    mut keys: Option<DetachKeys>,
) -> anyhow::Result<End> {
    if has_input {
        let mut input = tokio::io::stdin();
        let mut buffer = vec![0u8; 32 * 1024];
        loop {
            let got = input.read(&mut buffer).await?;
            if got == 0 {
                break;
            }
            let scan = match &mut keys {
                Some(keys) => keys.scan(&buffer[..got]),
                None => Scan::Forward(buffer[..got].to_vec()),
            };
            let (bytes, is_detached) = match scan {
                Scan::Forward(bytes) => (bytes, false),
                Scan::Detach(bytes) => (bytes, true),
            };
            // A process that reads no more still has output and an exit code to wait for.
            if to.write_all(&bytes).await.is_err() || to.flush().await.is_err() {
                return Ok(End::Closed);
            }
            if is_detached {
                return Ok(End::Detached);
            }
        }
    }
    let _ = to.shutdown().await;
    // The half must live on: dropping it is nothing, but the caller polls no more.
    Ok(End::Closed)
}

/// The signals that go on to a container, with the names the engine knows them by.
const FORWARDED: [(i32, &str); 8] = [
    (1, "HUP"),
    (2, "INT"),
    (3, "QUIT"),
    (10, "USR1"),
    (12, "USR2"),
    (14, "ALRM"),
    (15, "TERM"),
    (18, "CONT"),
];

/// Forwards signals to a container; never returns by itself.
pub async fn forward_signals(client: &Client, id: &str) {
    let all = FORWARDED.map(|(number, name)| async move {
        let Ok(mut stream) = signal(SignalKind::from_raw(number)) else { return };
        while stream.recv().await.is_some() {
            let kill = client.container_action(id, "kill", |r| r.query("signal", name));
            if let Err(error) = kill.await
                && !matches!(error, client::ClientError::Engine { .. })
            {
                crate::output::error_line(&format!("Error sending signal: {error}"));
            }
        }
    });
    futures_util::future::join_all(all).await;
    std::future::pending().await
}
