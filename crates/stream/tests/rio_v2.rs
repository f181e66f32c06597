//! The readers over S2 and DARE against the golden vectors, pauses and cuts.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

mod source;

use std::io::ErrorKind;

use rustfs_rio_stream::rio_v2::*;
use source::{Source, all, drain, fixture, mixed};

const ANY: CompressionAlgorithm = CompressionAlgorithm::Lz4;

fn key() -> [u8; 32] {
    std::array::from_fn(|i| i as u8)
}

fn nonce() -> [u8; 12] {
    std::array::from_fn(|i| 0xa0 + i as u8)
}

#[test]
fn golden_streams() {
    let hello = b"hello world, hello world, hello world!";
    assert_eq!(all(CompressReader::new(&hello[..], ANY)), fixture("s2/v1/hello"));
    assert_eq!(all(DecompressReader::new(&fixture("s2/v1/hello")[..], ANY)), hello);
    let plain = b"hello sse encrypt";
    assert_eq!(all(EncryptReader::new(&plain[..], key(), nonce())), fixture("dare/v2/aes-hello"));
    for name in ["aes-hello", "chacha-hello"] {
        let stream = fixture(&format!("dare/v2/{name}"));
        assert_eq!(all(DecryptReader::new(&stream[..], key(), nonce())), plain);
        assert_eq!(all(DecryptReader::new_with_object_key(&stream[..], key())), plain);
    }
    assert_eq!(derive_part_key([0; 32], 1)[..4], [0xa3, 0xe7, 0x18, 0x1c]);
}

#[test]
fn s2_survives_pauses_and_concatenation() {
    let data = mixed((2 << 20) + 123);
    let source = Source::new(&data, &[(257, true), (70_000, false)]);
    let stream = all(CompressReader::new(source, ANY));
    let two = [&stream[..], &stream].concat();
    let plain = all(DecompressReader::new(Source::new(&two, &[(65_537, true), (13, true)]), ANY));
    assert!(plain == data.repeat(2));
}

#[test]
fn padding_hides_the_length() {
    for len in [1, 200, 300_000] {
        let stream = all(CompressReader::with_encrypted_padding(&mixed(len)[..], ANY));
        assert_eq!(stream.len() % 256, 0);
        assert!(all(DecompressReader::new(&stream[..], ANY)) == mixed(len));
    }
    assert_eq!(all(CompressReader::with_encrypted_padding(&b""[..], ANY)), b"");
    let reader = CompressReader::with_block_size(&b"x"[..], 0, ANY);
    assert_eq!(drain(reader, 10).1.unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn an_index_names_beginnings_of_blocks() {
    let small = vec![0; 8 << 20];
    let mut reader = CompressReader::new(&small[..], ANY);
    all(&mut reader);
    assert!(reader.try_get_index().is_none());
    let data = mixed((9 << 20) + 5);
    let mut reader = CompressReader::new(&data[..], ANY);
    let stream = all(&mut reader);
    let index = reader.try_get_index().unwrap();
    assert_eq!((index.total_uncompressed, index.total_compressed), (data.len() as i64, stream.len() as i64));
    assert_eq!((index.entries()[0].compressed_offset, index.entries()[0].uncompressed_offset), (10, 0));
    let (at, plain) = index.find((5 << 20) + 99).unwrap();
    assert_eq!(plain, 5 << 20);
    assert!(all(DecompressReader::new(&stream[at as usize..], ANY)) == data[5 << 20..]);
    let again = decode_minio_index_bytes(&minio_index_storage_bytes(index)).unwrap();
    assert_eq!(again.entries(), index.entries());
}

#[test]
fn objects_and_parts_round_trip() {
    let data = mixed(150_000);
    let schedule = [(1000, true), (66_000, false)];
    let stream = all(EncryptReader::new_with_object_key(Source::new(&data, &schedule), key()));
    assert!(all(DecryptReader::new_with_object_key(Source::new(&stream, &schedule), key())) == data);
    let tail = &stream[65_568..];
    assert!(all(DecryptReader::new_with_object_key_and_sequence(tail, key(), 1)) == data[65_536..]);
    let part = |number| all(EncryptReader::new_multipart_with_object_key(&data[..], key(), number));
    let parts = [part(1), part(5)].concat();
    assert!(
        all(DecryptReader::new_multipart_with_object_key(&parts[..], key(), vec![1, 5])) == data.repeat(2)
    );
    let tail = &parts[65_568..];
    let reader = DecryptReader::new_multipart_with_object_key_and_sequence(tail, key(), vec![1, 5], 1);
    assert!(all(reader) == [&data[65_536..], &data].concat());
    let part = |number| all(EncryptReader::new_multipart(&data[..], key(), nonce(), number));
    let parts = [part(1), part(2)].concat();
    assert!(all(DecryptReader::new_multipart(&parts[..], key(), nonce(), vec![1, 2])) == data.repeat(2));
    let missing = drain(DecryptReader::new_multipart(&parts[..], key(), nonce(), vec![1, 2, 3]), 9999).1;
    assert_eq!(missing.unwrap_err().kind(), ErrorKind::UnexpectedEof);
}

#[test]
fn a_cut_is_detected() {
    let stream = all(EncryptReader::new(&[0; 65_539][..], key(), nonce()));
    let (plain, end) = drain(DecryptReader::new(&stream[..65_568], key(), nonce()), 1000);
    let error = end.unwrap_err();
    assert_eq!((plain.len(), error.kind()), (65_536, ErrorKind::UnexpectedEof));
    assert!(error.to_string().starts_with("DARE stream truncated before a finalized package"));
    assert_eq!(all(DecryptReader::new(&b""[..], key(), nonce())), b"");
}
