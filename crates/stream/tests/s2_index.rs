//! Indexes of S2 streams: the bytes that existing deployments store, and damage.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop at the first surprise")]

use proptest::collection::vec;
use proptest::prelude::*;
use rustfs_rio_stream::s2::{Index, IndexEntry, S2Error};

const STORED: [u8; 45] = [
    0x80, 0x80, 0x80, 0x09, 0xa4, 0x81, 0x80, 0x09, 0x00, 0x12, 0x01, // totals, estimate, count, flag
    0x00, 0x80, 0x80, 0x80, 0x01, 0x80, 0x80, 0x80, 0x01, 0x80, 0x80, 0x80, 0x01, 0x80, 0x80, 0x80, 0x01,
    0x80, 0x80, 0x80, 0x01, 0x80, 0x80, 0x80, 0x01, 0x80, 0x80, 0x80, 0x01, 0x80, 0x80, 0x80, 0x01, 0x14,
];
const OFFSETS: [u8; 25] = [
    0x90, 0x80, 0x80, 0x01, 0x88, 0x80, 0x40, 0x84, 0x80, 0x20, 0x82, 0x80, 0x10, 0x82, 0x80, 0x08, 0x82,
    0x80, 0x04, 0x82, 0x80, 0x02, 0x82, 0x80, 0x01,
];

fn golden() -> Index {
    let entry = |i: u64| IndexEntry { stream: 10 + i * 1_048_584, plain: i << 20 };
    Index::new(9_437_184, Some(9_437_266), (0..9).map(entry).collect()).unwrap()
}

#[test]
fn the_stored_form_is_that_of_the_original() {
    let stored = [&STORED[..], &OFFSETS].concat();
    assert_eq!(golden().to_stored(), stored);
    assert_eq!(Index::decode(&stored), Ok(golden()));
    assert_eq!(Index::decode(&golden().to_chunk()), Ok(golden()));
}

#[test]
fn every_cut_is_detected() {
    for whole in [golden().to_stored(), golden().to_chunk()] {
        for length in 0..whole.len() {
            assert_eq!(Index::decode(&whole[..length]), Err(S2Error::Index), "{length}");
        }
        assert_eq!(Index::decode(&[whole, vec![0]].concat()), Err(S2Error::Index));
    }
}

#[test]
fn places_are_found() {
    let find = |plain| golden().find(plain).map(|entry| entry.plain);
    assert_eq!(find(0), Some(0));
    assert_eq!(find((1 << 20) - 1), Some(0));
    assert_eq!(find(1 << 20), Some(1 << 20));
    assert_eq!((find(9_437_183), find(9_437_184)), (Some(8 << 20), None));
}

#[test]
fn entries_must_ascend() {
    let entry = |stream, plain| IndexEntry { stream, plain };
    for entries in [vec![entry(5, 5), entry(5, 6)], vec![entry(5, 5), entry(6, 5)], vec![entry(1, 100)]] {
        assert_eq!(Index::new(100, Some(100), entries), Err(S2Error::Index));
    }
}

proptest! {
    #[test]
    fn any_index_comes_back(steps in vec((1..1u64 << 40, 1..1u64 << 40), 0..50), known in any::<bool>()) {
        let (mut stream, mut plain) = (0, 0);
        let mut entries = Vec::new();
        for (a, b) in steps {
            entries.push(IndexEntry { stream, plain });
            (stream, plain) = (stream + a, plain + b);
        }
        let index = Index::new(plain, known.then_some(stream), entries).unwrap();
        prop_assert_eq!(Index::decode(&index.to_stored()), Ok(index.clone()));
        prop_assert_eq!(Index::decode(&index.to_chunk()), Ok(index));
    }

    #[test]
    fn arbitrary_bytes_give_a_sound_index_or_none(bytes in vec(any::<u8>(), 0..200)) {
        if let Ok(index) = Index::decode(&bytes) {
            prop_assert_eq!(Index::decode(&index.to_stored()), Ok(index));
        }
    }
}
