//! S2 streams against the golden files, and against everything that can happen to a stream.
//!
//! `hello.bin` and `a300.bin` are what existing deployments write; the others were put together by hand.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

mod cut;

use cut::pieces;
use std::io::ErrorKind;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use rustfs_rio_stream::s2::{BLOCK_BYTES_MAX, Decoder, Encoder, S2Error};

const HELLO: &[u8] = b"hello world, hello world, hello world!";

fn fixture(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/s2/v1/");
    std::fs::read(format!("{folder}{name}")).unwrap()
}

fn encode(block: usize, data: &[u8], cuts: &[usize]) -> Vec<u8> {
    let (mut encoder, mut out) = (Encoder::with_block_bytes(block).unwrap(), Vec::new());
    for piece in pieces(data, cuts) {
        encoder.push(piece, &mut out);
    }
    encoder.finish(&mut out);
    out
}

/// What came out, and how it ended.
fn decode_with(mut decoder: Decoder, stream: &[u8], cuts: &[usize]) -> (Vec<u8>, Result<(), S2Error>) {
    let mut out = Vec::new();
    for mut piece in pieces(stream, cuts) {
        while !piece.is_empty() {
            let before = out.len();
            match decoder.push(piece, &mut out) {
                Ok(used) => {
                    assert!(used > 0, "a call gets on");
                    piece = &piece[used..];
                }
                Err(error) => {
                    assert_eq!(out.len(), before, "nothing of a wrong block comes out");
                    assert_eq!(decoder.push(piece, &mut out), Err(error), "an error stays");
                    assert_eq!(decoder.finish(), Err(error), "an error stays");
                    return (out, Err(error));
                }
            }
            assert!(out.len() - before <= BLOCK_BYTES_MAX, "at most one block per call");
        }
    }
    let end = decoder.finish();
    (out, end)
}

fn decode(stream: &[u8]) -> (Vec<u8>, Result<(), S2Error>) {
    decode_with(Decoder::new(), stream, &[usize::MAX])
}

/// Bytes of which some blocks shrink and others do not.
fn content(length: usize) -> Vec<u8> {
    let mut state = 1u32;
    let byte = |i: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        if (i / 3000).is_multiple_of(2) { (state >> 24) as u8 } else { (i / 100) as u8 }
    };
    (0..length).map(byte).collect()
}

#[test]
fn golden_streams_are_written() {
    assert_eq!(encode(1 << 20, HELLO, &[7]), fixture("hello.bin"));
    assert_eq!(encode(1 << 20, &[b'a'; 300], &[300]), fixture("a300.bin"));
}

#[test]
fn golden_streams_are_read() {
    let expected: [(&str, Vec<u8>); 3] = [
        ("hello.bin", HELLO.to_vec()),
        ("a300.bin", vec![b'a'; 300]),
        ("mixed.bin", [b"raw block", HELLO].concat()),
    ];
    for (name, plain) in expected {
        for cuts in [[usize::MAX], [1], [5]] {
            assert_eq!(decode_with(Decoder::new(), &fixture(name), &cuts), (plain.clone(), Ok(())), "{name}");
        }
    }
    // Neither an identifier nor an end is necessary, and streams may follow each other.
    let hello = fixture("hello.bin");
    assert_eq!(decode(&hello[10..]), (HELLO.to_vec(), Ok(())));
    assert_eq!(decode(&[hello.clone(), hello].concat()), ([HELLO, HELLO].concat(), Ok(())));
}

#[test]
fn golden_damage_is_reported() {
    let (plain, end) = decode(&fixture("hello-flipped.bin"));
    assert!(plain.is_empty());
    assert!(matches!(end, Err(S2Error::Checksum { offset: 10, expected: 0x4ff5_1d85, .. })), "{end:?}");
    let (plain, end) = decode(&fixture("unknown-chunk.bin"));
    assert_eq!((plain.as_slice(), end), (HELLO, Err(S2Error::Type { offset: 38, found: 2 })));
    let end = decode(&fixture("long-claim.bin")).1;
    let limit = BLOCK_BYTES_MAX as u64;
    assert_eq!(end, Err(S2Error::BlockLength { offset: 0, found: u64::from(u32::MAX), limit }));
}

#[test]
fn every_cut_inside_a_chunk_is_detected() {
    let stream = fixture("mixed.bin");
    let mut whole = 0;
    for length in 0..stream.len() {
        match decode(&stream[..length]).1 {
            Ok(()) => whole += 1,
            end => assert!(matches!(end, Err(S2Error::Truncated { .. })), "{length}: {end:?}"),
        }
        let declared = Decoder::new().declaring(9 + HELLO.len() as u64);
        assert!(decode_with(declared, &stream[..length], &[4]).1.is_err(), "{length} of a known length");
    }
    // Before and between its seven chunks: what only a declared length can tell.
    assert_eq!(whole, 7);
}

#[test]
fn every_flipped_bit_in_a_block_is_detected() {
    for name in ["hello.bin", "a300.bin"] {
        let stream = fixture(name);
        let plain = decode(&stream).0;
        for bit in 0..stream.len() * 8 {
            let mut damaged = stream.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            // A block's type can become that of a chunk to skip; its length is missing then.
            let decoder = Decoder::new().declaring(plain.len() as u64);
            let (out, end) = decode_with(decoder, &damaged, &[6]);
            assert!(end.is_err() || out == plain, "{name}, bit {bit}");
        }
    }
}

#[test]
fn a_declared_length_bounds_what_comes_out() {
    let stream = encode(1 << 20, &vec![0; 3 << 20], &[1 << 20]);
    assert!(stream.len() < 1 << 19, "this is a small stream of much");
    let (out, end) = decode_with(Decoder::new().declaring(2 << 20), &stream, &[usize::MAX]);
    assert_eq!((out.len(), end), (2 << 20, Err(S2Error::Length { declared: 2 << 20, more: true })));
    let end = decode_with(Decoder::new().declaring(4 << 20), &stream, &[999]).1;
    assert_eq!(end, Err(S2Error::Length { declared: 4 << 20, more: false }));
}

#[test]
fn chunks_that_no_block_needs_are_refused_before_they_are_held() {
    for (header, found) in [([0, 4, 0, 0], 4), ([1, 3, 0, 0], 3), ([1, 5, 0, 0x40], (4 << 20) + 5)] {
        assert_eq!(decode(&header).1, Err(S2Error::ChunkLength { offset: 0, found }));
    }
    assert_eq!(decode(&[0xff, 5, 0, 0]).1, Err(S2Error::Identifier { offset: 0 }));
    assert_eq!(decode(b"\xff\x06\0\0S2sTw0").1, Err(S2Error::Identifier { offset: 0 }));
}

#[test]
fn padding_reaches_the_multiple() {
    for length in [0, 1, 100, 210, 215, 219, 2000] {
        let plain = content(length);
        let (mut encoder, mut out) = (Encoder::new(), Vec::new());
        encoder.push(&plain, &mut out);
        encoder.finish_padded(256, &mut out).unwrap();
        assert_eq!((out.len() % 256, out.is_empty()), (0, length == 0), "{length}");
        assert_eq!(decode(&out), (plain, Ok(())), "{length}");
    }
    let refused = Encoder::new().finish_padded(0, &mut Vec::new());
    assert_eq!(refused, Err(S2Error::Padding { found: 0 }));
}

#[test]
fn blocks_that_hardly_shrink_are_stored_as_they_are() {
    let mut compressed = 0;
    for repeated in 0..60 {
        let mut block = content(320);
        block.extend_from_within(..repeated);
        let length = minlz::s2::encode(&block).len();
        let worth = length <= block.len() - block.len() / 32 - 5;
        assert_eq!(encode(1 << 20, &block, &[usize::MAX])[10], u8::from(!worth), "{repeated}");
        compressed += usize::from(worth);
    }
    assert!((1..60).contains(&compressed), "both sides of the limit: {compressed}");
}

#[test]
fn block_sizes_are_checked() {
    for found in [0, BLOCK_BYTES_MAX + 1] {
        assert_eq!(Encoder::with_block_bytes(found).unwrap_err(), S2Error::BlockSize { found });
    }
}

#[test]
fn errors_have_the_kinds_of_the_original() {
    let kind = |error: S2Error| std::io::Error::from(error).kind();
    assert_eq!(kind(S2Error::Truncated { offset: 0 }), ErrorKind::UnexpectedEof);
    assert_eq!(kind(S2Error::Checksum { offset: 0, expected: 1, found: 2 }), ErrorKind::InvalidData);
    let text = S2Error::Type { offset: 0, found: 2 }.to_string();
    assert!(text.starts_with("unknown S2 chunk type: 0x02"), "{text}");
}

fn cuts() -> impl Strategy<Value = Vec<usize>> {
    vec(prop_oneof![1..10usize, 1000..9000usize, 20_000..90_000usize], 1..8)
}

fn blocks() -> impl Strategy<Value = usize> {
    prop_oneof![1..50usize, 1000..70_000usize]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn pieces_do_not_matter(length in 0..60_000usize, block in blocks(), write in cuts(), read in cuts()) {
        let plain = content(length);
        let whole = encode(block, &plain, &[usize::MAX]);
        prop_assert!(encode(block, &plain, &write) == whole);
        let (out, end) = decode_with(Decoder::new().declaring(length as u64), &whole, &read);
        prop_assert_eq!(end, Ok(()));
        prop_assert!(out == plain);
    }

    #[test]
    fn damage_gives_no_wrong_bytes(length in 1..60_000usize, block in 1000..70_000usize, at in any::<Index>(), bit in 0..8u8, read in cuts()) {
        let plain = content(length);
        let mut stream = encode(block, &plain, &[usize::MAX]);
        let at = at.index(stream.len());
        stream[at] ^= 1 << bit;
        let (out, end) = decode_with(Decoder::new().declaring(length as u64), &stream, &read);
        prop_assert!(end.is_err() || out == plain);
    }

    #[test]
    fn arbitrary_blocks_end(payload in vec(any::<u8>(), 5..300), length in 0..200u8, read in cuts()) {
        let mut stream = vec![0, 0, 0, 0, 1, 2, 3, 4, length];
        stream.extend_from_slice(&payload);
        let body = (stream.len() - 4) as u32;
        stream[1..4].copy_from_slice(&body.to_le_bytes()[..3]);
        prop_assert!(decode_with(Decoder::new(), &stream, &read).1.is_err());
    }

    #[test]
    fn arbitrary_bytes_end(stream in vec(any::<u8>(), 0..500), read in cuts()) {
        prop_assert_eq!(decode(&stream), decode_with(Decoder::new(), &stream, &read));
    }
}
