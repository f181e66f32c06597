//! Type-erased storage for what an operation owns while the kernel works on it.
//!
//! The in-flight table holds operations over buffers of any type. A `Box<dyn Any>` per operation would be a heap
//! allocation on the hot path; the common buffer types are a few words, so they are stored in the table's slot itself.

use std::any::TypeId;
use std::mem::{MaybeUninit, align_of, size_of};

const INLINE_BYTES: usize = 64;

#[repr(align(16))]
struct Room(MaybeUninit<[u8; INLINE_BYTES]>);

/// An owned value of some `T: Send + 'static`.
pub(crate) struct Payload {
    room: Room,
    drop: unsafe fn(*mut u8),
    kind: TypeId,
}

// SAFETY: only values that are `Send` get in.
unsafe impl Send for Payload {}

const fn fits<T>() -> bool {
    size_of::<T>() <= INLINE_BYTES && align_of::<T>() <= align_of::<Room>()
}

/// Drops the value stored at `room`, directly or behind its box.
///
/// # Safety
///
/// `room` holds a `T` as written by [`Payload::new`] and is not used afterwards.
unsafe fn drop_stored<T>(room: *mut u8) {
    if fits::<T>() {
        // SAFETY: `new` wrote a `T` there.
        unsafe { room.cast::<T>().drop_in_place() }
    } else {
        // SAFETY: `new` wrote a pointer from `Box::into_raw` there.
        drop(unsafe { Box::from_raw(room.cast::<*mut T>().read()) });
    }
}

impl Payload {
    pub(crate) fn new<T: Send + 'static>(value: T) -> Self {
        let mut room = Room(MaybeUninit::uninit());
        let start = room.0.as_mut_ptr();
        if fits::<T>() {
            // SAFETY: size and alignment were checked; the room is ours.
            unsafe { start.cast::<T>().write(value) }
        } else {
            // SAFETY: a pointer fits and is less aligned than the room.
            unsafe { start.cast::<*mut T>().write(Box::into_raw(Box::new(value))) }
        }
        Self { room, drop: drop_stored::<T>, kind: TypeId::of::<T>() }
    }

    /// Takes the value out. `None` means that the caller named another type than was stored.
    pub(crate) fn into_inner<T: Send + 'static>(mut self) -> Option<T> {
        if self.kind != TypeId::of::<T>() {
            return None;
        }
        let start = self.room.0.as_mut_ptr();
        let value = if fits::<T>() {
            // SAFETY: a `T` is stored inline; `forget` below keeps it from being dropped again.
            unsafe { start.cast::<T>().read() }
        } else {
            // SAFETY: a boxed `T` is stored; ownership moves out and `forget` keeps the pointer from being freed again.
            *unsafe { Box::from_raw(start.cast::<*mut T>().read()) }
        };
        std::mem::forget(self);
        Some(value)
    }
}

impl Drop for Payload {
    fn drop(&mut self) {
        // SAFETY: the room holds the value that `new` stored with this very function.
        unsafe { (self.drop)(self.room.0.as_mut_ptr().cast()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn returns_what_was_stored_small_and_large() {
        assert_eq!(Payload::new(vec![1u8, 2]).into_inner::<Vec<u8>>().unwrap(), [1, 2]);
        let large = [7u64; 40];
        assert_eq!(Payload::new(large).into_inner::<[u64; 40]>().unwrap(), large);
    }

    #[test]
    fn another_type_is_refused() {
        assert!(Payload::new(1u32).into_inner::<u64>().is_none());
    }

    #[test]
    fn drops_exactly_once() {
        let token = Arc::new(());
        drop(Payload::new(Arc::clone(&token)));
        drop(Payload::new((Arc::clone(&token), [0u8; 200])));
        assert_eq!(Arc::strong_count(&token), 1);
        let back = Payload::new((Arc::clone(&token), [0u8; 200])).into_inner::<(Arc<()>, [u8; 200])>();
        assert_eq!(Arc::strong_count(&token), 2);
        drop(back);
        let wrong = Payload::new(Arc::clone(&token)).into_inner::<u8>();
        assert!(wrong.is_none());
        assert_eq!(Arc::strong_count(&token), 1);
    }
}
