//! Recovery of arbitrary bytes: ends, without a panic, and finds only batches whose checksums are right.
//!
//! `cargo +nightly fuzz run wal_recovery`, with `fixtures/wal/v1` as the first corpus. The input is a segment file, after one byte
//! that chooses how it is read. Its header is replaced, so that the fuzzer does not have to find its checksum.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rustfs_rio_wal::format::LogId;
use rustfs_rio_wal::format::batch::{Records, check_body, decode_record};
use rustfs_rio_wal::format::control::Control;
use rustfs_rio_wal::format::draft;
use rustfs_rio_wal::format::header::SegmentHeader;
use rustfs_rio_wal::format::scan::{Expect, Scanner, Step};

fuzz_target!(|input: &[u8]| {
    let Some((choice, file)) = input.split_first() else { return };
    let _ = SegmentHeader::decode(file);
    let _ = Control::decode(file);
    let _ = draft::decode(file, u64::from(*choice));
    let _ = decode_record(file);
    let header = SegmentHeader {
        log: LogId([0x5a; 16]),
        segment: 3,
        first_sequence: 101,
        first_commit: 41,
        first_position: 8192,
        segment_bytes: 16384,
        block_bytes: 512,
        uses: u32::from(choice & 1),
        previous_end: 12288,
        previous_chain: 0xdead_beef,
        created: 0,
    };
    let sealed_end = (choice & 2 != 0).then_some(u64::from(choice >> 2) * 512);
    let expect = Expect { commit: 41, sequence: 101, chain: 0xdead_beef, epoch: 0 };
    let mut scanner = Scanner::new(&header, file.len() as u64, sealed_end, expect);
    let mut window = 0..0;
    // Each step uses up a block or asks for bytes, so that there are at most twice as many as blocks.
    for _ in 0..200 {
        match scanner.step(&file[window.clone()], window.start as u64) {
            Step::Need { offset, len } => {
                let start = offset as usize;
                assert!(start + len <= file.len(), "asks for bytes that the file does not have");
                window = start..(start + len.max(1000)).min(file.len());
            }
            Step::Batch { header, body, .. } => {
                assert!(check_body(&header, body));
                assert_eq!(Records::new(&header, body).count(), header.count as usize);
            }
            Step::End(_) => return,
        }
    }
    panic!("the scan does not end");
});
