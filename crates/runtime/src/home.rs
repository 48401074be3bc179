//! `HOME` for processes whose configuration does not give it.
//!
//! The account file is the container's: a pipe or a device in its place is not waited for.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
};

use rustix::fs::{FileType, Mode, OFlags};

/// Upper bound of what is read of the container's `/etc/passwd`.
const MAX_PASSWD_BYTES: u64 = 1 << 20;

/// The home directory that the container's `/etc/passwd` has for `uid`; `/` without an entry.
pub(crate) fn of(uid: u32) -> String {
    open().and_then(|file| find(file.take(MAX_PASSWD_BYTES), uid)).unwrap_or_else(|| "/".to_owned())
}

/// Looks before it opens: opening alone acts on some devices.
fn open() -> Option<File> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let place = rustix::fs::open("/etc/passwd", flags, Mode::empty()).ok()?;
    let stat = rustix::fs::fstat(&place).ok()?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return None;
    }
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    rustix::fs::open("/etc/passwd", flags, Mode::empty()).ok().map(File::from)
}

fn find(passwd: impl Read, uid: u32) -> Option<String> {
    BufReader::new(passwd).split(b'\n').map_while(Result::ok).find_map(|line| {
        let line = String::from_utf8_lossy(&line).into_owned();
        let mut fields = line.split(':').skip(2);
        let is_user = fields.next()?.parse() == Ok(uid);
        let home = fields.nth(2)?;
        (is_user && !home.is_empty()).then(|| home.to_owned())
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn reads_the_sixth_field() {
        let text = "bad line\nroot:x:0:0:root:/root:/bin/sh\nu:x:1000:1000::/home/u:\n";
        assert_eq!(super::find(text.as_bytes(), 1000).as_deref(), Some("/home/u"));
        assert_eq!(super::find(text.as_bytes(), 0).as_deref(), Some("/root"));
        assert_eq!(super::find(text.as_bytes(), 7), None);
    }
}
