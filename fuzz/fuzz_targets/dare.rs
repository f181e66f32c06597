//! Decoding of arbitrary bytes as DARE 2.0: ends, without a panic, the same for any pieces, and within its bounds.
//!
//! `cargo +nightly fuzz run dare`, with `fixtures/dare/v2` as the first corpus (one byte that sizes the pieces goes before a stream).
#![no_main]

use libfuzzer_sys::fuzz_target;
use rustfs_rio_stream::DataKey;
use rustfs_rio_stream::dare::{DareError, Decoder, Part};

fn decode(stream: &[u8], piece: usize) -> (Vec<u8>, Result<(), DareError>) {
    let key = DataKey::from(std::array::from_fn(|i| i as u8));
    let mut decoder = Decoder::new(vec![Part::new(key.clone()), Part::new(key)]);
    let mut out = Vec::new();
    for piece in stream.chunks(piece) {
        if let Err(error) = decoder.push(piece, &mut out) {
            return (out, Err(error));
        }
    }
    let end = decoder.finish();
    (out, end)
}

fuzz_target!(|input: &[u8]| {
    let Some((piece, stream)) = input.split_first() else { return };
    let whole = decode(stream, stream.len().max(1));
    assert!(whole.0.len() <= stream.len(), "more comes out than went in");
    assert_eq!(whole, decode(stream, usize::from(*piece) + 1), "pieces matter");
});
