//! Checksums: one algorithm, several in one pass, and the types that object metadata and S3 headers use.
//!
//! * `algorithm`: [`Algorithm`], [`Digest`], and [`Hasher`] for one algorithm.
//! * `multi`: [`MultiHasher`] for several algorithms in one pass over the data.
//! * `kind`: [`ChecksumType`], the bits that object metadata stores.
//! * `value`: [`Checksum`], a type with its value; parts are combined here.
//! * `list`: checksums as object metadata stores them, [`read_checksums`] and [`read_part_checksums`].
//! * `header`: [`get_content_checksum`] finds what a request announces.
//! * `hasher`: [`ChecksumHasher`], the interface of the original.
//!
//! XXH3 and BLAKE3 have no bit in [`ChecksumType`]: the bits are stored, and others may give new ones a meaning.

mod algorithm;
mod hasher;
mod header;
mod kind;
mod list;
mod multi;
mod value;

pub use algorithm::{Algorithm, DIGEST_BYTES_MAX, Digest, Hasher, UnknownAlgorithm};
pub use hasher::{
    ChecksumHasher, Crc32CastagnoliHasher, Crc32IeeeHasher, Crc64NvmeHasher, Sha1Hasher, Sha256Hasher,
};
pub use header::get_content_checksum;
pub use kind::{
    BASE_CHECKSUM_TYPES, ChecksumType, RUSTFS_MULTIPART_CHECKSUM, RUSTFS_MULTIPART_CHECKSUM_TYPE, SHA256_SIZE,
};
pub use list::{decode_varint, read_checksums, read_part_checksums};
pub use multi::MultiHasher;
pub use value::Checksum;

pub(crate) use algorithm::hex;
