//! `cargo +nightly fuzz run rustfs_index fuzz/seeds/rustfs_index`: any bytes for the entry point of that name, which says what must hold.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[allow(dead_code)]
#[path = "../../crates/stream/tests/entry/mod.rs"]
mod entry;

fuzz_target!(|input: &[u8]| entry::rustfs_index(input));
