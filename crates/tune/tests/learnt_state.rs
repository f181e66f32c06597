//! The bytes of what was learnt: golden files, damage of every kind, and files of others.

use rustfs_rio_tune::{
    Codec, CodecRecord, LearntState, LearntStateError, Parameters, Remembered, WorkloadSignature,
};
use std::path::PathBuf;
use std::time::Duration;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/learnt-state/v1").join(name)
}

/// What the golden file holds.
fn golden() -> LearntState {
    let setting = |n: u8| Remembered {
        signature: WorkloadSignature::from_bytes([48 + 4 * n, 24, 64, 0, 32 * n, 8]),
        parameters: Parameters {
            prefetch_distance: 4 << n,
            prefetch_size: 65536 << n,
            batch_size: 16 << n,
            batch_timeout: Duration::from_micros(7071),
            codec: Codec::Lz4,
            compression_level: 0,
            buffer_pool_size: 512 << n,
            buffer_size: 32768 << n,
            max_concurrent_ops: 512 << n,
            queue_depth: 16 << n,
        },
        gain: f64::from(n) / 8.0,
        visits: 3 + u32::from(n),
    };
    let codec = |level: u8| CodecRecord {
        codec: Codec::Zstd,
        level,
        class: 7,
        weight: 12.0,
        ns_per_byte: 3.5,
        out_per_in: 0.25,
    };
    LearntState { settings: vec![setting(0), setting(1), setting(2)], codecs: vec![codec(1), codec(3)] }
}

#[test]
fn the_golden_file_is_read_and_written_as_it_is() {
    let bytes = std::fs::read(fixture("golden.bin")).expect("fixtures/learnt-state/v1/golden.bin");
    assert_eq!(LearntState::decode(&bytes), Ok(golden()));
    assert_eq!(
        golden().encode(),
        bytes,
        "the format changed: that is another version, with a folder of its own"
    );
    assert_eq!(bytes.len(), 24 + 3 * 52 + 2 * 16 + 4);
}

#[test]
fn damaged_and_foreign_files_are_told_apart() {
    let error = |name| LearntState::decode(&std::fs::read(fixture(name)).expect(name)).expect_err(name);
    assert!(matches!(error("foreign.bin"), LearntStateError::Foreign { .. }));
    assert_eq!(error("future.bin"), LearntStateError::Version { found: 2 });
    assert_eq!(error("cut.bin"), LearntStateError::Length { found: 100, expected: 216 });
    assert!(matches!(error("flipped.bin"), LearntStateError::Checksum { .. }));
    assert_eq!(
        error("bounds.bin"),
        LearntStateError::Value { record: "setting", index: 0, field: "parameter" }
    );
    assert_eq!(error("codec.bin"), LearntStateError::Value { record: "codec", index: 1, field: "level" });
    for name in ["foreign.bin", "future.bin", "cut.bin", "flipped.bin", "bounds.bin", "codec.bin"] {
        let text = error(name).to_string();
        assert!(text.contains("set") && text.contains("aside"), "{name}: {text}: says what to do");
    }
}

#[test]
fn no_single_flipped_bit_and_no_shorter_file_passes() {
    let bytes = golden().encode();
    for bit in 0..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(LearntState::decode(&damaged).is_err(), "bit {bit}");
    }
    for len in 0..bytes.len() {
        assert!(LearntState::decode(&bytes[..len]).is_err(), "{len} bytes");
    }
}

#[test]
fn counts_that_ask_for_much_memory_are_refused_first() {
    let mut bytes = golden().encode();
    bytes[12..16].copy_from_slice(&u32::MAX.to_le_bytes());
    let expected = LearntStateError::Length { found: bytes.len(), expected: 0 };
    assert_eq!(LearntState::decode(&bytes), Err(expected));
}
