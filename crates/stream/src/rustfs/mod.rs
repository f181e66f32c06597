//! The formats of RustFS: a stream of compressed blocks, its index, and a stream of encrypted blocks.
//!
//! * `codec`: [`CompressionAlgorithm`], [`compress_block`], [`decompress_block`].
//! * `block`: headers and errors of the block stream, `docs/formats/rustfs-block.md`.
//! * `encode`, `decode`: [`BlockEncoder`] and [`BlockDecoder`], without I/O; `walk` finds blocks without decompressing.
//! * `index`, `layout`: [`Index`] and its two layouts, `docs/formats/rustfs-index.md`.
//! * `sealed`, `seal`, `open`: [`SealEncoder`] and [`OpenDecoder`], without I/O, `docs/formats/rustfs-encrypted.md`.
//! * `compression`, `encryption`: [`CompressReader`], [`DecompressReader`], [`EncryptReader`], [`DecryptReader`] over them.
//!
//! The block stream has checksums and no end, and the encrypted stream does not authenticate order or end: what is written for
//! compatibility is bound to that. For new data use the packed format or [`crate::dare`].

mod block;
mod codec;
mod compression;
mod decode;
mod encode;
mod encryption;
mod index;
mod layout;
mod open;
mod seal;
mod sealed;
mod walk;

pub use block::{BLOCK_BYTES, BLOCK_BYTES_MAX, BLOCK_BYTES_WRITTEN_MAX, BlockError};
pub use codec::{CompressionAlgorithm, compress_block, decompress_block};
pub use compression::{CompressReader, DecompressReader};
pub use decode::BlockDecoder;
pub use encode::BlockEncoder;
pub use encryption::{DEFAULT_ENCRYPTION_BLOCK_SIZE, DecryptReader, EncryptReader};
pub use index::{Index, IndexInfo, MAX_INDEX_ENTRIES, MIN_INDEX_DIST};
pub use layout::{IndexLayout, remove_index_headers, restore_index_headers};
pub use open::OpenDecoder;
pub use seal::SealEncoder;
pub use sealed::{SEALED_BLOCK_BYTES, SealedError, multipart_part_nonce};
pub use walk::{FrameHead, frame_head};

pub(crate) use layout::{parse_zigzag, put_zigzag};
