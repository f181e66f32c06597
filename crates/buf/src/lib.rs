//! Buffers that the kernel may use after the caller's future is gone.
//!
//! An asynchronous operation borrows memory from the moment it is submitted until the kernel reports its completion,
//! and no Rust borrow can express that: the future that waits may be dropped at any time. So buffers move: an operation
//! takes a buffer by value and hands it back with the result.
//!
//! Modules, in reading order:
//!
//! * [`traits`](IoBuf): what a type must promise to be such a buffer.
//! * `aligned`: [`AlignedBuf`], heap memory with an alignment that direct I/O accepts.
//! * `slice`: [`Slice`], a range of another buffer.
//! * `pool`: [`BufferPool`], memory that is used again, below a hard bound.
//! * `memory`: [`PressureGauge`], [`ControlGroup`]: how much memory there is, and whether it runs short.
//!
//! Invariants: the address a buffer reports does not change while the buffer value is moved; bytes beyond
//! [`IoBuf::bytes_init`] are never read by safe code.
//!
//! Not here: threads and timers. What has to happen now and then ([`BufferPool::upkeep`]) somebody calls.
//!
//! ```
//! use rustfs_rio_buf::{AlignedBuf, IoBuf};
//!
//! let mut block = AlignedBuf::zeroed(4096).expect("4 KiB is a valid size");
//! block[..5].copy_from_slice(b"hello");
//! assert_eq!(block.as_slice().as_ptr() as usize % 4096, 0);
//! assert_eq!(block.bytes_init(), 4096);
//! ```

mod aligned;
mod memory;
mod pool;
mod slice;
mod sync;
mod traits;

pub use aligned::{AlignedBuf, BufferError, DEFAULT_ALIGNMENT};
pub use memory::{ControlGroup, Pressure, PressureGauge, memory_limit};
pub use pool::{
    Acquire, BufferPool, ClassStats, Leak, NoRoom, NodeStats, PoolConfig, PoolError, PoolStats, PooledBuf,
    Upkeep,
};
pub use slice::Slice;
pub use traits::{IoBuf, IoBufMut};
