//! Decoding of arbitrary bytes as a pack: ends, without a panic, the same for any pieces, and within a limit.
//!
//! `cargo +nightly fuzz run pack fuzz/corpus/pack fuzz/seeds/pack`. The first byte sizes the pieces.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use rustfs_rio_stream::DataKey;
use rustfs_rio_stream::keys::{KeyId, MemoryKeys};
use rustfs_rio_stream::pack::{Decoder, ReadOptions, SeekableReader};

/// What a pack may become here, in bytes.
const LIMIT: u64 = 1 << 20;

fn options() -> ReadOptions {
    let Ok(id) = KeyId::new("test") else { return ReadOptions::new() };
    ReadOptions::new().keys(Arc::new(MemoryKeys::new(id, DataKey::from([0x42; 32])))).limit(LIMIT)
}

fn decode(pack: &[u8], piece: usize) -> (Vec<u8>, Result<u64, String>) {
    let (mut decoder, mut out) = (Decoder::new(options()), Vec::new());
    for mut piece in pack.chunks(piece) {
        while !piece.is_empty() {
            match decoder.push(piece, &mut out) {
                Ok(used) => piece = &piece[used..],
                Err(error) => return (out, Err(error.to_string())),
            }
        }
    }
    let end = decoder.finish();
    (out, end.map(|summary| summary.content_bytes).map_err(|error| error.to_string()))
}

fuzz_target!(|input: &[u8]| {
    let Some((piece, pack)) = input.split_first() else { return };
    let whole = decode(pack, pack.len().max(1));
    assert!(whole.0.len() as u64 <= LIMIT, "more comes out than allowed");
    assert!(whole == decode(pack, usize::from(*piece) + 1), "pieces matter");
    let mut content = Vec::new();
    if let Ok(mut reader) = SeekableReader::open(pack.to_vec(), options()) {
        let length = reader.summary().content_bytes;
        if reader.read_range(0..length, &mut content).is_ok() && whole.1.is_ok() {
            assert!(content == whole.0, "a range differs from the stream");
        }
    }
});
