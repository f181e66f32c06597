//! The S2 stream, a superset of Snappy's framing; `docs/formats/s2.md` specifies the bytes.
//!
//! * `format`: chunks and the checksum.
//! * `encode`: [`Encoder`] makes a stream from pieces of any size.
//! * `decode`: [`Decoder`] reads one, also a Snappy stream, one block per call.
//! * `index`: [`Index`] tells where blocks begin.
//!
//! The format has checksums and no end: a stream that ends between two chunks looks whole. A reader that knows the length
//! says so ([`Decoder::declaring`]). Blocks are compressed by the crate `minlz`. A decoder
//! skips index chunks, and an encoder writes none.

mod decode;
mod encode;
mod error;
mod format;
mod index;

pub use decode::Decoder;
pub use encode::Encoder;
pub use error::S2Error;
pub use format::{BLOCK_BYTES, BLOCK_BYTES_MAX};
pub use index::{INDEX_ENTRIES_MAX, Index, IndexEntry};

pub(crate) use index::strip_index_chunk;
