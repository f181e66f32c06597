//! The blocking backend: a bounded pool of threads that run plain system calls.
//!
//! It is the fallback where io_uring is refused and the first choice for work that a ring would hand to kernel threads
//! anyway: buffered writes on file systems without non-blocking writes (ext4), syncs, opens.

mod exec;
mod pool;

pub(crate) use exec::execute;
pub(crate) use pool::{Accepted, Pool, PoolConfig, Weight};
