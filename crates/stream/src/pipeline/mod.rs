//! Many cores for one object, and many objects for the same cores.
//!
//! * `workers`: [`Workers`], threads that take turns between objects.
//! * `line`: the blocks of one object on their way: worked on by any thread, handed back in order.
//! * `packing`: [`Packing`] makes a pack, driven by whoever has a source and a sink, with or without a runtime.
//!
//! Copies between stages: none. A source reads into a block, a worker compresses from it into the frame and encrypts the frame where it
//! lies, and a sink writes it from there; lz4, s2 and snappy results, and what is stored raw, are copied once, into the frame. Checksums
//! read the block where it is.
//!
//! Bounds: an object has at most [`window`](Workers::window) blocks on their way, each with its frame, and two more buffers with its driver:
//! with two threads and blocks of 1 MiB at most 16 MiB, whatever the length of the stream. Buffers are used again. A worker takes one task
//! of an object and then looks at the next object, and an object stands in the queue at most once for each thread: a small object
//! waits for one task of each other object.
//!
//! MD5 has a lane of its own: one task of it at a time, in the order of the blocks, on any thread; the other checksums share another lane.

mod line;
mod packing;
mod workers;

pub use packing::{Packing, PackingStep};
pub use workers::{WORKERS_MAX, Workers};
