//! Block codecs: one block of bytes becomes fewer, or stays as it is.
//!
//! * `method`: [`Codec`], what a format names in one byte; [`Method`], a codec with its level.
//! * `contexts`: [`Codecs`], the state of all codecs of one thread, reused from block to block.
//! * `library`: each library behind the same two calls.
//! * `dictionary`: [`Dictionary`], what many small objects have in common.
//! * `policy`: [`CodecPolicy`] chooses a method per block; [`Fixed`] and [`Adaptive`] are built in.
//! * `estimate`: what a glance at a block tells about it.
//!
//! What holds: a block never grows, it is stored raw instead; what is decompressed is as long as declared and never longer; after the
//! first blocks, `none`, `lz4`, `zstd`, `deflate` and `gzip` allocate nothing. `s2` and `snappy` allocate one vector per block and
//! `brotli` its tables, inside their libraries.

mod contexts;
mod dictionary;
mod error;
mod estimate;
mod library;
mod method;
mod policy;

pub use contexts::Codecs;
pub use dictionary::{DICTIONARY_BYTES_MAX, Dictionary, DictionaryId};
pub use error::CodecError;
pub use estimate::{Estimate, SAMPLE_BYTES};
pub use method::{Codec, Method};
pub use policy::{Adaptive, Block, CodecPolicy, Fixed, Outcome};
