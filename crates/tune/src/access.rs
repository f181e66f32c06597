//! One request, as the recogniser and the predictors see it.

/// Whether a request reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AccessKind {
    /// The request reads.
    Read,
    /// The request writes.
    Write,
}

/// One request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// When it was issued, in nanoseconds of any clock that does not run backwards.
    pub at_ns: u64,
    /// The file or device. Offsets of different spaces have nothing to do with each other.
    pub space: u32,
    /// First byte.
    pub offset: u64,
    /// Bytes.
    pub len: u32,
    /// Read or write.
    pub kind: AccessKind,
}

impl Access {
    /// The byte after the last one; saturates at the end of the address space.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.offset.saturating_add(self.len as u64)
    }
}
