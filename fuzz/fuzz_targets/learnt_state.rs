//! Decoding of arbitrary bytes as a learnt state: ends without a panic, takes only what is within bounds, and writes back what it took.
//!
//! `cargo +nightly fuzz run learnt_state`, with `fixtures/learnt-state/v1` as the first corpus. The checksum is mended before a second try, so that the fuzzer gets
//! behind it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rustfs_rio_tune::{Controller, ControllerConfig, LearntState};

fn check(bytes: &[u8]) {
    let Ok(state) = LearntState::decode(bytes) else { return };
    assert!(state.settings.iter().all(|setting| setting.parameters.is_within_bounds()));
    assert_eq!(LearntState::decode(&state.encode()).as_ref(), Ok(&state));
    let mut controller = Controller::new(ControllerConfig::default()).expect("the defaults make sense");
    controller.restore(&state);
    assert!(controller.learnt().settings.len() <= 64);
}

fuzz_target!(|input: &[u8]| {
    check(input);
    if let Some((body, _)) = input.split_last_chunk::<4>() {
        check(&[body, &crc32c::crc32c(body).to_le_bytes()].concat());
    }
});
