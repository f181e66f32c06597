//! `cargo +nightly fuzz run s2 fuzz/seeds/s2`: any bytes for the entry point of that name, which says what must hold.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[allow(dead_code)]
#[path = "../../crates/stream/tests/entry/mod.rs"]
mod entry;

fuzz_target!(|input: &[u8]| entry::s2_stream(input));
