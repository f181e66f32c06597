//! The readers of the crate `rustfs-rio-v2` (RustFS 1.0.0-beta.8 and later), over S2 and DARE 2.0, compatible with MinIO.
//!
//! * `compression`: [`CompressReader`], [`DecompressReader`], over [`crate::s2`].
//! * `encryption`: [`EncryptReader`], [`DecryptReader`], over [`crate::dare`]; [`derive_part_key`].
//! * `index`: [`minio_index_storage_bytes`], [`decode_minio_index_bytes`].

mod compression;
mod encryption;
mod index;

pub use compression::{CompressReader, DecompressReader};
pub use encryption::{DecryptReader, EncryptReader, derive_part_key};
pub use index::{decode_minio_index_bytes, minio_index_storage_bytes};

pub use crate::checksum::read_checksums;
pub use crate::hash::HashReader;
pub use crate::reader::{
    DynReader, EtagReader, EtagResolvable, HardLimitReader, HashReaderDetector, HashReaderMut, LimitReader,
    ReadStream, Reader, ReaderCapabilities, TryGetIndex, WarpReader, boxed_reader, resolve_etag_generic,
    wrap_reader,
};
pub use crate::rustfs::{CompressionAlgorithm, DEFAULT_ENCRYPTION_BLOCK_SIZE, Index};
