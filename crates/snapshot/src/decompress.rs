//! Decompression of layers, detected by their first bytes.
//!
//! gzip (RFC 1952, any number of members, zero padding after the last), zstd (RFC 8878, any
//! number of frames, windows up to 128 MiB) and no compression. xz and bzip2, which Docker once
//! accepted, are named and refused. Garbage after the last member is refused.

use std::{
    fmt,
    io::{self, BufRead, BufReader, Read},
};

use flate2::bufread::GzDecoder;
use types::{Classify, ErrorKind};

/// The largest zstd window, as a power of two: 128 MiB, what `zstd --ultra -22` needs.
const ZSTD_WINDOW_LOG: u32 = 27;

const BUFFER_BYTES: usize = 128 * 1024;

/// How a stream is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
    /// xz: not supported.
    Xz,
    /// bzip2: not supported.
    Bzip2,
}

impl Compression {
    /// Tells by the first bytes of a stream (6 are enough).
    #[must_use]
    pub fn detect(start: &[u8]) -> Self {
        const MAGICS: [(&[u8], Compression); 5] = [
            (b"\x1f\x8b", Compression::Gzip),
            (b"\x28\xb5\x2f\xfd", Compression::Zstd),
            (b"\xfd7zXZ\0", Compression::Xz),
            (b"BZh", Compression::Bzip2),
            (b"", Compression::None),
        ];
        // A skippable zstd frame may come first: 0x184D2A50 to 0x184D2A5F, little endian.
        if matches!(start, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]) {
            return Self::Zstd;
        }
        MAGICS
            .into_iter()
            .find(|(magic, _)| start.starts_with(magic))
            .map_or(Self::None, |(_, compression)| compression)
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "no compression",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Xz => "xz",
            Self::Bzip2 => "bzip2",
        })
    }
}

/// Why a stream cannot be decompressed. Damage further on is an error of reading.
#[derive(Debug, thiserror::Error)]
pub enum DecompressError {
    /// The first bytes could not be read.
    #[error("cannot read the compressed stream")]
    Read(#[source] io::Error),
    /// A format that is known and not supported.
    #[error("{0} compressed layers are not supported, use gzip or zstd")]
    Unsupported(Compression),
}

impl Classify for DecompressError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Read(_) => ErrorKind::Internal,
            Self::Unsupported(_) => ErrorKind::NotImplemented,
        }
    }
}

/// The uncompressed bytes of a stream.
pub struct Decompressed<R: Read>(Inner<R>);

type Source<R> = io::Chain<io::Cursor<Vec<u8>>, R>;

enum Inner<R: Read> {
    None(BufReader<Source<R>>),
    Gzip(Members<BufReader<Source<R>>>),
    Zstd(Box<zstd::stream::read::Decoder<'static, BufReader<Source<R>>>>),
}

/// Decompresses `reader` by what its first bytes say it is.
///
/// # Errors
/// [`DecompressError`]; damaged data shows later, as errors of reading.
pub fn decompress<R: Read>(mut reader: R) -> Result<Decompressed<R>, DecompressError> {
    let mut start = Vec::with_capacity(6);
    reader.by_ref().take(6).read_to_end(&mut start).map_err(DecompressError::Read)?;
    let compression = Compression::detect(&start);
    let source = BufReader::with_capacity(BUFFER_BYTES, io::Cursor::new(start).chain(reader));
    Ok(Decompressed(match compression {
        Compression::None => Inner::None(source),
        Compression::Gzip => Inner::Gzip(Members::new(source)),
        Compression::Zstd => {
            let mut decoder =
                zstd::stream::read::Decoder::with_buffer(source).map_err(DecompressError::Read)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(DecompressError::Read)?;
            Inner::Zstd(Box::new(decoder))
        }
        Compression::Xz | Compression::Bzip2 => {
            return Err(DecompressError::Unsupported(compression));
        }
    }))
}

impl<R: Read> Decompressed<R> {
    /// How the stream was compressed.
    #[must_use]
    pub fn compression(&self) -> Compression {
        match &self.0 {
            Inner::None(_) => Compression::None,
            Inner::Gzip(_) => Compression::Gzip,
            Inner::Zstd(_) => Compression::Zstd,
        }
    }
}

impl<R: Read> fmt::Debug for Decompressed<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Decompressed").field(&self.compression()).finish()
    }
}

impl<R: Read> Read for Decompressed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Inner::None(source) => source.read(buffer),
            Inner::Gzip(members) => members.read(buffer),
            Inner::Zstd(decoder) => decoder.read(buffer),
        }
    }
}

/// The members of a gzip file, one after the other.
enum Members<R: BufRead> {
    Within(Box<GzDecoder<R>>),
    Between(R),
    Moving,
}

impl<R: BufRead> Members<R> {
    fn new(source: R) -> Self {
        Self::Within(Box::new(GzDecoder::new(source)))
    }

    /// Decides what follows a member: another one, padding to the end, or nothing.
    fn next_member(mut source: R) -> io::Result<Self> {
        let next = source.fill_buf()?.first().copied();
        match next {
            Some(0x1f) => return Ok(Self::Within(Box::new(GzDecoder::new(source)))),
            None => return Ok(Self::Between(source)),
            Some(_) => {}
        }
        loop {
            let chunk = source.fill_buf()?;
            if chunk.is_empty() {
                return Ok(Self::Between(source));
            }
            if chunk.iter().any(|byte| *byte != 0) {
                let text = "garbage after the end of the gzip stream";
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
            let count = chunk.len();
            source.consume(count);
        }
    }
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            match self {
                Self::Within(decoder) => {
                    let count = decoder.read(buffer)?;
                    if count > 0 {
                        return Ok(count);
                    }
                }
                Self::Between(_) => return Ok(0),
                // An earlier call ended in an error and took the source with it.
                Self::Moving => return Err(io::ErrorKind::InvalidData.into()),
            }
            if let Self::Within(decoder) = std::mem::replace(self, Self::Moving) {
                *self = Self::next_member(decoder.into_inner())?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn read(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        decompress(bytes).unwrap().read_to_end(&mut out).map(|_| out)
    }

    #[test]
    fn reads_gzip_of_many_members_with_padding() {
        let mut stream = gzip(b"one ");
        stream.extend(gzip(b""));
        stream.extend(gzip(b"two"));
        assert_eq!(read(&stream).unwrap(), b"one two");
        stream.extend([0; 700]);
        assert_eq!(read(&stream).unwrap(), b"one two");
    }

    #[test]
    fn refuses_garbage_after_and_truncation_of_gzip() {
        let mut stream = gzip(b"one");
        assert!(read(&stream[..stream.len() - 1]).is_err());
        assert!(read(&stream[..12]).is_err());
        stream.extend(b"garbage");
        assert_eq!(read(&stream).unwrap_err().kind(), io::ErrorKind::InvalidData);
        let mut damaged = gzip(&[7; 1000]);
        let crc = damaged.len() - 8;
        damaged[crc] ^= 1;
        assert!(read(&damaged).is_err());
    }

    #[test]
    fn reads_zstd_of_many_frames_and_refuses_larger_windows() {
        let mut stream = zstd::encode_all(&b"one "[..], 3).unwrap();
        stream.extend(b"\x50\x2a\x4d\x18\x02\0\0\0xx");
        stream.extend(zstd::encode_all(&b"two"[..], 3).unwrap());
        assert_eq!(read(&stream).unwrap(), b"one two");
        assert!(read(&stream[..stream.len() - 2]).is_err());
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(28).unwrap();
        encoder.write_all(&[1; 1000]).unwrap();
        assert!(read(&encoder.finish().unwrap()).is_err());
        stream.extend(b"garbage");
        assert!(read(&stream).is_err());
    }

    #[test]
    fn passes_plain_bytes_and_names_what_it_refuses() {
        assert_eq!(read(b"").unwrap(), b"");
        assert_eq!(read(b"abc").unwrap(), b"abc");
        assert_eq!(read(&[0; 1024]).unwrap(), [0; 1024]);
        let error = decompress(&b"BZh91AY"[..]).unwrap_err();
        assert!(error.to_string().starts_with("bzip2 compressed layers are not supported"));
        let error = decompress(&b"\xfd7zXZ\0\0"[..]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotImplemented);
    }
}
