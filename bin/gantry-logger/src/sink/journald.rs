//! The native protocol of systemd-journald.
//!
//! A message is one datagram of fields: `NAME=value\n`, or for values with newlines
//! `NAME\n`, u64 LE length, value, `\n`. What is too large for a datagram goes into a sealed memory
//! file whose descriptor is sent instead.
//!
//! Source: systemd's "Native Journal Protocol".

use std::{
    io::{self, IoSlice, Write as _},
    mem::MaybeUninit,
    os::{fd::AsFd as _, unix::net::UnixDatagram},
    path::Path,
};

use container_log::{Message, StreamKind, Timestamp, part_id_text, sink::Subject};
use rustix::{
    fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create},
    io::Errno,
    net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, send, sendmsg},
    rand::{GetRandomFlags, getrandom},
};

use super::{Sender, SinkError, severity};

/// Where the journal listens.
pub(super) const SOCKET: &str = "/run/systemd/journal/socket";
const SHORT_ID: usize = 12;

/// The host's journal.
pub struct Journald {
    socket: UnixDatagram,
    path: Box<Path>,
    /// Fields that are the same in every message.
    fixed: Vec<u8>,
    ordinal: u64,
}

impl Journald {
    /// Reaches the journal at `path`.
    ///
    /// # Errors
    /// [`SinkError::NoJournal`].
    pub fn open(path: &Path, subject: &Subject) -> Result<Self, SinkError> {
        let socket = connect(path).map_err(|_| SinkError::NoJournal)?;
        Ok(Self { socket, path: path.into(), fixed: fixed_fields(subject), ordinal: 0 })
    }

    fn write(&mut self, fields: &[u8]) -> io::Result<()> {
        match send(&self.socket, fields, SendFlags::NOSIGNAL) {
            Ok(_) => Ok(()),
            Err(Errno::MSGSIZE | Errno::NOBUFS) => self.write_large(fields),
            Err(errno) => Err(errno.into()),
        }
    }

    fn write_large(&self, fields: &[u8]) -> io::Result<()> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let mut file = std::fs::File::from(memfd_create("journal-message", flags)?);
        file.write_all(fields)?;
        let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL;
        fcntl_add_seals(&file, seals)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let rights = [file.as_fd()];
        if !control.push(SendAncillaryMessage::ScmRights(&rights)) {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        sendmsg(&self.socket, &[IoSlice::new(&[])], &mut control, SendFlags::NOSIGNAL)?;
        Ok(())
    }
}

fn connect(path: &Path) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.connect(path)?;
    Ok(socket)
}

fn fixed_fields(subject: &Subject) -> Vec<u8> {
    let short: String = subject.id.chars().take(SHORT_ID).collect();
    let mut fields = Vec::new();
    for (name, value) in [
        ("CONTAINER_ID", short.as_str()),
        ("CONTAINER_ID_FULL", &subject.id),
        ("CONTAINER_NAME", &subject.name),
        ("CONTAINER_TAG", &subject.tag),
        ("IMAGE_NAME", &subject.image_name),
        ("SYSLOG_IDENTIFIER", &subject.tag),
        ("CONTAINER_LOG_EPOCH", &epoch()),
    ] {
        put(&mut fields, name, value.as_bytes());
    }
    for (name, value) in &subject.attributes {
        let name = field_name(name);
        if !name.is_empty() {
            put(&mut fields, &name, value.as_bytes());
        }
    }
    fields
}

/// Tells this run's ordinals from those of others.
fn epoch() -> String {
    let mut id = [0; 32];
    if getrandom(&mut id, GetRandomFlags::NONBLOCK).is_err() {
        id[..4].copy_from_slice(&std::process::id().to_le_bytes());
    }
    part_id_text(&id)
}

/// Upper case letters, digits and underscores, and no underscore first.
fn field_name(name: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    name.chars().map(allowed).collect::<String>().trim_start_matches('_').to_owned()
}

fn put(fields: &mut Vec<u8>, name: &str, value: &[u8]) {
    fields.extend_from_slice(name.as_bytes());
    if value.contains(&b'\n') {
        fields.push(b'\n');
        fields.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        fields.push(b'=');
    }
    fields.extend_from_slice(value);
    fields.push(b'\n');
}

fn time_text(time: Timestamp) -> Vec<u8> {
    let mut text = Vec::new();
    time.write_to(&mut text);
    text
}

impl Sender for Journald {
    fn send(&mut self, stream: StreamKind, message: &Message<'_>) -> Result<(), SinkError> {
        self.ordinal += 1;
        let mut fields = self.fixed.clone();
        put(&mut fields, "PRIORITY", severity(stream).to_string().as_bytes());
        put(&mut fields, "MESSAGE", message.text);
        put(&mut fields, "SYSLOG_TIMESTAMP", &time_text(message.time));
        put(&mut fields, "CONTAINER_LOG_ORDINAL", self.ordinal.to_string().as_bytes());
        if let Some(part) = message.part {
            put(&mut fields, "CONTAINER_PARTIAL_ID", part_id_text(&part.id).as_bytes());
            put(&mut fields, "CONTAINER_PARTIAL_ORDINAL", part.ordinal.to_string().as_bytes());
            put(&mut fields, "CONTAINER_PARTIAL_LAST", part.is_last.to_string().as_bytes());
            if !part.is_last {
                put(&mut fields, "CONTAINER_PARTIAL_MESSAGE", b"true");
            }
        }
        let sent = self.write(&fields).or_else(|_| {
            // A journal that was restarted has another socket under the same name.
            self.socket = connect(&self.path)?;
            self.write(&fields)
        });
        sent.map_err(|source| SinkError::Send { driver: "journald", source })
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, io::Read as _};

    use container_log::Part;
    use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

    use super::*;

    fn opened() -> (tempfile::TempDir, UnixDatagram, Journald) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let server = UnixDatagram::bind(&path).unwrap();
        let subject = Subject {
            id: "a".repeat(64),
            name: "web".into(),
            image_name: "busybox".into(),
            tag: "t".into(),
            attributes: [("_app.name".to_owned(), "two\nlines".to_owned())].into(),
            ..Subject::default()
        };
        let journald = Journald::open(&path, &subject).unwrap();
        (dir, server, journald)
    }

    fn parse(mut bytes: &[u8]) -> BTreeMap<String, Vec<u8>> {
        let mut fields = BTreeMap::new();
        while !bytes.is_empty() {
            let end = bytes.iter().position(|b| matches!(b, b'=' | b'\n')).unwrap();
            let name = String::from_utf8(bytes[..end].to_vec()).unwrap();
            let (value, rest) = if bytes[end] == b'=' {
                let length = bytes[end..].iter().position(|b| *b == b'\n').unwrap();
                (&bytes[end + 1..end + length], &bytes[end + length + 1..])
            } else {
                let value = &bytes[end + 9..];
                let length = u64::from_le_bytes(*bytes[end + 1..].first_chunk().unwrap()) as usize;
                (&value[..length], &value[length + 1..])
            };
            fields.insert(name, value.to_vec());
            bytes = rest;
        }
        fields
    }

    #[test]
    fn fields_are_dockers() {
        let (_dir, server, mut journald) = opened();
        let part = Some(Part { id: [1; 32], ordinal: 2, is_last: false });
        let time = Timestamp { seconds: 0, nanos: 0 };
        journald.send(StreamKind::Stderr, &Message { text: b"hi", time, part }).unwrap();
        let mut datagram = [0; 4096];
        let length = server.recv(&mut datagram).unwrap();
        let fields = parse(&datagram[..length]);
        for (name, value) in [
            ("MESSAGE", "hi"),
            ("PRIORITY", "3"),
            ("CONTAINER_ID", "aaaaaaaaaaaa"),
            ("CONTAINER_NAME", "web"),
            ("CONTAINER_TAG", "t"),
            ("SYSLOG_IDENTIFIER", "t"),
            ("IMAGE_NAME", "busybox"),
            ("APP_NAME", "two\nlines"),
            ("SYSLOG_TIMESTAMP", "1970-01-01T00:00:00Z"),
            ("CONTAINER_PARTIAL_MESSAGE", "true"),
            ("CONTAINER_PARTIAL_ORDINAL", "2"),
            ("CONTAINER_LOG_ORDINAL", "1"),
        ] {
            assert_eq!(String::from_utf8_lossy(&fields[name]), value, "{name}");
        }
    }

    #[test]
    fn a_message_too_large_for_a_datagram_comes_in_a_sealed_file() {
        let (_dir, server, mut journald) = opened();
        let text = vec![b'x'; 4 << 20];
        let time = Timestamp::default();
        journald.send(StreamKind::Stdout, &Message { text: &text, time, part: None }).unwrap();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut none = [0; 16];
        let mut buffers = [io::IoSliceMut::new(&mut none)];
        recvmsg(&server, &mut buffers, &mut control, RecvFlags::CMSG_CLOEXEC).unwrap();
        let Some(RecvAncillaryMessage::ScmRights(mut rights)) = control.drain().next() else {
            panic!("a descriptor")
        };
        let fd = rights.next().unwrap();
        let mut bytes = Vec::new();
        let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&fd));
        std::fs::File::open(path).unwrap().read_to_end(&mut bytes).unwrap();
        assert!(parse(&bytes)["MESSAGE"] == text);
    }

    #[test]
    fn a_host_without_a_journal_is_told() {
        let error = Journald::open("/no/such".as_ref(), &Subject::default()).err().unwrap();
        assert_eq!(error.to_string(), "journald is not enabled on this host");
    }
}
