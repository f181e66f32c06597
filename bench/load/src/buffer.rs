//! Buffers whose bytes start on a page boundary, as direct I/O wants them.

use std::ops::{Deref, DerefMut};

/// Enough for every device: direct I/O asks for the logical block size, 512 or 4096 bytes.
const ALIGNMENT: usize = 4096;

/// A zeroed heap buffer that starts on a 4 KiB boundary. Its bytes do not move while it is moved.
#[derive(Debug)]
pub struct PageBuffer {
    storage: Vec<u8>,
    start: usize,
    len: usize,
}

impl PageBuffer {
    /// A buffer of `len` bytes.
    pub fn zeroed(len: usize) -> Self {
        let storage = vec![0; len + ALIGNMENT];
        let address = storage.as_ptr().addr();
        Self { start: address.next_multiple_of(ALIGNMENT) - address, len, storage }
    }
}

impl Deref for PageBuffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.storage[self.start..self.start + self.len]
    }
}

impl DerefMut for PageBuffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.storage[self.start..self.start + self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_start_on_a_page_and_are_zero() {
        for len in [1, 4096, 65536, 1 << 20] {
            let mut buffer = PageBuffer::zeroed(len);
            assert_eq!(buffer.as_ptr().addr() % ALIGNMENT, 0);
            assert_eq!(buffer.len(), len);
            assert!(buffer.iter().all(|byte| *byte == 0));
            buffer[len - 1] = 1;
        }
    }
}
