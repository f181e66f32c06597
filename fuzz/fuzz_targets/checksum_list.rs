//! `cargo +nightly fuzz run checksum_list fuzz/seeds/checksum_list`: any bytes for the entry point of that name, which says what must hold.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[allow(dead_code)]
#[path = "../../crates/stream/tests/entry/mod.rs"]
mod entry;

fuzz_target!(|input: &[u8]| entry::checksum_list(input));
