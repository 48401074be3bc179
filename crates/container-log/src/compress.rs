//! Compressing a rotated file.
//!
//! Runs beside the writer, which may rotate again meanwhile: the file is found by its inode, under
//! the lock, before and after the work. The compressed file carries that inode in its header
//! (RFC 1952 section 2.3.1.1, subfield `GI`), so that a reader of the original finds its successors.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use flate2::{Compression, GzBuilder, bufread::GzDecoder};

use crate::files::{self, COMPRESSED, with_suffix};

const SUBFIELD: [u8; 4] = [b'G', b'I', 8, 0];

/// Compresses the predecessor of the log at `path` that has this inode, if it is still there.
///
/// # Errors
/// Those of reading and writing; the plain file stays then.
pub fn compress(path: &Path, inode: u64) -> io::Result<()> {
    let Some(mut original) = find(path, inode)? else { return Ok(()) };
    let unfinished = with_suffix(path, &format!(".{inode}.compressing"));
    let outcome = write_compressed(&mut original, inode, &unfinished)
        .and_then(|()| replace(path, inode, &unfinished));
    if outcome.is_err() {
        files::ignore_missing(fs::remove_file(&unfinished))?;
    }
    outcome
}

fn find(path: &Path, inode: u64) -> io::Result<Option<File>> {
    let _lock = files::Lock::shared(path)?;
    Ok(locate(path, inode)?.map(|(_, file)| file))
}

fn locate(path: &Path, inode: u64) -> io::Result<Option<(PathBuf, File)>> {
    for rotated in files::open_rotated(path)? {
        if !rotated.is_compressed && rotated.file.metadata()?.ino() == inode {
            return Ok(Some((rotated.path, rotated.file)));
        }
    }
    Ok(None)
}

fn write_compressed(original: &mut File, inode: u64, to: &Path) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o640).open(to)?;
    let mut extra = SUBFIELD.to_vec();
    extra.extend_from_slice(&inode.to_le_bytes());
    let mut writer = GzBuilder::new().extra(extra).write(file, Compression::fast());
    io::copy(original, &mut writer)?;
    let mut file = writer.finish()?;
    file.flush()?;
    // The original goes as soon as this one has its name.
    file.sync_all()
}

/// Puts the compressed file into the place of the plain one, wherever that is by now.
fn replace(path: &Path, inode: u64, unfinished: &Path) -> io::Result<()> {
    let _lock = files::Lock::exclusive(path)?;
    let Some((plain, _)) = locate(path, inode)? else { return fs::remove_file(unfinished) };
    fs::rename(unfinished, with_suffix(&plain, COMPRESSED))?;
    fs::remove_file(plain)
}

/// A compressed file's content, and the inode of its original if the header tells.
pub(crate) fn decompress(file: File) -> (impl Read + Send + use<>, Option<u64>) {
    let decoder = GzDecoder::new(io::BufReader::new(file));
    let inode = decoder.header().and_then(|header| {
        let extra = header.extra()?.strip_prefix(&SUBFIELD)?;
        Some(u64::from_le_bytes(*extra.first_chunk()?))
    });
    (decoder, inode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rotated_file_is_replaced_where_it_is_by_now_and_keeps_its_identity() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        fs::write(dir.path().join("log.1"), "newest").unwrap();
        let text = "a line\n".repeat(10_000);
        fs::write(dir.path().join("log.2"), &text).unwrap();
        let inode = fs::metadata(dir.path().join("log.2")).unwrap().ino();
        compress(&path, inode).unwrap();
        assert!(!dir.path().join("log.2").exists());
        let file = File::open(dir.path().join("log.2.gz")).unwrap();
        assert!(file.metadata().unwrap().len() < 1000);
        let (mut reader, found) = decompress(file);
        let mut back = String::new();
        reader.read_to_string(&mut back).unwrap();
        assert!(back == text && found == Some(inode));
        compress(&path, inode).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "nothing is left over");
    }
}
