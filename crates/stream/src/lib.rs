//! Readers, writers and formats of stored objects. The formats are state machines without I/O: bytes go in in pieces of any size, and
//! bytes come out. The readers drive them from a [`tokio::io::AsyncRead`].
//!
//! Modules, in reading order:
//!
//! * `key`: [`DataKey`], a secret that is wiped and never shown.
//! * [`checksum`]: one or several checksums in one pass, and the types that object metadata and S3 headers use.
//! * [`keys`]: key providers, which wrap the random key of each object.
//! * [`codec`]: block compression behind one type, dictionaries, and policies that choose per block.
//! * [`dare`]: authenticated encryption in packages of 64 KiB (DARE 2.0).
//! * [`s2`]: compression in blocks with checksums (S2 and Snappy streams).
//! * [`rustfs`]: the formats of RustFS: compressed blocks, their index, encrypted blocks.
//! * [`reader`]: the traits of readers, and readers that count and hash.
//! * [`hash`]: [`HashReader`](hash::HashReader), which checks all that is known of an object.
//! * [`rio_v2`]: readers over S2 and DARE.
//! * [`pack`]: how Rio stores new objects: compressed, encrypted, readable from anywhere.
//! * [`pipeline`]: packing on many threads.
//! * `transport`: readers and writers over HTTP, with the feature `http`.
//! * `writer`: [`Writer`], one of several.
//! * [`error`]: errors that callers look for inside an [`io::Error`](std::io::Error).
//! * `recording`: where readers and packs count what they do for a monitor.
//! * `varint`: numbers of variable length.
//!
//! What holds:
//!
//! * Nothing comes out that was not checked, and, where the format authenticates, nothing that was not authenticated.
//! * What a decoder holds is bounded by one unit of its format; what it appends by its input and one unit.
//! * No input makes it panic. After an error it stays in that error.
//! * A reader returns `Pending` only when its source did, which has the waker then.
//!
//! Not here: storage and key management.
#![forbid(unsafe_code)]

pub mod checksum;
pub mod codec;
pub mod dare;
pub mod error;
pub mod hash;
mod key;
pub mod keys;
pub mod pack;
pub mod pipeline;
pub mod reader;
mod recording;
pub mod rio_v2;
pub mod rustfs;
pub mod s2;
#[cfg(feature = "http")]
pub mod transport;
mod varint;
mod writer;

pub use key::{DataKey, KEY_BYTES};
pub use writer::Writer;
