//! Code that was written against the original compiles against the facade, and does what it did there.
#![cfg(feature = "stream")]

use rustfs_rio::{
    BadDigest, Checksum, ChecksumMismatch, ChecksumType, CompressReader, CompressionAlgorithm,
    DEFAULT_ENCRYPTION_BLOCK_SIZE, DecompressReader, DecryptReader, DynReader, EncryptReader, EtagReader,
    EtagResolvable, HardLimitReader, HashReader, HashReaderDetector, HashReaderMut, Index, LimitReader,
    ReadStream, Reader, TryGetIndex, WarpReader, Writer, boxed_reader, get_content_checksum,
    is_checksum_mismatch, read_checksums, resolve_etag_generic, wrap_reader,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const DATA: &[u8] = b"an object that passes through all of it";

fn pipeline<R: ReadStream + 'static>(source: R) -> std::io::Result<DynReader> {
    let size = DATA.len() as i64;
    let hashed = HashReader::from_stream(source, size, size, None, None, false)?;
    let compressed = CompressReader::new(hashed, CompressionAlgorithm::default());
    let encrypted = EncryptReader::new(compressed, [1; 32], [2; 12]);
    let outer = HashReader::from_reader(encrypted, HashReader::SIZE_PRESERVE_LAYER, size, None, None, false)?;
    Ok(boxed_reader(outer))
}

#[tokio::test]
async fn a_pipeline_of_the_original_compiles_and_reads_back() {
    let mut reader = pipeline(DATA).unwrap();
    let mut stored = Vec::new();
    reader.read_to_end(&mut stored).await.unwrap();
    assert_eq!(resolve_etag_generic(&mut reader).unwrap().len(), 32);
    assert!(reader.is_hash_reader() && reader.try_get_index().is_some_and(|index: &Index| index.len() == 1));
    assert_eq!(
        reader.as_hash_reader_mut().map(|found: &mut dyn HashReaderMut| found.bytes_read()),
        Some(stored.len() as u64)
    );
    let plain = DecryptReader::new(wrap_reader(std::io::Cursor::new(stored)), [1; 32], [2; 12]);
    let mut plain = LimitReader::new(DecompressReader::new(plain, CompressionAlgorithm::default()), 1 << 20);
    let mut read = Vec::new();
    plain.read_to_end(&mut read).await.unwrap();
    assert_eq!(read, DATA);
}

#[tokio::test]
async fn etags_and_limits_compose() {
    let limited = HardLimitReader::new(WarpReader::new(DATA), DATA.len() as i64);
    let mut reader: Box<dyn Reader> = Box::new(EtagReader::new(limited, None));
    let mut read = Vec::new();
    reader.read_to_end(&mut read).await.unwrap();
    assert!(reader.try_resolve_etag().is_some());
    let mut writer = Writer::from_cursor(std::io::Cursor::new(Vec::new()));
    writer.write_all(&read).await.unwrap();
    assert_eq!(writer.into_cursor_inner().as_deref(), Some(DATA));
}

#[test]
fn checksums_and_errors_have_their_names() {
    let checksum = Checksum::new_from_data(ChecksumType::CRC32C, DATA).unwrap();
    let (found, multipart) = read_checksums(&checksum.to_bytes(&[]), 0);
    assert_eq!((found.get("CRC32C"), multipart), (Some(&checksum.encoded), false));
    assert!(is_checksum_mismatch(&ChecksumMismatch { want: String::new(), got: String::new() }));
    assert!(!is_checksum_mismatch(&BadDigest { expected_md5: String::new(), calculated_md5: String::new() }));
    assert!(get_content_checksum(&Default::default()).unwrap().is_none());
    assert_eq!(DEFAULT_ENCRYPTION_BLOCK_SIZE, 1 << 20);
}
