//! Content that shows where it belongs.

/// The byte at this offset of a stream: neighbours, blocks and streams all differ, so that misplaced, shifted or stale
/// data does not pass.
pub(crate) fn byte(stream: u64, offset: u64) -> u8 {
    let word = (offset / 8).wrapping_add(stream.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mixed = (word ^ (word >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed ^ (mixed >> 32)).to_le_bytes()[(offset % 8) as usize]
}

/// `len` bytes of a stream from `offset` on.
pub(crate) fn bytes(stream: u64, offset: u64, len: usize) -> Vec<u8> {
    (offset..offset + len as u64).map(|at| byte(stream, at)).collect()
}

/// Compares without printing megabytes.
#[track_caller]
pub(crate) fn assert_same(actual: &[u8], expected: &[u8], what: &str) {
    assert_eq!(actual.len(), expected.len(), "{what}: lengths");
    if let Some(at) = actual.iter().zip(expected).position(|(a, b)| a != b) {
        panic!("{what}: byte {at} of {} is {:#x}, expected {:#x}", actual.len(), actual[at], expected[at]);
    }
}
