//! The S2 stream, a superset of Snappy's framing; `docs/formats/s2.md` specifies the bytes.
//!
//! * `format`: chunks and the checksum.
//! * `encode`: [`Encoder`] makes a stream from pieces of any size.
//! * `decode`: [`Decoder`] reads one, also a Snappy stream, one block per call.
//!
//! The format has checksums and no end: a stream that ends between two chunks looks whole. A reader that knows the length
//! says so ([`Decoder::declaring`]). Blocks are compressed by the crate `minlz`. Index chunks are skipped, not read.

mod decode;
mod encode;
mod error;
mod format;

pub use decode::Decoder;
pub use encode::Encoder;
pub use error::S2Error;
pub use format::{BLOCK_BYTES, BLOCK_BYTES_MAX};
