//! The RustFS block stream against its golden files, any pieces and pauses, and damage.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

mod source;

use std::io::ErrorKind;

use proptest::collection::vec;
use proptest::prelude::*;
use rustfs_rio_stream::reader::TryGetIndex;
use rustfs_rio_stream::rustfs::*;
use source::{Source, all, drain, fixture, mixed};

const HELLO: &[u8] = b"hello world, hello world, hello world!";
const WRITTEN: [CompressionAlgorithm; 6] = [
    CompressionAlgorithm::Gzip,
    CompressionAlgorithm::Deflate,
    CompressionAlgorithm::Zstd,
    CompressionAlgorithm::Lz4,
    CompressionAlgorithm::Brotli,
    CompressionAlgorithm::Snappy,
];

fn encode(data: &[u8], algorithm: CompressionAlgorithm, block: usize) -> Vec<u8> {
    let mut encoder = BlockEncoder::with_block_bytes(algorithm, block).unwrap();
    let mut out = Vec::new();
    encoder.push(data, &mut out).unwrap();
    encoder.finish(&mut out).unwrap();
    out
}

fn decode(mut decoder: BlockDecoder, stream: &[u8]) -> (Vec<u8>, Result<(), BlockError>) {
    let (mut out, mut rest) = (Vec::new(), stream);
    while !rest.is_empty() {
        match decoder.push(rest, &mut out) {
            Ok(used) => rest = &rest[used..],
            Err(error) => {
                assert_eq!(decoder.push(rest, &mut out), Err(error.clone()), "an error stays");
                return (out, Err(error));
            }
        }
    }
    let end = decoder.finish();
    (out, end)
}

#[test]
fn golden_frames_are_written_and_read() {
    for algorithm in CompressionAlgorithm::ALL {
        let golden = fixture(&format!("rustfs-block/v1/hello-{algorithm}"));
        assert_eq!(encode(HELLO, algorithm, BLOCK_BYTES), golden, "{algorithm}");
        assert_eq!(all(CompressReader::new(HELLO, algorithm)), golden);
        assert_eq!(all(DecompressReader::new(&golden[..], algorithm)), HELLO, "{algorithm}");
    }
}

#[test]
fn golden_frames_of_one_byte() {
    for algorithm in [&WRITTEN[1..]].concat() {
        let golden = fixture(&format!("rustfs-block/v1/a-{algorithm}"));
        assert_eq!(encode(b"a", algorithm, BLOCK_BYTES), golden, "{algorithm}");
        assert_eq!(decode(BlockDecoder::new(algorithm), &golden), (b"a".to_vec(), Ok(())));
    }
}

#[test]
fn golden_damage_is_reported() {
    use CompressionAlgorithm::{Gzip, Zstd};
    let end = |name: &str, algorithm| {
        let stream = fixture(&format!("rustfs-block/v1/corrupt-{name}"));
        let (out, end) = decode(BlockDecoder::new(algorithm), &stream);
        assert!(out.is_empty());
        end.unwrap_err()
    };
    let flipped = end("flipped-zstd", Zstd);
    assert!(matches!(flipped, BlockError::Checksum { .. } | BlockError::Codec { .. }), "{flipped}");
    assert_eq!(end("cut-gzip", Gzip), BlockError::Truncated { offset: 0 });
    assert!(matches!(end("claim-zstd", Zstd), BlockError::BlockLength { .. }));
    assert!(matches!(end("overlong-zstd", Zstd), BlockError::Header { .. }));
    assert_eq!(end("type-zstd", Zstd), BlockError::Type { offset: 0, found: 2 });
    assert_eq!(end("empty-zstd", Zstd), BlockError::Header { offset: 0, length: 0 });
    assert!(end("type-zstd", Zstd).to_string().starts_with("Unknown compression type"));
}

#[test]
fn nothing_becomes_nothing() {
    for algorithm in CompressionAlgorithm::ALL {
        assert_eq!(all(CompressReader::new(&b""[..], algorithm)), b"");
        assert_eq!(all(DecompressReader::new(&b""[..], algorithm)), b"");
    }
}

#[test]
fn stored_blocks_and_end_frames_are_read() {
    let mut stream = fixture("rustfs-block/v1/hello-none");
    stream[0] = 1;
    let ended = [&stream[..], &[0xff, 0, 0, 0, 0, 0, 0, 0], b"whatever follows"].concat();
    for algorithm in CompressionAlgorithm::ALL {
        assert_eq!(decode(BlockDecoder::new(algorithm), &ended), (HELLO.to_vec(), Ok(())), "{algorithm}");
        let schedule = [(1, true)];
        let reader = DecompressReader::new(Source::new(&ended, &schedule), algorithm);
        assert_eq!(all(reader), HELLO);
    }
    let random = mixed(100).iter().map(|byte| byte.wrapping_mul(167)).collect::<Vec<_>>();
    let mut encoder = BlockEncoder::new(CompressionAlgorithm::Lz4).storing().ending();
    let mut out = Vec::new();
    encoder.push(&random, &mut out).unwrap();
    encoder.finish(&mut out).unwrap();
    assert_eq!((out[0], out.len()), (1, 8 + 1 + 100 + 8));
    let mut decoder = BlockDecoder::new(CompressionAlgorithm::Lz4);
    let mut plain = Vec::new();
    let used = decoder.push(&out, &mut plain).unwrap();
    decoder.push(&out[used..], &mut plain).unwrap();
    assert!(decoder.ended() && plain == random);
}

#[test]
fn several_streams_are_one() {
    for algorithm in WRITTEN {
        let stream = [encode(&mixed(5000), algorithm, 1000), encode(HELLO, algorithm, 7)].concat();
        assert_eq!(all(DecompressReader::new(&stream[..], algorithm)), [&mixed(5000)[..], HELLO].concat());
    }
}

#[test]
fn a_block_size_of_nothing_fails() {
    let reader = CompressReader::with_block_size(HELLO, 0, CompressionAlgorithm::Zstd);
    assert_eq!(drain(reader, 10).1.unwrap_err().kind(), ErrorKind::InvalidInput);
    let huge = CompressReader::with_block_size(HELLO, usize::MAX, CompressionAlgorithm::Zstd);
    assert_eq!(all(huge), fixture("rustfs-block/v1/hello-zstd"));
}

#[test]
fn bombs_are_bounded() {
    let zeros = vec![0; 8 << 20];
    for algorithm in WRITTEN {
        let mut stream = encode(&zeros, algorithm, 8 << 20);
        let limited = decode(BlockDecoder::new(algorithm).limiting(1 << 20), &stream);
        assert_eq!(limited, (vec![], Err(BlockError::Length { declared: 1 << 20, more: true })));
        // A header that says less than the payload holds: the output stops at what it says.
        let number = stream[8..].iter().position(|byte| byte & 0x80 == 0).unwrap();
        stream[8] = 0x81;
        stream[9..8 + number].fill(0x80);
        stream[8 + number] = 0;
        let (out, end) = decode(BlockDecoder::new(algorithm), &stream);
        assert!(out.is_empty() && end.is_err(), "{algorithm}: {end:?}");
        assert!(out.capacity() <= 2 << 20, "{algorithm}: {}", out.capacity());
    }
}

#[test]
fn declared_lengths_are_kept() {
    let algorithm = CompressionAlgorithm::Zstd;
    let stream = encode(HELLO, algorithm, 10);
    let with = |bytes| decode(BlockDecoder::new(algorithm).declaring(bytes), &stream).1;
    assert_eq!(with(38), Ok(()));
    assert_eq!(with(39), Err(BlockError::Length { declared: 39, more: false }));
    assert_eq!(with(37), Err(BlockError::Length { declared: 37, more: true }));
}

#[test]
fn every_flipped_bit_of_a_frame_is_noticed_or_harmless() {
    for algorithm in CompressionAlgorithm::ALL {
        let stream = fixture(&format!("rustfs-block/v1/hello-{algorithm}"));
        for bit in 0..stream.len() * 8 {
            let mut damaged = stream.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let (plain, end) = decode(BlockDecoder::new(algorithm), &damaged);
            // Codecs have bits without meaning, such as the time in a gzip header; the content is then right.
            assert!(end.is_err() || plain == HELLO, "{algorithm}: bit {bit}");
        }
        for length in 1..stream.len() {
            let (plain, end) = decode(BlockDecoder::new(algorithm), &stream[..length]);
            assert_eq!((plain.len(), end), (0, Err(BlockError::Truncated { offset: 0 })), "{algorithm}");
        }
    }
}

#[test]
fn the_index_names_ends_of_blocks() {
    let data = mixed(5 << 20);
    let mut reader = CompressReader::new(&data[..], CompressionAlgorithm::Snappy);
    let stream = all(&mut reader);
    let index = reader.try_get_index().unwrap().clone();
    assert_eq!(index.len(), 5);
    let (at, plain) = index.find((3 << 20) + 7).unwrap();
    assert_eq!(plain, 3 << 20);
    let tail = all(DecompressReader::new(&stream[at as usize..], CompressionAlgorithm::Snappy));
    assert!(tail == data[3 << 20..]);
    let rebuilt = Index::rebuild(std::io::Cursor::new(&stream)).unwrap();
    assert_eq!(rebuilt.entries(), index.entries());
    assert_eq!((rebuilt.total_uncompressed, rebuilt.total_compressed), (5 << 20, stream.len() as i64));
    let cut = std::io::Cursor::new(&stream[..stream.len() - 1]);
    assert_eq!(Index::rebuild(cut).unwrap_err().kind(), ErrorKind::UnexpectedEof);
}

#[test]
fn blocks_alone() {
    for algorithm in CompressionAlgorithm::ALL {
        for data in [HELLO.to_vec(), vec![7; 100 << 10], mixed(128 << 10), Vec::new()] {
            let unit = compress_block(&data, algorithm);
            assert!(decompress_block(&unit, algorithm).unwrap() == data, "{algorithm}");
        }
        assert_eq!(algorithm.to_string().to_uppercase().parse::<CompressionAlgorithm>().unwrap(), algorithm);
    }
    let error = "unknown".parse::<CompressionAlgorithm>().unwrap_err();
    assert_eq!(error.to_string(), "Unsupported compression algorithm: unknown");
    assert_eq!(error.kind(), ErrorKind::Other);
}

fn schedule() -> impl Strategy<Value = Vec<(usize, bool)>> {
    vec((1usize..3000, any::<bool>()), 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_pieces_and_pauses_give_the_same(
        len in 0usize..20_000, block in 1usize..9000, algorithm in 0usize..7,
        (first, second) in (schedule(), schedule()), buffer in 1usize..5000,
    ) {
        let (data, algorithm) = (mixed(len), CompressionAlgorithm::ALL[algorithm]);
        let stream = encode(&data, algorithm, block);
        let source = Source::new(&data, &first);
        let (written, end) = drain(CompressReader::with_block_size(source, block, algorithm), buffer);
        end.unwrap();
        prop_assert!(written == stream);
        let (plain, end) = drain(DecompressReader::new(Source::new(&stream, &second), algorithm), buffer);
        end.unwrap();
        prop_assert!(plain == data);
    }

    #[test]
    fn any_cut_is_noticed_or_at_the_end_of_a_block(len in 1usize..5000, cut in any::<prop::sample::Index>()) {
        let algorithm = CompressionAlgorithm::Lz4;
        let (data, stream) = (mixed(len), encode(&mixed(len), algorithm, 700));
        let cut = cut.index(stream.len());
        let (plain, end) = decode(BlockDecoder::new(algorithm), &stream[..cut]);
        prop_assert!(data.starts_with(&plain));
        prop_assert_eq!(end.is_ok(), plain.len() % 700 == 0 && encode(&plain, algorithm, 700).len() == cut);
        let declared = BlockDecoder::new(algorithm).declaring(len as u64);
        prop_assert!(decode(declared, &stream[..cut]).1.is_err());
    }
}
