//! How much an archive may ask for.

/// Bounds on one layer archive; whatever exceeds one is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The uncompressed archive, and so all data in it.
    pub stream_bytes: u64,
    /// Entries, including those that only describe the next one.
    pub entries: u64,
    /// Character and block devices (whiteouts are not counted).
    pub devices: u64,
    /// The length of a file including its holes.
    pub file_bytes: u64,
    /// A path or link target.
    pub path_bytes: usize,
    /// Components of a path.
    pub path_depth: usize,
    /// One extended header or long name: all attributes of an entry together.
    pub extension_bytes: u64,
    /// Data regions of one sparse file.
    pub sparse_regions: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            stream_bytes: 128 << 30,
            entries: 8_000_000,
            devices: 4096,
            file_bytes: 4 << 40,
            path_bytes: 4095,
            path_depth: 512,
            extension_bytes: 1 << 20,
            sparse_regions: 1 << 18,
        }
    }
}
