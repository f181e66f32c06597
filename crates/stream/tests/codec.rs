//! Every codec over every kind of block: what comes back, what is bounded, and what is not allocated.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop at the first surprise")]

use proptest::collection::vec;
use proptest::prelude::*;
use rustfs_rio_stream::codec::{Codec, CodecError, Codecs, Dictionary, Method};

fn round_trip(codecs: &mut Codecs, method: Method, dictionary: Option<&Dictionary>, plain: &[u8]) -> usize {
    let (mut stored, mut again) = (b"before".to_vec(), b"there".to_vec());
    let codec = codecs.compress(method, dictionary, plain, &mut stored).unwrap();
    let stored = stored.strip_prefix(b"before").unwrap();
    assert_eq!(
        codec == Codec::None,
        stored.len() == plain.len(),
        "{method}: raw blocks alone keep their length"
    );
    codecs.decompress(codec, dictionary, stored, plain.len(), &mut again).unwrap();
    assert!(again.strip_prefix(b"there").unwrap() == plain, "{method}");
    stored.len()
}

fn text(bytes: usize) -> Vec<u8> {
    let lines =
        (0u32..).flat_map(|i| format!("{i} GET /bucket/object-{} 200\n", i.wrapping_mul(7919)).into_bytes());
    lines.take(bytes).collect()
}

fn random(bytes: usize) -> Vec<u8> {
    let mut state = 7u64;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    std::iter::repeat_with(next).take(bytes).collect()
}

/// Every level of every codec, but for the slowest of those that take seconds.
fn methods() -> impl Iterator<Item = Method> {
    let levels = |codec: Codec| codec.levels().map(move |level| Method::with_level(codec, level).unwrap());
    Codec::ALL
        .into_iter()
        .flat_map(levels)
        .filter(|method| method.level() < 10 || method.codec() != Codec::Brotli)
}

#[test]
fn every_method_gives_back_what_it_got() {
    let mut codecs = Codecs::new();
    for method in methods() {
        for plain in [text(0), text(1), text(100), text(70_000), vec![0; 200_000], random(66_000)] {
            let stored = round_trip(&mut codecs, method, None, &plain);
            assert!(stored <= plain.len());
            if plain.len() >= 70_000 && method.codec() != Codec::None {
                assert!(stored < plain.len() * 3 / 5, "{method}: {stored} of {}", plain.len());
            }
        }
    }
}

#[test]
fn a_block_is_as_long_as_declared_or_refused() {
    let (mut codecs, plain) = (Codecs::new(), text(50_000));
    for codec in Codec::ALL {
        let mut stored = Vec::new();
        let codec = codecs.compress(Method::new(codec), None, &plain, &mut stored).unwrap();
        for declared in [0, 1, plain.len() - 1, plain.len() + 1, 2 * plain.len()] {
            let mut out = b"kept".to_vec();
            let error = codecs.decompress(codec, None, &stored, declared, &mut out).unwrap_err();
            assert_eq!((error, out.as_slice()), (CodecError::Damaged { codec, declared }, &b"kept"[..]));
        }
    }
}

#[test]
fn bombs_are_bounded_by_what_is_declared() {
    let (mut codecs, plain) = (Codecs::new(), vec![0; 16 << 20]);
    for codec in [Codec::Zstd, Codec::Brotli, Codec::Deflate, Codec::Gzip, Codec::Lz4, Codec::S2] {
        let mut stored = Vec::new();
        codecs.compress(Method::new(codec), None, &plain, &mut stored).unwrap();
        let mut out = Vec::new();
        assert!(codecs.decompress(codec, None, &stored, 4096, &mut out).is_err());
        assert!(out.is_empty() && out.capacity() <= 3 << 16, "{codec}: {}", out.capacity());
    }
}

#[test]
fn a_dictionary_helps_small_objects_and_is_needed_again() {
    let object = |id: u32| {
        let hash = id.wrapping_mul(2_654_435_761);
        format!(
            "{{\"version\":3,\"id\":{hash},\"etag\":\"{hash:08x}\",\"storage-class\":\"STANDARD\",\"retention\":null}}"
        )
    };
    let samples: Vec<String> = (0..3000).map(object).collect();
    let dictionary = Dictionary::train(&samples, 8192).unwrap();
    assert!(dictionary.bytes().len() <= 8192);
    assert_eq!(Dictionary::new(dictionary.bytes()).unwrap().id(), dictionary.id());
    let (mut codecs, plain) = (Codecs::new(), object(1_000_000).into_bytes());
    for level in [-5, 1, 3, 9] {
        let method = Method::with_level(Codec::Zstd, level).unwrap();
        let with = round_trip(&mut codecs, method, Some(&dictionary), &plain);
        let without = round_trip(&mut codecs, method, None, &plain);
        assert!(with * 2 < without, "{method}: {with} with, {without} without");
    }
    let mut stored = Vec::new();
    codecs.compress(Method::new(Codec::Zstd), Some(&dictionary), &plain, &mut stored).unwrap();
    assert!(codecs.decompress(Codec::Zstd, None, &stored, plain.len(), &mut Vec::new()).is_err());
    let other = Dictionary::new(&text(5000)).unwrap();
    assert!(codecs.decompress(Codec::Zstd, Some(&other), &stored, plain.len(), &mut Vec::new()).is_err());
    assert!(matches!(Dictionary::train(&["a"], 100), Err(CodecError::Training { samples: 1, .. })));
    assert!(matches!(Dictionary::new(b""), Err(CodecError::DictionaryLength { found: 0, .. })));
}

#[test]
fn nothing_is_allocated_after_the_first_blocks() {
    let (mut codecs, plain) = (Codecs::new(), text(100_000));
    let (mut stored, mut again) = (Vec::with_capacity(plain.len()), Vec::with_capacity(plain.len()));
    for codec in [Codec::None, Codec::Lz4, Codec::Zstd, Codec::Deflate] {
        let mut round = || {
            stored.clear();
            again.clear();
            let codec = codecs.compress(Method::new(codec), None, &plain, &mut stored).unwrap();
            codecs.decompress(codec, None, &stored, plain.len(), &mut again).unwrap();
        };
        round();
        let info = allocation_counter::measure(|| (0..10).for_each(|_| round()));
        assert_eq!(info.count_total, 0, "{codec}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_block_comes_back(codec in 0..8u8, plain in prop_oneof![vec(any::<u8>(), 0..3000), vec(0..3u8, 0..5000)]) {
        let codec = Codec::from_byte(codec).unwrap();
        round_trip(&mut Codecs::new(), Method::new(codec), None, &plain);
    }

    #[test]
    fn any_bytes_are_refused_or_as_long_as_declared(codec in 0..8u8, stored in vec(any::<u8>(), 0..600), declared in 0..9000usize) {
        let mut out = Vec::new();
        let codec = Codec::from_byte(codec).unwrap();
        let result = Codecs::new().decompress(codec, None, &stored, declared, &mut out);
        prop_assert_eq!(out.len(), if result.is_ok() { declared } else { 0 });
    }

    #[test]
    fn damaged_blocks_do_no_harm(codec in 0..8u8, at in any::<proptest::sample::Index>(), bit in 0..8u8) {
        let (mut codecs, plain) = (Codecs::new(), text(3000));
        let mut stored = Vec::new();
        let codec = codecs.compress(Method::new(Codec::from_byte(codec).unwrap()), None, &plain, &mut stored).unwrap();
        let at = at.index(stored.len());
        stored[at] ^= 1 << bit;
        let mut out = Vec::new();
        let result = codecs.decompress(codec, None, &stored, plain.len(), &mut out);
        prop_assert_eq!(out.len(), if result.is_ok() { plain.len() } else { 0 });
        // Whatever was found, the contexts work on.
        round_trip(&mut codecs, Method::new(codec), None, &plain);
    }
}
