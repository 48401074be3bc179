//! The user's terminal: raw mode that is always undone, size, detach keys.

use std::io::{IsTerminal, stdin, stdout};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

/// Raw mode; dropped, the terminal is as it was.
pub struct RawMode {
    before: Termios,
}

impl RawMode {
    /// Puts standard input into raw mode, if it is a terminal.
    #[must_use]
    pub fn enter() -> Option<Self> {
        let input = stdin();
        if !input.is_terminal() {
            return None;
        }
        let before = tcgetattr(&input).ok()?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(&input, OptionalActions::Now, &raw).ok()?;
        Some(Self { before })
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // Nothing can be done about a terminal that went away.
        let _ = tcsetattr(stdin(), OptionalActions::Now, &self.before);
    }
}

/// A terminal that does not show what is typed; dropped, it does again.
pub struct NoEcho {
    before: Termios,
}

impl NoEcho {
    /// Hides what is typed, if standard input is a terminal.
    #[must_use]
    pub fn enter() -> Option<Self> {
        let before = tcgetattr(stdin()).ok()?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        tcsetattr(stdin(), OptionalActions::Now, &hidden).ok()?;
        Some(Self { before })
    }
}

impl Drop for NoEcho {
    fn drop(&mut self) {
        // As above.
        let _ = tcsetattr(stdin(), OptionalActions::Now, &self.before);
    }
}

/// Rows and columns of standard output, `None` when it is no terminal.
#[must_use]
pub fn size() -> Option<(u16, u16)> {
    let size = tcgetwinsize(stdout()).ok()?;
    (size.ws_row > 0 && size.ws_col > 0).then_some((size.ws_row, size.ws_col))
}

/// Whether standard input is a terminal.
#[must_use]
pub fn is_input() -> bool {
    stdin().is_terminal()
}

/// A key sequence that detaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DetachKeys {
    keys: Vec<u8>,
    matched: usize,
}

/// What is left of some input after looking for the keys.
#[derive(Debug, PartialEq, Eq)]
pub enum Scan {
    /// These bytes go on.
    Forward(Vec<u8>),
    /// The keys were complete after these bytes.
    Detach(Vec<u8>),
}

impl DetachKeys {
    /// Reads `ctrl-p,ctrl-q` and the like; empty is that default.
    ///
    /// # Errors
    /// For a key that is no key.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let text = if text.is_empty() { "ctrl-p,ctrl-q" } else { text };
        let keys = text.split(',').map(key).collect::<Option<Vec<u8>>>();
        match keys {
            Some(keys) => Ok(Self { keys, matched: 0 }),
            None => anyhow::bail!("invalid detach keys ({text}) provided"),
        }
    }

    /// Looks for the keys in `input`, remembering a beginning across calls.
    pub fn scan(&mut self, input: &[u8]) -> Scan {
        let mut out = Vec::with_capacity(input.len() + self.matched);
        for &byte in input {
            if byte == self.keys[self.matched] {
                self.matched += 1;
                if self.matched == self.keys.len() {
                    self.matched = 0;
                    return Scan::Detach(out);
                }
                continue;
            }
            out.extend_from_slice(&self.keys[..self.matched]);
            self.matched = usize::from(byte == self.keys[0]);
            if self.matched == 0 {
                out.push(byte);
            } else if self.keys.len() == 1 {
                return Scan::Detach(out);
            }
        }
        Scan::Forward(out)
    }
}

fn key(name: &str) -> Option<u8> {
    if let [byte] = name.as_bytes() {
        return Some(*byte);
    }
    match name.strip_prefix("ctrl-")?.as_bytes() {
        [letter @ b'a'..=b'z'] => Some(letter - b'a' + 1),
        b"@" => Some(0),
        b"[" => Some(27),
        b"\\" => Some(28),
        b"]" => Some(29),
        b"^" => Some(30),
        b"_" => Some(31),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_detach_even_in_pieces() {
        let mut keys = DetachKeys::parse("").unwrap();
        assert_eq!(keys.scan(b"ab\x10"), Scan::Forward(b"ab".to_vec()));
        assert_eq!(keys.scan(b"x\x10"), Scan::Forward(b"\x10x".to_vec()));
        assert_eq!(keys.scan(b"\x11"), Scan::Detach(Vec::new()));
        assert_eq!(DetachKeys::parse("ctrl-[,a").unwrap().keys, [27, b'a']);
        assert!(DetachKeys::parse("ctrl-1").is_err());
    }
}
