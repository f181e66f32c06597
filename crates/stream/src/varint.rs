//! Unsigned LEB128 numbers (those of Go's `encoding/binary`), at most 10 bytes for 64 bits.

/// Longest number in bytes.
pub(crate) const BYTES_MAX: usize = 10;

/// Appends a number.
pub(crate) fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Reads a number: value and length; `None` if it does not end or exceeds 64 bits.
pub(crate) fn decode(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0;
    for (i, byte) in bytes.iter().take(BYTES_MAX).enumerate() {
        let bits = u64::from(byte & 0x7f);
        if i == BYTES_MAX - 1 && bits > 1 {
            return None;
        }
        value |= bits << (7 * i);
        if byte & 0x80 == 0 {
            return Some((value, i + 1));
        }
    }
    None
}

/// Reads a number off the front.
pub(crate) fn take(rest: &mut &[u8]) -> Option<u64> {
    let (value, length) = decode(rest)?;
    *rest = rest.get(length..)?;
    Some(value)
}
