//! Where the data of a file with holes goes.

/// One run of data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// Where in the file it starts.
    pub offset: u64,
    /// Its length.
    pub len: u64,
}

/// The regions of data of a file; the rest reads as zeros.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SparseMap {
    regions: Vec<Region>,
}

impl SparseMap {
    /// Takes regions that are in order, do not overlap and lie within a file of `size` bytes.
    pub(crate) fn new(regions: &[(u64, u64)], size: u64) -> Result<Self, &'static str> {
        let mut end = 0_u64;
        let mut checked = Vec::with_capacity(regions.len());
        for (offset, len) in regions.iter().copied() {
            if offset < end {
                return Err("the regions of a sparse file overlap");
            }
            end = offset.checked_add(len).ok_or("a region of a sparse file is too large")?;
            if len > 0 {
                checked.push(Region { offset, len });
            }
        }
        if end > size {
            return Err("a region of a sparse file lies behind its end");
        }
        Ok(Self { regions: checked })
    }

    /// The runs of data, in order.
    #[must_use]
    pub fn regions(&self) -> &[Region] {
        &self.regions
    }

    /// How many bytes of data there are.
    #[must_use]
    pub fn data_bytes(&self) -> u64 {
        self.regions.iter().map(|region| region.len).sum()
    }
}
