//! The RustFS index and MinIO's against their golden files; what cannot be trusted is rebuilt.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

mod source;

use std::io::{Cursor, ErrorKind};

use proptest::collection::vec;
use proptest::prelude::*;
use rustfs_rio_stream::rio_v2::{decode_minio_index_bytes, minio_index_storage_bytes};
use rustfs_rio_stream::rustfs::*;
use source::{fixture, mixed};

const MIB: i64 = 1 << 20;
/// A frame of 1 MiB of incompressible data in the golden files.
const FRAME: i64 = 1_048_725;

fn five() -> Index {
    let mut index = Index::new();
    // The golden file's frames, as its numbers have them.
    for (i, end) in [1_048_725, 2_097_450, 3_146_175, 4_194_900, 5_243_625].into_iter().enumerate() {
        index.add(end, (i as i64 + 1) * MIB).unwrap();
    }
    index
}

fn pairs(index: &Index) -> Vec<(i64, i64)> {
    index.entries().iter().map(|entry| (entry.compressed_offset, entry.uncompressed_offset)).collect()
}

fn load(bytes: &[u8]) -> std::io::Result<Index> {
    let mut index = Index::new();
    let rest = index.load(bytes)?;
    assert!(rest.is_empty());
    Ok(index)
}

#[test]
fn golden_indexes_are_written() {
    let mut one = Index::new();
    one.add(FRAME, MIB).unwrap();
    for (name, index) in [("empty", Index::new()), ("one", one), ("five", five())] {
        let padded = fixture(&format!("rustfs-index/v1/{name}"));
        assert_eq!(index.clone().encode(IndexLayout::Padded)[..], padded[..], "{name}");
        if name != "one" {
            assert_eq!(index.into_vec()[..], fixture(&format!("rustfs-index/v2/{name}"))[..], "{name}");
        }
    }
    let mut negative = Index::new();
    for (i, end) in [1_048_725, 2_097_450, 2_146_831, 2_196_212, 3_244_937].into_iter().enumerate() {
        negative.add(end, (i as i64 + 1) * MIB).unwrap();
    }
    assert_eq!(negative.encode(IndexLayout::Padded)[..], fixture("rustfs-index/v1/negative")[..]);
}

#[test]
fn golden_indexes_are_read() {
    for name in ["rustfs-index/v1/five", "rustfs-index/v2/five"] {
        let index = load(&fixture(name)).unwrap();
        assert_eq!(pairs(&index), pairs(&five()), "{name}");
        assert_eq!((index.total_uncompressed, index.total_compressed), (5 * MIB, 5_243_625));
    }
    for name in ["rustfs-index/v1/empty", "rustfs-index/v2/empty"] {
        let index = load(&fixture(name)).unwrap();
        assert_eq!((index.len(), index.total_uncompressed, index.total_compressed), (0, -1, -1), "{name}");
    }
    let one = load(&fixture("rustfs-index/v1/one")).unwrap();
    assert_eq!((pairs(&one), one.total_uncompressed), (vec![(FRAME, MIB)], -1));
}

#[test]
fn golden_damage_is_reported() {
    let error = |bytes: &[u8]| {
        let mut index = five();
        let error = index.load(bytes).unwrap_err();
        assert_eq!(pairs(&index), pairs(&five()), "an index stays as it was");
        (error.kind(), error.to_string())
    };
    let other = |text: &str| (ErrorKind::Other, text.to_owned());
    // Its negative deltas were destroyed when it was written.
    assert_eq!(error(&fixture("rustfs-index/v1/negative")).0, ErrorKind::Other);
    assert_eq!(error(&fixture("rustfs-index/v2/corrupt-marker")), other("invalid chunk type"));
    assert_eq!(error(&fixture("rustfs-index/v2/corrupt-trailer")), other("invalid trailer"));
    let golden = fixture("rustfs-index/v2/five");
    for length in 0..golden.len() {
        assert_eq!(error(&golden[..length]), (ErrorKind::UnexpectedEof, "buffer too small".to_owned()));
    }
    let mut magic = golden.clone();
    magic[5] = b'X';
    assert_eq!(error(&magic), other("invalid header"));
}

#[test]
fn what_follows_is_returned() {
    let bytes = [&fixture("rustfs-index/v2/five")[..], b"rest"].concat();
    let mut index = Index::new();
    assert_eq!(index.load(&bytes).unwrap(), b"rest");
    let mut behind = vec![1, 2, 3];
    behind.extend_from_slice(&fixture("rustfs-index/v2/five"));
    let mut index = Index::new();
    index.load_stream(Cursor::new(behind)).unwrap();
    assert_eq!(index.len(), 5);
    let mut huge = fixture("rustfs-index/v2/five");
    let at = huge.len() - 7;
    huge[at] = 0x7f;
    assert!(Index::new().load_stream(Cursor::new(huge)).is_err());
}

#[test]
fn entries_are_added_and_found() {
    let mut index = Index::new();
    assert_eq!((index.total_uncompressed, index.total_compressed, index.is_empty()), (-1, -1, true));
    assert_eq!(index.find(0).unwrap_err().kind(), ErrorKind::Other);
    index.add(100, 1000).unwrap();
    index.add(150, 1000).unwrap();
    assert_eq!(pairs(&index), [(150, 1000)]);
    index.add(160, 1001).unwrap();
    assert_eq!(index.len(), 1);
    index.add(300, 1000 + MIB).unwrap();
    for (compressed, plain, text) in [
        (400, 10, "internal error: Earlier uncompressed received (1049576 > 10)"),
        (1, 1 << 30, "internal error: Earlier compressed received (300 > 1)"),
    ] {
        let error = index.add(compressed, plain).unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::InvalidData, text));
    }
    assert_eq!(index.find(999).unwrap(), (0, 0));
    assert_eq!(index.find(1000).unwrap(), (150, 1000));
    assert_eq!(index.find(1000 + MIB).unwrap(), (300, 1000 + MIB));
    assert_eq!(index.find(-1).unwrap(), (150, 1000));
    assert_eq!(index.find(1001 + MIB).unwrap_err().kind(), ErrorKind::UnexpectedEof);
    assert_eq!(index.find(i64::MIN).unwrap_err().kind(), ErrorKind::UnexpectedEof);
    let json = String::from_utf8(index.to_json().unwrap()).unwrap();
    for part in ["\"compressed\": 150", "\"uncompressed\": 1000", "\"est_block_uncompressed\": 0"] {
        assert!(json.contains(part), "{json}");
    }
}

#[test]
fn many_entries_are_thinned() {
    let mut index = Index::new();
    for i in 1..=3000 {
        index.add(i * 10, i * MIB).unwrap();
    }
    assert_eq!(index.find(1).unwrap(), (0, 0), "before the first entry is the beginning");
    let (total, stored) = (index.total_uncompressed, index.into_vec());
    let thin = load(&stored).unwrap();
    assert_eq!((thin.len(), thin.total_uncompressed), (1000, total));
    let mut index = Index::new();
    for i in 1..=65_636 {
        index.add(i, i * MIB).unwrap();
    }
    let mut bytes = Vec::new();
    index.append_to(&mut bytes, 1 << 40, 1 << 40);
    assert!(index.len() <= MAX_INDEX_ENTRIES);
    assert_eq!(load(&bytes).unwrap().total_uncompressed, 1 << 40);
}

#[test]
fn headers_come_off_and_on() {
    let golden = fixture("rustfs-index/v2/five");
    let bare = remove_index_headers(&golden).unwrap();
    assert_eq!(restore_index_headers(bare), golden);
    assert_eq!(remove_index_headers(&fixture("rustfs-index/v1/five")), Some(bare));
    assert_eq!((remove_index_headers(b"x"), restore_index_headers(b"").len()), (None, 0));
}

#[test]
fn a_bad_index_is_rebuilt_from_the_stream() {
    let mut encoder = BlockEncoder::new(CompressionAlgorithm::Lz4);
    let mut stream = Vec::new();
    let data = [mixed(2 << 20), vec![0; 2 << 20], mixed(1 << 20)].concat();
    encoder.push(&data, &mut stream).unwrap();
    encoder.finish(&mut stream).unwrap();
    let good = encoder.index().clone();
    let stored = good.clone().into_vec();
    assert!(Index::new().load(&stored).is_err(), "negative deltas cannot be stored");
    for stored in [&stored[..], &five().into_vec()[..], b"nonsense", b""] {
        let index = Index::load_or_rebuild(stored, Cursor::new(&stream)).unwrap();
        assert_eq!(pairs(&index), pairs(&good));
    }
}

#[test]
fn golden_minio_index() {
    let golden = fixture("minio-index/v1/nine");
    let index = decode_minio_index_bytes(&golden.clone().into()).unwrap();
    assert_eq!((index.total_uncompressed, index.total_compressed), (9_437_184, 9_437_266));
    let expected: Vec<_> = (0..9).map(|i| (10 + i * 1_048_584, i * MIB)).collect();
    assert_eq!(pairs(&index), expected);
    assert_eq!(minio_index_storage_bytes(&index)[..], golden[..]);
    let chunk = rustfs_rio_stream::s2::Index::decode(&golden).unwrap().to_chunk();
    assert_eq!(pairs(&decode_minio_index_bytes(&chunk.into()).unwrap()), expected);
    for length in 0..golden.len() {
        assert!(decode_minio_index_bytes(&golden[..length].to_vec().into()).is_none());
    }
}

proptest! {
    #[test]
    fn growing_indexes_survive(steps in vec((0i64..3 * MIB, MIB..4 * MIB), 2..60)) {
        // Blocks that shrink less and less, so that no delta is negative.
        let (mut index, mut at, mut plain, mut size) = (Index::new(), 0, 0, 0);
        for (grown, step) in steps {
            size += grown;
            at += size + 1;
            plain += step;
            index.add(at, plain).unwrap();
        }
        let again = load(&index.clone().into_vec()).unwrap();
        prop_assert_eq!(pairs(&again), pairs(&index));
        let again = decode_minio_index_bytes(&minio_index_storage_bytes(&index)).unwrap();
        prop_assert_eq!(pairs(&again), pairs(&index));
    }

    #[test]
    fn any_bytes_end(bytes in vec(any::<u8>(), 0..200)) {
        let _ = Index::new().load(&bytes);
        let _ = decode_minio_index_bytes(&bytes.into());
    }
}
