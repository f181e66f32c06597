//! What the fuzz targets and the smoke test run: each takes any bytes, ends without a panic, and checks what must hold.
//!
//! The first byte of an input chooses how it is read: the size of the pieces, and the algorithm where there are several.

use rustfs_rio_stream::DataKey;
use rustfs_rio_stream::checksum::{
    Checksum, ChecksumType, decode_varint, read_checksums, read_part_checksums,
};
use rustfs_rio_stream::rio_v2::{decode_minio_index_bytes, minio_index_storage_bytes};
use rustfs_rio_stream::rustfs::{
    BlockDecoder, BlockError, CompressionAlgorithm, Index, OpenDecoder, SealedError,
};
use rustfs_rio_stream::{dare, s2};

/// What a compressed stream may become here, in bytes.
const LIMIT: u64 = 8 << 20;

/// A target: takes any bytes.
pub(crate) type Entry = fn(&[u8]);

/// All targets by name, which is that of their seeds' folder.
pub(crate) const ENTRIES: [(&str, Entry); 6] = [
    ("rustfs_block", rustfs_block),
    ("rustfs_index", rustfs_index),
    ("rustfs_encrypted", rustfs_encrypted),
    ("dare", dare_stream),
    ("s2", s2_stream),
    ("checksum_list", checksum_list),
];

fn key() -> DataKey {
    DataKey::from(std::array::from_fn(|i| i as u8))
}

fn nonce() -> [u8; 12] {
    std::array::from_fn(|i| 0xa0 + i as u8)
}

/// The RustFS block stream: the same for any pieces, within its limit.
pub(crate) fn rustfs_block(input: &[u8]) {
    fn decode(
        stream: &[u8],
        algorithm: CompressionAlgorithm,
        piece: usize,
    ) -> (Vec<u8>, Result<(), BlockError>) {
        let mut decoder = BlockDecoder::new(algorithm).limiting(LIMIT);
        let mut out = Vec::new();
        for mut piece in stream.chunks(piece) {
            while !piece.is_empty() {
                match decoder.push(piece, &mut out) {
                    Ok(used) => piece = piece.get(used..).unwrap_or_default(),
                    Err(error) => return (out, Err(error)),
                }
            }
        }
        let end = decoder.finish();
        (out, end)
    }
    let Some((choice, stream)) = input.split_first() else { return };
    let algorithms = CompressionAlgorithm::ALL;
    let Some(algorithm) = algorithms.get(usize::from(*choice) % algorithms.len()) else { return };
    let whole = decode(stream, *algorithm, stream.len().max(1));
    assert!(whole.0.len() as u64 <= LIMIT, "more comes out than is allowed");
    assert!(whole == decode(stream, *algorithm, usize::from(*choice / 7) + 1), "pieces matter");
    let _ = Index::rebuild(std::io::Cursor::new(stream));
}

/// The index in all its layouts: what was read consistently is found again.
pub(crate) fn rustfs_index(input: &[u8]) {
    let mut index = Index::new();
    if index.load(input).is_ok() {
        let mut again = Index::new();
        if again.load(&index.clone().into_vec()).is_ok() {
            assert_eq!(again.total_uncompressed, index.total_uncompressed, "totals change");
        }
        for offset in [0, 1, -1, i64::MAX, i64::MIN, index.total_uncompressed] {
            if let Ok((compressed, plain)) = index.find(offset) {
                assert!(compressed >= 0 && plain >= 0, "a place before the beginning");
            }
        }
    }
    let _ = Index::new().load_stream(std::io::Cursor::new(input));
    if let Some(index) = decode_minio_index_bytes(&input.to_vec().into()) {
        let again = decode_minio_index_bytes(&minio_index_storage_bytes(&index));
        assert!(
            again.is_some_and(|again| index.len() > 1000 || again.entries() == index.entries()),
            "entries change"
        );
    }
}

/// The RustFS encrypted stream, of one object and of several parts: the same for any pieces, never longer than the input.
pub(crate) fn rustfs_encrypted(input: &[u8]) {
    fn open(mut decoder: OpenDecoder, stream: &[u8], piece: usize) -> (Vec<u8>, Result<(), SealedError>) {
        let mut out = Vec::new();
        for piece in stream.chunks(piece) {
            if let Err(error) = decoder.push(piece, &mut out) {
                return (out, Err(error));
            }
        }
        let end = decoder.finish();
        (out, end)
    }
    let Some((choice, stream)) = input.split_first() else { return };
    let decoder = || match choice & 1 {
        0 => OpenDecoder::new(&key(), nonce()),
        _ => OpenDecoder::parts(&key(), nonce(), vec![2, 3]),
    };
    let whole = open(decoder(), stream, stream.len().max(1));
    assert!(whole.0.len() <= stream.len(), "more comes out than went in");
    assert_eq!(whole, open(decoder(), stream, usize::from(*choice / 2) + 1), "pieces matter");
}

/// DARE 2.0: the same for any pieces, never longer than the input.
pub(crate) fn dare_stream(input: &[u8]) {
    fn decode(stream: &[u8], piece: usize) -> (Vec<u8>, Result<(), dare::DareError>) {
        let mut decoder = dare::Decoder::new(vec![dare::Part::new(key()), dare::Part::new(key())]);
        let mut out = Vec::new();
        for piece in stream.chunks(piece) {
            if let Err(error) = decoder.push(piece, &mut out) {
                return (out, Err(error));
            }
        }
        let end = decoder.finish();
        (out, end)
    }
    let Some((piece, stream)) = input.split_first() else { return };
    let whole = decode(stream, stream.len().max(1));
    assert!(whole.0.len() <= stream.len(), "more comes out than went in");
    assert_eq!(whole, decode(stream, usize::from(*piece) + 1), "pieces matter");
}

/// The S2 stream and its index: the same for any pieces, within a declared length.
pub(crate) fn s2_stream(input: &[u8]) {
    fn decode(stream: &[u8], piece: usize) -> (Vec<u8>, Result<(), s2::S2Error>) {
        let (mut decoder, mut out) = (s2::Decoder::new().declaring(LIMIT), Vec::new());
        for mut piece in stream.chunks(piece) {
            while !piece.is_empty() {
                match decoder.push(piece, &mut out) {
                    Ok(used) => piece = piece.get(used..).unwrap_or_default(),
                    Err(error) => return (out, Err(error)),
                }
            }
        }
        let end = decoder.finish();
        (out, end)
    }
    let Some((piece, stream)) = input.split_first() else { return };
    let whole = decode(stream, stream.len().max(1));
    assert!(whole.0.len() as u64 <= LIMIT, "more comes out than declared");
    assert!(whole == decode(stream, usize::from(*piece) + 1), "pieces matter");
    if let Ok(index) = s2::Index::decode(stream) {
        let again = s2::Index::decode(&index.to_stored());
        assert_eq!(again, Ok(index), "an index that was read is written the same");
    }
}

/// Checksum lists and values from text: bounded by the input.
pub(crate) fn checksum_list(input: &[u8]) {
    let _ = decode_varint(input);
    for part in [i32::MIN, 0, 1, 2, i32::MAX] {
        assert!(read_checksums(input, part).0.len() <= 6, "more algorithms than there are");
    }
    assert!(read_part_checksums(input).len() <= input.len(), "more parts than bytes");
    if let Ok(text) = std::str::from_utf8(input) {
        let (name, value) = text.split_once('=').unwrap_or(("crc32", text));
        if let Some(checksum) = Checksum::new_from_string(name, value) {
            assert!(checksum.valid(), "a value that is not valid");
            let (found, _) = read_checksums(&checksum.to_bytes(&[]), 0);
            assert_eq!(found.len(), 1 + usize::from(found.contains_key("x-amz-checksum-type")));
        }
        let _ = ChecksumType::from_string_with_obj_type(name, value);
    }
}
