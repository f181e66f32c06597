//! The two buffer traits and their implementations for types from the standard library and from `bytes`.

use bytes::{Bytes, BytesMut};

/// A buffer whose initialised bytes the kernel may read until the buffer is handed back.
///
/// # Safety
///
/// For as long as the value exists and is not modified through `&mut`, and however often it is moved:
///
/// * [`stable_ptr`](IoBuf::stable_ptr) returns the same address, valid for reads of
///   [`bytes_init`](IoBuf::bytes_init) initialised bytes, or any address if that is 0;
/// * nothing else writes to these bytes.
///
/// A value that stores its bytes inside itself (an array, for instance) does not qualify: moving it moves the bytes.
pub unsafe trait IoBuf: Send + 'static {
    /// Address of the first byte.
    fn stable_ptr(&self) -> *const u8;

    /// Number of initialised bytes at [`stable_ptr`](IoBuf::stable_ptr).
    fn bytes_init(&self) -> usize;

    /// The initialised bytes.
    fn as_slice(&self) -> &[u8] {
        // SAFETY: the trait promises that many initialised, unaliased-for-writing bytes at a stable address. A zero
        // length needs a non-null, aligned pointer, which any `u8` pointer from a live buffer type here is.
        unsafe { std::slice::from_raw_parts(self.stable_ptr(), self.bytes_init()) }
    }
}

/// A buffer that the kernel may fill until the buffer is handed back.
///
/// # Safety
///
/// In addition to [`IoBuf`]: [`stable_mut_ptr`](IoBufMut::stable_mut_ptr) returns the same address as
/// [`stable_ptr`](IoBuf::stable_ptr), valid for writes of [`bytes_total`](IoBufMut::bytes_total) bytes, and nothing
/// else reads or writes them while an operation owns the buffer.
pub unsafe trait IoBufMut: IoBuf {
    /// Address of the first byte, writable.
    fn stable_mut_ptr(&mut self) -> *mut u8;

    /// Bytes that may be written, initialised or not: what a read operation asks for.
    fn bytes_total(&self) -> usize;

    /// States that exactly the first `len` bytes hold data.
    ///
    /// # Safety
    ///
    /// The first `len` bytes are initialised and `len <= bytes_total()`.
    unsafe fn set_init(&mut self, len: usize);

    /// Copies `data` behind the first `at` bytes, as far as it fits, and ends the buffer there. Returns how many bytes were copied.
    /// `at` is clipped to the initialised bytes.
    fn fill_at(&mut self, at: usize, data: &[u8]) -> usize {
        let at = at.min(self.bytes_init());
        let count = data.len().min(self.bytes_total().saturating_sub(at));
        // SAFETY: the buffer has `bytes_total` writable bytes that nobody else uses, so `data` lies elsewhere; what precedes `at`
        // is initialised, and `count` bytes behind it are written here.
        unsafe {
            std::ptr::copy_nonoverlapping(data.as_ptr(), self.stable_mut_ptr().add(at), count);
            self.set_init(at + count);
        }
        count
    }
}

// SAFETY: a Vec's bytes live on the heap, at an address that moving the Vec does not change.
unsafe impl IoBuf for Vec<u8> {
    fn stable_ptr(&self) -> *const u8 {
        self.as_ptr()
    }
    fn bytes_init(&self) -> usize {
        self.len()
    }
}

// SAFETY: as above; a Vec owns `capacity` writable bytes exclusively.
unsafe impl IoBufMut for Vec<u8> {
    fn stable_mut_ptr(&mut self) -> *mut u8 {
        self.as_mut_ptr()
    }
    fn bytes_total(&self) -> usize {
        self.capacity()
    }
    unsafe fn set_init(&mut self, len: usize) {
        // SAFETY: passed on to the caller.
        unsafe { self.set_len(len) }
    }
}

// SAFETY: heap memory owned by the box; moving the box moves only the pointer.
unsafe impl IoBuf for Box<[u8]> {
    fn stable_ptr(&self) -> *const u8 {
        self.as_ptr()
    }
    fn bytes_init(&self) -> usize {
        self.len()
    }
}

// SAFETY: as above, exclusively owned. All bytes are always initialised, so a shorter `set_init` leaves old bytes
// readable behind the new ones, which is sound, and the operation's count tells where data ends.
unsafe impl IoBufMut for Box<[u8]> {
    fn stable_mut_ptr(&mut self) -> *mut u8 {
        self.as_mut_ptr()
    }
    fn bytes_total(&self) -> usize {
        self.len()
    }
    unsafe fn set_init(&mut self, _len: usize) {}
}

// SAFETY: static memory never moves and is never written.
unsafe impl IoBuf for &'static [u8] {
    fn stable_ptr(&self) -> *const u8 {
        self.as_ptr()
    }
    fn bytes_init(&self) -> usize {
        self.len()
    }
}

// SAFETY: `Bytes` points to shared, immutable memory kept alive by the value.
unsafe impl IoBuf for Bytes {
    fn stable_ptr(&self) -> *const u8 {
        self.as_ptr()
    }
    fn bytes_init(&self) -> usize {
        self.len()
    }
}

// SAFETY: a BytesMut's range of the shared allocation is exclusively its own and does not move with the value.
unsafe impl IoBuf for BytesMut {
    fn stable_ptr(&self) -> *const u8 {
        self.as_ptr()
    }
    fn bytes_init(&self) -> usize {
        self.len()
    }
}

// SAFETY: as above; `capacity` counts bytes of the exclusive range.
unsafe impl IoBufMut for BytesMut {
    fn stable_mut_ptr(&mut self) -> *mut u8 {
        self.as_mut_ptr()
    }
    fn bytes_total(&self) -> usize {
        self.capacity()
    }
    unsafe fn set_init(&mut self, len: usize) {
        // SAFETY: passed on to the caller.
        unsafe { self.set_len(len) }
    }
}
