//! One log message.

use crate::Timestamp;

/// Longest message in bytes; a line of this length or more is cut.
pub const MAX_MESSAGE_BYTES: usize = 16 << 10;

/// One of a process' output streams. A terminal's output counts as standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamKind {
    /// Descriptor 1.
    Stdout,
    /// Descriptor 2.
    Stderr,
}

impl StreamKind {
    /// As it stands in a log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }

    /// The number in a stdcopy frame.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Stdout => 1,
            Self::Stderr => 2,
        }
    }
}

/// A line, or a part of one that is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// Without the newline.
    pub text: &'a [u8],
    /// When the line's first part was read.
    pub time: Timestamp,
    /// Set when the line was cut.
    pub part: Option<Part>,
}

impl Message<'_> {
    /// Whether the newline came, so that the line is complete.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.part.is_none_or(|part| part.is_last)
    }
}

/// Which part of a cut line a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// The same for all parts of a line.
    pub id: PartId,
    /// From 1.
    pub ordinal: u32,
    /// Whether the line ends with it.
    pub is_last: bool,
}

/// Names a cut line.
pub type PartId = [u8; 32];

/// A part's id as drivers write it: 64 hexadecimal digits.
#[must_use]
pub fn part_id_text(id: &PartId) -> String {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(HEX[usize::from(nibble)]);
    id.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
