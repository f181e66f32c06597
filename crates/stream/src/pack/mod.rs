//! Packs: objects as Rio stores new data, compressed, encrypted and readable from anywhere; `docs/formats/pack.md` specifies the bytes.
//!
//! * `format`: sizes, headers of objects and segments, the trailer.
//! * `protection`: what authenticates, and encrypts, a segment: [`Protection`].
//! * `options`: [`PackOptions`], what a writer is told; [`ReadOptions`], what a reader brings.
//! * `content`: the BLAKE3 hash of the whole content from those of its frames.
//! * `seal`: [`FrameSealer`] makes a frame of a block, on any thread; `assemble`: [`Assembler`] puts frames in order.
//! * `encode`: [`Encoder`] makes a pack from pieces of any size, on one thread.
//! * `frames`: [`FrameOpener`] opens a segment, on any thread; `walk`: [`Walker`] finds segments and checks their order.
//! * `decode`: [`Decoder`] reads a pack from pieces of any size, on one thread.
//! * `directory`: [`Directory`] finds the frames of a range; `seek`: [`SeekableReader`] reads them.
//!
//! What holds: nothing that a segment holds is used before it is authenticated; a frame of another place or object is not; a pack that
//! is cut off is not whole, wherever the cut is. One data key encrypts one object, so that nonces can count.

mod assemble;
mod content;
mod decode;
mod directory;
mod encode;
mod error;
mod format;
mod frames;
mod ledger;
mod options;
mod protection;
mod seal;
mod seek;
mod walk;

pub use assemble::Assembler;
pub use decode::Decoder;
pub use directory::{Directory, FramePlace, Page};
pub use encode::Encoder;
pub use error::PackError;
pub use format::{
    BLOCK_BYTES, BLOCK_BYTES_MAX, BLOCK_BYTES_MIN, FRAMES_PER_PAGE, HEADER_BYTES_MAX, MAGIC, ObjectId,
    PREFIX_BYTES, PackHeader, SEGMENT_OVERHEAD, TRAILER_BYTES, Trailer, VERSION, header_bytes,
};
pub use frames::{FrameInfo, FrameOpener};
pub use options::{PackOptions, ReadOptions};
pub use protection::Protection;
pub use seal::{Contexts, FrameSealer, begin};
pub use seek::{ReadAt, SeekableReader};
pub use walk::{Segment, SegmentKind, Summary, Walker};
