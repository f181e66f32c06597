//! The index as MinIO keeps it in object metadata; `docs/formats/s2.md` specifies the bytes.

use bytes::Bytes;

use crate::rustfs::{Index, parse_zigzag, put_zigzag};
use crate::s2::strip_index_chunk;

/// The form that object metadata holds: without the chunk's header, magic, size and trailer.
pub fn minio_index_storage_bytes(index: &Index) -> Bytes {
    let mut index = index.clone();
    index.thin();
    let mut out = Vec::new();
    put_zigzag(&index, &mut out);
    out.into()
}

/// Reads the form that object metadata holds, or the chunk that ends a stream. `None` for what is not whole and consistent.
pub fn decode_minio_index_bytes(bytes: &Bytes) -> Option<Index> {
    let stored = strip_index_chunk(bytes).unwrap_or(bytes);
    parse_zigzag(stored).ok()
}
