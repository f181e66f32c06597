//! Formats of stored objects, as state machines without I/O: bytes go in in pieces of any size, and bytes come out.
//!
//! Modules, in reading order:
//!
//! * `key`: [`DataKey`], a secret that is wiped and never shown.
//! * [`checksum`]: one or several checksums in one pass, and the types that object metadata and S3 headers use.
//! * [`codec`]: block compression behind one type, dictionaries, and policies that choose per block.
//! * [`dare`]: authenticated encryption in packages of 64 KiB (DARE 2.0).
//! * [`s2`]: compression in blocks with checksums (S2 and Snappy streams).
//! * [`error`]: errors that callers look for inside an [`io::Error`](std::io::Error).
//!
//! What holds:
//!
//! * Nothing comes out that was not checked, and, where the format authenticates, nothing that was not authenticated.
//! * What a decoder holds is bounded by one unit of its format; what it appends by its input and one unit.
//! * No input makes it panic. After an error it stays in that error.
//!
//! Not here: storage and key management.
#![forbid(unsafe_code)]

pub mod checksum;
pub mod codec;
pub mod dare;
pub mod error;
mod key;
pub mod s2;
mod varint;

pub use key::{DataKey, KEY_BYTES};
