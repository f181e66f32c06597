//! Packs: golden files, any pieces, every damage, ranges.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

mod cut;

use std::sync::Arc;

use cut::pieces;
use proptest::collection::vec;
use proptest::prelude::*;
use rustfs_rio_stream::DataKey;
use rustfs_rio_stream::checksum::Algorithm;
use rustfs_rio_stream::codec::{Codec, Dictionary, Fixed, Method};
use rustfs_rio_stream::dare::Cipher;
use rustfs_rio_stream::keys::{KeyId, KeyProvider, MemoryKeys};
use rustfs_rio_stream::pack::{
    Decoder, Encoder, FRAMES_PER_PAGE, PackError, PackOptions, ReadOptions, SEGMENT_OVERHEAD, SeekableReader,
    Summary, TRAILER_BYTES, header_bytes,
};

const BLOCK: usize = 4096;

fn keys() -> Arc<dyn KeyProvider> {
    Arc::new(MemoryKeys::new(KeyId::new("test").unwrap(), DataKey::from([0x42; 32])))
}

fn with(codec: Codec) -> PackOptions {
    PackOptions::new().block_bytes(BLOCK).unwrap().policy(Arc::new(Fixed(Method::new(codec))))
}

/// In clear, and with both ciphers.
fn all_options(codec: Codec) -> [PackOptions; 3] {
    [
        with(codec),
        with(codec).encrypt(Cipher::Aes256Gcm, keys()),
        with(codec).encrypt(Cipher::ChaCha20Poly1305, keys()).checksums([Algorithm::Md5, Algorithm::Sha256]),
    ]
}

fn pack_pieces(options: &PackOptions, content: &[u8], cuts: &[usize]) -> (Vec<u8>, Summary) {
    let mut out = Vec::new();
    let mut encoder = Encoder::new(options, &mut out).unwrap();
    for piece in pieces(content, cuts) {
        encoder.push(piece, &mut out).unwrap();
    }
    let summary = encoder.finish(&mut out).unwrap();
    assert_eq!(summary.pack_bytes, out.len() as u64);
    (out, summary)
}

fn pack(options: &PackOptions, content: &[u8]) -> Vec<u8> {
    pack_pieces(options, content, &[usize::MAX]).0
}

/// What came out, and how it ended.
fn unpack_with(options: ReadOptions, pack: &[u8], cuts: &[usize]) -> (Vec<u8>, Result<Summary, PackError>) {
    let (mut decoder, mut out) = (Decoder::new(options), Vec::new());
    for mut piece in pieces(pack, cuts) {
        while !piece.is_empty() {
            match decoder.push(piece, &mut out) {
                Ok(used) => piece = &piece[used..],
                Err(error) => {
                    let again = decoder.push(piece, &mut out).unwrap_err();
                    assert_eq!(again.to_string(), error.to_string(), "an error stays");
                    return (out, Err(error));
                }
            }
        }
    }
    let end = decoder.finish();
    (out, end)
}

fn unpack(pack: &[u8]) -> (Vec<u8>, Result<Summary, PackError>) {
    unpack_with(ReadOptions::new().keys(keys()), pack, &[usize::MAX])
}

fn text(bytes: usize) -> Vec<u8> {
    (0u32..)
        .flat_map(|i| format!("{i} PUT /bucket/{}\n", i.wrapping_mul(7919)).into_bytes())
        .take(bytes)
        .collect()
}

/// The header, each segment, and the trailer.
fn units(pack: &[u8]) -> Vec<Vec<u8>> {
    let header = header_bytes(pack.first_chunk().unwrap()).unwrap();
    let (mut units, mut rest) = (vec![pack[..header].to_vec()], &pack[header..]);
    while rest.len() > TRAILER_BYTES {
        let body = u32::from_le_bytes(rest[8..12].try_into().unwrap()) as usize;
        let (unit, behind) = rest.split_at(body + SEGMENT_OVERHEAD);
        units.push(unit.to_vec());
        rest = behind;
    }
    units.push(rest.to_vec());
    units
}

fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/../../fixtures/pack/v1/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(path).unwrap()
}

#[test]
fn golden_packs_are_read() {
    for name in ["clear.rpk", "aes.rpk", "chacha.rpk"] {
        let (content, end) = unpack(&fixture(name));
        assert!(content == text(10_000), "{name}");
        let summary = end.unwrap();
        assert_eq!((summary.content_bytes, summary.frames), (10_000, 3), "{name}");
        for checksum in summary.checksums {
            assert_eq!(checksum, checksum.algorithm().digest(&content));
        }
    }
    let (content, end) = unpack(&fixture("empty.rpk"));
    assert_eq!((content.len(), end.unwrap().frames), (0, 0));
    assert!(matches!(
        unpack(&fixture("aes-flipped.rpk")).1,
        Err(PackError::Authentication { number: 1, .. })
    ));
    assert!(matches!(unpack(&fixture("aes-cut.rpk")).1, Err(PackError::Truncated { .. })));
    let (content, end) = unpack(&fixture("aes-swapped.rpk"));
    assert!(content.is_empty() && matches!(end, Err(PackError::Authentication { number: 0, .. })));
}

/// Makes the golden files; they are kept, and made again only for a new version of the format.
#[test]
#[ignore = "writes fixtures/pack/v1"]
fn make_golden_packs() {
    let folder = format!("{}/../../fixtures/pack/v1", env!("CARGO_MANIFEST_DIR"));
    std::fs::create_dir_all(&folder).unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(format!("{folder}/{name}"), bytes).unwrap();
    let [clear, aes, chacha] = all_options(Codec::Zstd).map(|options| pack(&options, &text(10_000)));
    write("clear.rpk", &clear);
    write("aes.rpk", &aes);
    write("chacha.rpk", &chacha);
    write("empty.rpk", &pack(&with(Codec::Zstd), b""));
    let mut parts = units(&aes);
    parts[2][50] ^= 4;
    write("aes-flipped.rpk", &parts.concat());
    write("aes-cut.rpk", &aes[..aes.len() - 30]);
    let mut parts = units(&aes);
    parts.swap(1, 2);
    write("aes-swapped.rpk", &parts.concat());
}

#[test]
fn every_codec_and_protection_comes_back() {
    for codec in Codec::ALL {
        for options in all_options(codec) {
            for length in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 5 * BLOCK] {
                let content = text(length);
                let (found, end) = unpack(&pack(&options, &content));
                assert!(found == content, "{codec} {length}");
                let summary = end.unwrap();
                assert_eq!(summary.content_bytes, length as u64);
                assert_eq!(summary.checksums[0], Algorithm::Blake3.digest(&content));
            }
        }
    }
}

#[test]
fn every_flipped_bit_and_every_cut_is_detected() {
    for options in all_options(Codec::Zstd) {
        let content = text(BLOCK + 100);
        let whole = pack(&options, &content);
        for bit in 0..whole.len() * 8 {
            let mut damaged = whole.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let (found, end) = unpack(&damaged);
            assert!(end.is_err() && content.starts_with(&found), "bit {bit}");
        }
        for length in 0..whole.len() {
            let (found, end) = unpack(&whole[..length]);
            assert!(matches!(end, Err(PackError::Truncated { .. })), "cut at {length}: {end:?}");
            assert!(content.starts_with(&found));
            assert!(SeekableReader::open(whole[..length].to_vec(), ReadOptions::new().keys(keys())).is_err());
        }
        let surplus = [whole.as_slice(), b"x"].concat();
        assert!(
            matches!(unpack(&surplus).1, Err(PackError::Surplus { offset }) if offset == whole.len() as u64)
        );
    }
}

#[test]
fn segments_cannot_be_lost_swapped_repeated_or_taken_from_another_object() {
    for options in all_options(Codec::Lz4) {
        let content = text(4 * BLOCK);
        let (own, foreign) = (units(&pack(&options, &content)), units(&pack(&options, &content)));
        // Header, four frames, index, final, trailer.
        assert_eq!(own.len(), 8);
        let orders: [&[usize]; 9] = [
            &[0, 2, 1, 3, 4, 5, 6, 7],
            &[0, 1, 1, 2, 3, 4, 5, 6, 7],
            &[0, 1, 2, 3, 5, 6, 7],
            &[0, 1, 2, 3, 4, 6, 7],
            &[0, 5, 6, 7],
            &[0, 1, 12, 3, 4, 5, 6, 7],
            &[10, 1, 2, 3, 4, 5, 6, 7],
            &[0, 1, 2, 3, 4, 5, 16, 7],
            &[0, 1, 2, 3, 4, 15, 6, 7],
        ];
        for order in orders {
            let unit = |i: &usize| if *i >= 10 { foreign[*i - 10].clone() } else { own[*i].clone() };
            let (found, end) = unpack(&order.iter().flat_map(unit).collect::<Vec<_>>());
            assert!(end.is_err(), "{order:?}");
            assert!(content.starts_with(&found), "{order:?}: only right bytes come out");
        }
    }
}

#[test]
fn keys_are_needed_and_must_be_right() {
    let whole = pack(&with(Codec::Zstd).encrypt(Cipher::Aes256Gcm, keys()), b"secret");
    let read = |options| unpack_with(options, &whole, &[7]).1.unwrap_err();
    assert!(matches!(read(ReadOptions::new()), PackError::KeyMissing { .. }));
    let other: Arc<dyn KeyProvider> =
        Arc::new(MemoryKeys::new(KeyId::new("test").unwrap(), DataKey::from([1; 32])));
    assert!(matches!(read(ReadOptions::new().keys(other)), PackError::Key(_)));
    let unnamed: Arc<dyn KeyProvider> =
        Arc::new(MemoryKeys::new(KeyId::new("x").unwrap(), DataKey::from([0x42; 32])));
    assert!(matches!(read(ReadOptions::new().keys(unnamed)), PackError::Key(_)));
    assert!(!whole.windows(6).any(|window| window == b"secret"));
    let options = PackOptions::new().encrypt(Cipher::Aes256Gcm, keys());
    let shown = format!("{options:?} {:?}", ReadOptions::new().keys(keys()));
    assert!(!shown.contains("66") && !shown.contains("4242"), "{shown}");
}

#[test]
fn a_dictionary_is_named_and_needed() {
    let dictionary = Dictionary::new(&text(3000)).unwrap();
    let whole = pack(&with(Codec::Zstd).dictionary(dictionary.clone()), &text(2000));
    assert!(
        matches!(unpack(&whole).1, Err(PackError::Dictionary { expected }) if expected == dictionary.id())
    );
    let (found, end) = unpack_with(ReadOptions::new().dictionary(dictionary), &whole, &[100]);
    assert!(end.is_ok() && found == text(2000) && whole.len() < 600, "{}", whole.len());
}

#[test]
fn bombs_are_bounded() {
    let whole = pack(&with(Codec::Zstd), &vec![0; 200 * BLOCK]);
    let (found, end) = unpack_with(ReadOptions::new().limit(3 * BLOCK as u64), &whole, &[usize::MAX]);
    assert_eq!(found.len(), 3 * BLOCK);
    assert!(matches!(end, Err(PackError::Limit { limit }) if limit == 3 * BLOCK as u64));
    let limited = SeekableReader::open(whole, ReadOptions::new().limit(10));
    assert_eq!(limited.unwrap_err().kind(), std::io::ErrorKind::FileTooLarge);
}

#[test]
fn ranges_touch_the_frames_they_need() {
    // More than one page of the index.
    let frames = FRAMES_PER_PAGE as usize + 10;
    let content = text(frames * BLOCK + 77);
    for options in [with(Codec::Lz4), with(Codec::Lz4).encrypt(Cipher::Aes256Gcm, keys())] {
        let whole = pack(&options.content_hash(false), &content);
        let (found, end) = unpack(&whole);
        assert!(found == content && end.unwrap().frames == frames as u64 + 1);
        let mut reader = SeekableReader::open(whole, ReadOptions::new().keys(keys())).unwrap();
        let edge = FRAMES_PER_PAGE as usize * BLOCK;
        let ranges = [
            0..1,
            0..0,
            100..BLOCK + 1,
            edge - 10..edge + 10,
            content.len() - 5..content.len(),
            content.len()..content.len(),
        ];
        for range in ranges {
            let (before, mut out) = (reader.frames_read(), Vec::new());
            reader.read_range(range.start as u64..range.end as u64, &mut out).unwrap();
            assert!(out == content[range.clone()], "{range:?}");
            assert!(reader.frames_read() - before <= 2, "{range:?}");
        }
        let beyond = reader.read_range(0..content.len() as u64 + 1, &mut Vec::new()).unwrap_err();
        assert!(matches!(beyond.get_ref().unwrap().downcast_ref(), Some(PackError::Range { .. })));
    }
}

#[test]
fn a_range_of_64_kib_in_a_gibibyte_reads_at_most_three_frames() {
    // The content is made of zeros so that the test stays small; what counts is the number of frames.
    let options = PackOptions::new().policy(Arc::new(Fixed(Method::new(Codec::Zstd)))).content_hash(false);
    let (mut whole, piece) = (Vec::new(), vec![0; 16 << 20]);
    let mut encoder = Encoder::new(&options, &mut whole).unwrap();
    for _ in 0..64 {
        encoder.push(&piece, &mut whole).unwrap();
    }
    encoder.finish(&mut whole).unwrap();
    let mut reader = SeekableReader::open(whole, ReadOptions::new()).unwrap();
    for start in [0u64, 65_535, (1 << 20) - 1000, 777_777_777, (1 << 30) - 65_536] {
        let (before, mut out) = (reader.frames_read(), Vec::new());
        reader.read_range(start..start + 65_536, &mut out).unwrap();
        assert!(out.len() == 65_536 && reader.frames_read() - before <= 3);
    }
}

#[test]
fn damage_is_found_in_ranges_too() {
    let content = text(3 * BLOCK);
    for options in all_options(Codec::Zstd) {
        let whole = pack(&options, &content);
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            let Ok(mut reader) = SeekableReader::open(damaged, ReadOptions::new().keys(keys())) else {
                continue;
            };
            let mut out = Vec::new();
            if reader.read_range(0..content.len() as u64, &mut out).is_ok() {
                panic!("byte {at} was changed and nothing noticed");
            }
            assert!(content.starts_with(&out), "byte {at}");
        }
    }
}

fn cuts() -> impl Strategy<Value = Vec<usize>> {
    vec(prop_oneof![1..40usize, 1000..9000usize, 60_000..140_000usize], 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn pieces_do_not_matter(length in 0..40_000usize, codec in 0..8u8, protection in 0..3usize, write in cuts(), read in cuts()) {
        let content = text(length);
        let options = &all_options(Codec::from_byte(codec).unwrap())[protection];
        let (whole, written) = pack_pieces(options, &content, &write);
        let (found, end) = unpack_with(ReadOptions::new().keys(keys()), &whole, &read);
        prop_assert_eq!(end.unwrap(), written);
        prop_assert!(found == content);
    }

    #[test]
    fn any_range_is_that_of_the_content(length in 1..60_000usize, protection in 0..3usize, ends in (any::<prop::sample::Index>(), any::<prop::sample::Index>())) {
        let content = text(length);
        let whole = pack(&all_options(Codec::Lz4)[protection], &content);
        let mut reader = SeekableReader::open(whole, ReadOptions::new().keys(keys())).unwrap();
        let (a, b) = (ends.0.index(length + 1), ends.1.index(length + 1));
        let mut out = Vec::new();
        reader.read_range(a.min(b) as u64..a.max(b) as u64, &mut out).unwrap();
        prop_assert!(out == content[a.min(b)..a.max(b)]);
    }

    #[test]
    fn mutated_packs_end_in_an_error(protection in 0..3usize, changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), read in cuts()) {
        let content = text(9000);
        let whole = pack(&all_options(Codec::Zstd)[protection], &content);
        let mut mutated = whole.clone();
        for (at, byte) in changes {
            let at = at.index(mutated.len());
            mutated[at] = byte;
        }
        let (found, end) = unpack_with(ReadOptions::new().keys(keys()), &mutated, &read);
        prop_assert!(content.starts_with(&found));
        prop_assert!(end.is_err() || mutated == whole);
    }

    #[test]
    fn arbitrary_bytes_do_no_harm(mut bytes in vec(any::<u8>(), 0..400), begun in any::<bool>()) {
        if begun {
            let whole = pack(&with(Codec::Lz4), &text(10));
            bytes.splice(0..0, units(&whole)[0].clone());
        }
        let (found, end) = unpack(&bytes);
        prop_assert!(found.is_empty() && end.is_err());
        prop_assert!(SeekableReader::open(bytes, ReadOptions::new()).is_err());
    }
}
