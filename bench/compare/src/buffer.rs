//! The page-aligned buffer, wrapped so that each rival accepts it.

use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut};

use rustfs_rio_buf::AlignedBuf;

/// A page-aligned buffer of fixed length that is owned by an operation while it is under way.
///
/// What the impls below rely on: all bytes are initialised from the start, so every length up to the buffer's is a
/// valid one, and the bytes live on the heap, so their address stays while the value is moved.
#[derive(Debug)]
pub struct Buffer(AlignedBuf);

impl From<AlignedBuf> for Buffer {
    fn from(buf: AlignedBuf) -> Self {
        Self(buf)
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl compio::buf::IoBuf for Buffer {
    fn as_init(&self) -> &[u8] {
        self
    }
}

impl compio::buf::SetLen for Buffer {
    unsafe fn set_len(&mut self, _len: usize) {}
}

impl compio::buf::IoBufMut for Buffer {
    fn as_uninit(&mut self) -> &mut [MaybeUninit<u8>] {
        let bytes: &mut [u8] = &mut self.0;
        // SAFETY: the two types have the same layout, and the one caller, compio, writes only bytes that the kernel
        // has filled: the buffer stays initialised.
        unsafe { std::slice::from_raw_parts_mut(bytes.as_mut_ptr().cast(), bytes.len()) }
    }
}

// SAFETY: the address is that of heap bytes, which do not move with the value; all of them are initialised.
unsafe impl monoio::buf::IoBuf for Buffer {
    fn read_ptr(&self) -> *const u8 {
        self.as_ptr()
    }

    fn bytes_init(&self) -> usize {
        self.len()
    }
}

// SAFETY: as for `IoBuf`; the length is that of the exclusive borrow.
unsafe impl monoio::buf::IoBufMut for Buffer {
    fn write_ptr(&mut self) -> *mut u8 {
        self.as_mut_ptr()
    }

    fn bytes_total(&mut self) -> usize {
        self.len()
    }

    unsafe fn set_init(&mut self, _pos: usize) {}
}

// SAFETY: the address is that of heap bytes, which do not move with the value; all of them are initialised.
unsafe impl tokio_uring::buf::IoBuf for Buffer {
    fn stable_ptr(&self) -> *const u8 {
        self.as_ptr()
    }

    fn bytes_init(&self) -> usize {
        self.len()
    }

    fn bytes_total(&self) -> usize {
        self.len()
    }
}

// SAFETY: as for `IoBuf`; the pointer comes from the exclusive borrow.
unsafe impl tokio_uring::buf::IoBufMut for Buffer {
    fn stable_mut_ptr(&mut self) -> *mut u8 {
        self.as_mut_ptr()
    }

    unsafe fn set_init(&mut self, _pos: usize) {}
}
