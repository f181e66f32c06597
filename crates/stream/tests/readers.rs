//! Readers with the call shapes and behaviour of the original: limits, ETags, hashing, and what can be asked through layers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

mod source;

use std::error::Error;
use std::io::ErrorKind;

use http::HeaderMap;
use proptest::prelude::*;
use rustfs_rio_stream::checksum::{Checksum, ChecksumType};
use rustfs_rio_stream::error::*;
use rustfs_rio_stream::hash::{HashReader, TrailingHeaders};
use rustfs_rio_stream::reader::*;
use rustfs_rio_stream::rustfs::{
    CompressReader, CompressionAlgorithm, DecompressReader, DecryptReader, EncryptReader,
};
use source::{Source, all, drain, mixed};
use tokio::io::{AsyncReadExt, ReadBuf};

const HELLO: &[u8] = b"hello world";
const HELLO_MD5: &str = "5eb63bbbe01eeed093cb22bb8f5acdc3";
const HELLO_SHA256: &str = "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9";

fn stream(data: &'static [u8], size: i64, md5: Option<&str>, sha256: Option<&str>) -> HashReader {
    let owned = |text: Option<&str>| text.map(str::to_owned);
    HashReader::from_stream(data, size, size, owned(md5), owned(sha256), false).unwrap()
}

fn fails<R: tokio::io::AsyncRead + Unpin>(mut reader: R) -> std::io::Error {
    let error = drain(&mut reader, 100).1.unwrap_err();
    let again = drain(&mut reader, 100).1.unwrap_err();
    assert_eq!(error.to_string(), again.to_string(), "an error stays");
    error
}

#[test]
fn soft_limits_end() {
    for (limit, expected) in [(11, HELLO), (5, b"hello"), (0, b""), (100, HELLO)] {
        assert_eq!(all(LimitReader::new(HELLO, limit)), expected);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut reader = LimitReader::new(&b"abcdefghij"[..], 7);
        let mut buffer = [0; 5];
        for (size, expected) in [(3, 3), (5, 4), (2, 0)] {
            assert_eq!(reader.read(&mut buffer[..size]).await.unwrap(), expected);
        }
    });
}

#[test]
fn hard_limits_are_exact() {
    assert_eq!(all(HardLimitReader::new(HELLO, 11)), HELLO);
    assert_eq!(all(HardLimitReader::new(&b""[..], 0)), b"");
    let (out, end) = drain(HardLimitReader::new(HELLO, 3), 100);
    let error = end.unwrap_err();
    assert_eq!((out.as_slice(), error.kind()), (&b"hel"[..], ErrorKind::Other));
    assert_eq!(error.to_string(), "input provided more bytes than specified");
    assert_eq!(fails(HardLimitReader::new(&b""[..], -1)).kind(), ErrorKind::Other);
    let error = fails(HardLimitReader::new(HELLO, 20));
    assert_eq!(
        (error.kind(), error.to_string()),
        (ErrorKind::UnexpectedEof, "Incomplete body: 9 bytes were still expected".to_owned())
    );
    assert_eq!(error.get_ref().unwrap().downcast_ref(), Some(&IncompleteBody { remaining: 9 }));
}

#[test]
fn etags() {
    let mut reader = EtagReader::new(WarpReader::new(HELLO), None);
    assert!(reader.is_etag_reader() && reader.try_resolve_etag().is_none());
    assert_eq!(all(&mut reader), HELLO);
    assert_eq!(resolve_etag_generic(&mut reader).as_deref(), Some(HELLO_MD5));
    assert_eq!((reader.get_etag().as_str(), reader.finished), (HELLO_MD5, true));
    let mut empty = EtagReader::new(&b""[..], None);
    all(&mut empty);
    assert_eq!(empty.get_etag(), "d41d8cd98f00b204e9800998ecf8427e");
    for expected in [HELLO_MD5.to_owned(), HELLO_MD5.to_uppercase()] {
        assert_eq!(all(EtagReader::new(HELLO, Some(expected))), HELLO);
    }
    let error = fails(EtagReader::new(HELLO, Some("0".repeat(32))));
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::InvalidData, "Checksum mismatch"));
    assert!(error.source().unwrap().is::<BadDigest>());
}

#[test]
fn a_read_into_nothing_is_not_the_end() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut reader = EtagReader::new(HELLO, None);
        assert_eq!(reader.read(&mut []).await.unwrap(), 0);
        assert!(!reader.finished);
        let mut reader = stream(HELLO, 11, Some(HELLO_MD5), None);
        assert_eq!(reader.read(&mut []).await.unwrap(), 0);
        let mut out = Vec::new();
        reader.read_to_end(&mut out).await.unwrap();
        assert_eq!(out, HELLO);
    });
}

#[test]
fn hash_reader_checks_all() {
    let mut reader = stream(HELLO, 11, Some(HELLO_MD5), Some(&HELLO_SHA256.to_uppercase()));
    assert_eq!(all(&mut reader), HELLO);
    assert_eq!((reader.try_resolve_etag().as_deref(), reader.bytes_read()), (Some(HELLO_MD5), 11));
    let error = fails(stream(HELLO, 11, None, Some(&"0".repeat(64))));
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::InvalidData, "SHA256 mismatch"));
    assert!(error.source().unwrap().is::<Sha256Mismatch>());
    assert_eq!(fails(stream(HELLO, 11, Some(&"0".repeat(32)), None)).to_string(), "Checksum mismatch");
    assert_eq!(fails(stream(HELLO, 10, None, None)).kind(), ErrorKind::Other);
    assert_eq!(fails(stream(HELLO, 12, None, None)).kind(), ErrorKind::UnexpectedEof);
    assert_eq!(fails(stream(HELLO, 0, None, None)).kind(), ErrorKind::Other);
    let mut unknown = stream(HELLO, -1, None, None);
    assert_eq!((all(&mut unknown).as_slice(), unknown.try_resolve_etag()), (HELLO, None));
    let mut off = HashReader::from_stream(HELLO, 11, 11, None, None, true).unwrap();
    assert_eq!((all(&mut off).as_slice(), off.try_resolve_etag()), (HELLO, None));
}

#[test]
fn a_size_that_is_learnt_later_counts() {
    for (size, good) in [(11, true), (10, false), (12, false)] {
        let mut reader = stream(HELLO, -1, None, None);
        reader.update_params(size, 5, Some("etag".to_owned()));
        reader.update_params(7, 6, None);
        assert_eq!((reader.size(), reader.actual_size(), reader.checksum()), (size, 5, None));
        assert_eq!(drain(reader, 4).1.is_ok(), good, "{size}");
    }
}

#[test]
fn a_hash_reader_is_replaced_by_a_new_one() {
    let sha = HELLO_SHA256.to_owned();
    let mut inner = stream(HELLO, -1, None, Some(&sha));
    inner.add_calculated_checksum(ChecksumType::CRC32).unwrap();
    let mut reader =
        HashReader::new(boxed_reader(inner), 11, 11, Some(HELLO_MD5.to_owned()), None, false).unwrap();
    assert_eq!((reader.size(), reader.content_sha256().clone()), (11, Some(sha)));
    assert_eq!(all(&mut reader), HELLO);
    assert_eq!(reader.content_crc()["CRC32"], "DUoRhQ==");
    let new = |inner: HashReader, size: i64, md5: Option<&str>| {
        HashReader::new(boxed_reader(inner), size, 0, md5.map(str::to_owned), None, false).map(|_| ())
    };
    let text = |result: std::io::Result<()>| result.unwrap_err().to_string();
    assert_eq!(
        text(new(stream(HELLO, 11, None, None), 12, None)),
        "HashReader size mismatch: expected 11, got 12"
    );
    let other = "0".repeat(32);
    assert_eq!(
        text(new(stream(HELLO, 11, Some(HELLO_MD5), None), 11, Some(&other))),
        "HashReader checksum mismatch"
    );
    let mut read = stream(HELLO, 11, None, None);
    all(&mut read);
    assert_eq!(text(new(read, 11, None)), "Cannot create HashReader from an already read HashReader");
    // The new expectation is checked, though the layer below was made without it.
    let reader =
        HashReader::new(boxed_reader(stream(HELLO, 11, None, None)), 11, 11, Some(other), None, false);
    assert_eq!(fails(reader.unwrap()).to_string(), "Checksum mismatch");
}

#[test]
fn layers_over_a_hash_reader_stay() {
    let inner = stream(HELLO, 11, Some(HELLO_MD5), None);
    let compressed = CompressReader::new(inner, CompressionAlgorithm::Zstd);
    let mut reader = HashReader::new(boxed_reader(compressed), 11, 11, None, None, false).unwrap();
    let written = all(&mut reader);
    assert_eq!(all(DecompressReader::new(&written[..], CompressionAlgorithm::Zstd)), HELLO);
    assert_eq!(reader.try_resolve_etag().as_deref(), Some(HELLO_MD5));
    let warped = HashReader::new(wrap_reader(stream(HELLO, 11, None, None)), 11, 11, None, None, false);
    assert_eq!(all(warped.unwrap()), HELLO);
}

#[test]
fn announced_checksums_are_checked() {
    let header = |name: &'static str, value: &str| {
        HeaderMap::from_iter([(http::HeaderName::from_static(name), value.parse().unwrap())])
    };
    let mut reader = stream(HELLO, 11, None, None);
    reader.add_checksum_from_s3s(&header("x-amz-checksum-crc32", "DUoRhQ=="), None, false).unwrap();
    assert_eq!(all(&mut reader), HELLO);
    assert_eq!(reader.content_crc()["CRC32"], "DUoRhQ==");
    let mut reader = stream(HELLO, 11, None, None);
    reader.add_checksum_no_trailer(&header("x-amz-checksum-crc32", "AAAAAA=="), false).unwrap();
    let error = fails(reader);
    let expected = ChecksumMismatch { want: "00000000".to_owned(), got: "0d4a1185".to_owned() };
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert_eq!(error.get_ref().unwrap().downcast_ref(), Some(&expected));
    let mut ignoring = stream(HELLO, 11, None, None);
    ignoring.add_checksum_no_trailer(&header("x-amz-checksum-crc32", "AAAAAA=="), true).unwrap();
    assert_eq!(all(ignoring), HELLO);

    let announce = header("x-amz-trailer", "x-amz-checksum-crc32");
    let trailing = |value: Option<&str>| {
        let trailer = TrailingHeaders::new();
        let mut reader = stream(HELLO, 11, None, None);
        reader.add_checksum_from_s3s(&announce, Some(trailer.clone()), false).unwrap();
        assert!(reader.content_crc_type().unwrap().trailing() && reader.content_crc().is_empty());
        if let Some(value) = value {
            trailer.set(header("x-amz-checksum-crc32", value));
        }
        let end = drain(&mut reader, 7).1;
        (reader.content_crc(), end)
    };
    let (crc, end) = trailing(Some("DUoRhQ=="));
    end.unwrap();
    assert_eq!(crc["CRC32"], "DUoRhQ==");
    assert_eq!(trailing(None).1.unwrap_err().to_string(), "Content hash mismatch");
    assert_eq!(trailing(Some("?")).1.unwrap_err().to_string(), "Invalid base64 checksum");
    assert!(is_checksum_mismatch(trailing(Some("AAAAAA==")).1.unwrap_err().get_ref().unwrap()));
    let mut reader = stream(HELLO, 11, None, None);
    let error = reader.add_calculated_checksum(ChecksumType::NONE).unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::InvalidData, "Invalid checksum type"));
    reader.add_calculated_checksum(ChecksumType::CRC64_NVME).unwrap();
    assert_eq!(reader.checksum(), None);
    all(&mut reader);
    assert_eq!(reader.checksum(), Checksum::new_from_data(ChecksumType::CRC64_NVME, HELLO));
}

#[test]
fn capabilities_pass_through() {
    let (key, nonce) = ([1; 32], [2; 12]);
    for algorithm in CompressionAlgorithm::ALL {
        let hashed = stream(HELLO, 11, None, None);
        let mut reader: DynReader =
            boxed_reader(EncryptReader::new(CompressReader::new(hashed, algorithm), key, nonce));
        assert!(reader.is_hash_reader() && reader.try_resolve_etag().is_none());
        assert_eq!(reader.as_hash_reader_mut().unwrap().size(), 11);
        let outer = HashReader::from_reader(reader, HashReader::SIZE_PRESERVE_LAYER, 11, None, None, false);
        let mut outer = outer.unwrap();
        let stored = all(&mut outer);
        assert_eq!(outer.try_resolve_etag().as_deref(), Some(HELLO_MD5));
        assert!(outer.try_get_index().is_some());
        let plain = DecompressReader::new(DecryptReader::new(&stored[..], key, nonce), algorithm);
        assert_eq!(all(plain), HELLO);
    }
    let mut warped = wrap_reader(stream(HELLO, 11, None, None));
    assert!(
        !warped.is_hash_reader() && warped.as_hash_reader_mut().is_none() && warped.try_get_index().is_none()
    );
}

#[test]
fn the_inner_reader_comes_out() {
    let mut reader = stream(HELLO, 11, None, None);
    assert_eq!(all(reader.take_inner()), HELLO);
    assert_eq!(all(HashReader::into_inner(stream(HELLO, 11, None, None))), HELLO);
}

#[test]
fn whole_buffers() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut buffer = [0; 6];
        assert_eq!(read_full(&b"abc"[..], &mut buffer).await.unwrap(), 3);
        assert_eq!(read_full(Source::new(HELLO, &[(1, true)]), &mut buffer).await.unwrap(), 6);
        let error = read_full(&b""[..], &mut buffer).await.unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::UnexpectedEof, "early EOF"));
        assert_eq!(read_full_or_eof(&b""[..], &mut buffer).await.unwrap(), None);
        assert_eq!(read_full(&b""[..], &mut []).await.unwrap(), 0);
        let error = read_full(HardLimitReader::new(HELLO, 3), &mut buffer).await.unwrap_err();
        assert_eq!(error.to_string(), "read 3 bytes, error: input provided more bytes than specified");
        let mut out = std::io::Cursor::new(Vec::new());
        assert_eq!(write_all(&mut out, HELLO).await.unwrap(), 11);
    });
    let _: ReadBuf<'_> = ReadBuf::new(&mut []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_pieces_and_pauses_give_the_same(
        len in 0usize..9000, schedule in prop::collection::vec((1usize..700, any::<bool>()), 1..6), buffer in 1usize..900,
    ) {
        let data = mixed(len);
        let expected = rustfs_rio_stream::checksum::Algorithm::Md5.digest(&data).to_hex();
        let source = Source::new(&data, &schedule);
        let reader = HashReader::from_stream(source, len as i64, len as i64, None, None, false).unwrap();
        let mut reader = LimitReader::new(reader, usize::MAX);
        let (out, end) = drain(&mut reader, buffer);
        end.unwrap();
        prop_assert!(out == data);
        prop_assert_eq!(reader.try_resolve_etag(), Some(expected));
    }
}
