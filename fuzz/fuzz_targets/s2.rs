//! Decoding of arbitrary bytes as an S2 stream and as its index: ends, without a panic, the same for any pieces, and within a declared length.
//!
//! `cargo +nightly fuzz run s2`, with `fixtures/s2/v1` as the first corpus (one byte that sizes the pieces goes before a stream).
#![no_main]

use libfuzzer_sys::fuzz_target;
use rustfs_rio_stream::s2::{Decoder, Index, S2Error};

/// What a stream may become here, in bytes.
const LIMIT: u64 = 8 << 20;

fn decode(stream: &[u8], piece: usize) -> (Vec<u8>, Result<(), S2Error>) {
    let (mut decoder, mut out) = (Decoder::new().declaring(LIMIT), Vec::new());
    for mut piece in stream.chunks(piece) {
        while !piece.is_empty() {
            match decoder.push(piece, &mut out) {
                Ok(used) => piece = &piece[used..],
                Err(error) => return (out, Err(error)),
            }
        }
    }
    let end = decoder.finish();
    (out, end)
}

fuzz_target!(|input: &[u8]| {
    let Some((piece, stream)) = input.split_first() else { return };
    let whole = decode(stream, stream.len().max(1));
    assert!(whole.0.len() as u64 <= LIMIT, "more comes out than declared");
    assert!(whole == decode(stream, usize::from(*piece) + 1), "pieces matter");
    if let Ok(index) = Index::decode(stream) {
        assert_eq!(Index::decode(&index.to_stored()), Ok(index), "an index that was read is written the same");
    }
});
