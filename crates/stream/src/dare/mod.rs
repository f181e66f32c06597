//! DARE 2.0: authenticated encryption of a stream in packages of 64 KiB; `docs/formats/dare-v2.md` specifies the bytes.
//!
//! * `format`: sizes, headers, ciphers and nonces.
//! * `seal`: [`Sealer`] makes packages, [`Encoder`] a stream from pieces of any size.
//! * `open`: [`Decoder`] reads a stream of one or several parts.
//!
//! A [`Decoder`] notices every change, swap, repetition and loss of packages, and the loss of whole parts of several. What it
//! cannot notice: that a whole stream was replaced by an older one under the same key; that an object lost all of its packages, unless
//! its length is declared ([`Part::declaring`]).

mod error;
mod format;
mod open;
mod seal;

pub use error::DareError;
pub use format::{
    Cipher, HEADER_BYTES, PACKAGE_BYTES, PAYLOAD_BYTES, StreamNonce, TAG_BYTES, VERSION, encrypted_bytes,
    part_key,
};
pub use open::{Decoder, Part};
pub use seal::{Encoder, Sealer};
