//! The format against golden files, and against random content and damage.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use proptest::prelude::*;
use rustfs_rio_wal::format::batch::{
    BATCH_HEADER_BYTES, BatchBuilder, BatchHeader, Records, Seal, batch_bytes, check_body, record_bytes,
};
use rustfs_rio_wal::format::control::{CONTROL_BYTES, Control, ControlRead};
use rustfs_rio_wal::format::draft::{self, DraftError};
use rustfs_rio_wal::format::header::{HeaderRead, SegmentHeader};
use rustfs_rio_wal::format::scan::{DamageKind, End, EndReason, Expect, Scanner, Step};
use rustfs_rio_wal::format::{LogId, first_chain, segment_seed};
use std::path::PathBuf;

const LOG: LogId = LogId([0x5a; 16]);
const BLOCK: usize = 512;
const SEGMENT_BYTES: u64 = 16384;

fn golden(name: &str, made: &[u8]) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/wal/v1").join(name);
    if std::env::var_os("RIO_BLESS").is_some() && !path.exists() {
        std::fs::write(&path, made).unwrap();
    }
    let kept = std::fs::read(&path).unwrap();
    let differs = kept.iter().zip(made).position(|(kept, made)| kept != made);
    assert_eq!((differs, kept.len()), (None, made.len()), "{name} differs from what is written today");
}

fn header() -> SegmentHeader {
    SegmentHeader {
        log: LOG,
        segment: 3,
        first_sequence: 101,
        first_commit: 41,
        first_position: 8192,
        segment_bytes: SEGMENT_BYTES,
        block_bytes: BLOCK as u32,
        uses: 0,
        previous_end: 12288,
        previous_chain: 0xdead_beef,
        created: 1_600_000_000_123_456_789,
    }
}

fn control() -> Control {
    Control {
        log: LOG,
        generation: 6,
        epoch: 2,
        last_segment: 3,
        truncated_before: 77,
        checkpoint: 99,
        durable_commit: 40,
        closed: true,
    }
}

fn expect(header: &SegmentHeader) -> Expect {
    Expect {
        commit: header.first_commit,
        sequence: header.first_sequence,
        chain: header.previous_chain,
        epoch: 0,
    }
}

/// A segment file in memory, with a writer that does what the log does.
#[derive(Clone)]
struct Image {
    bytes: Vec<u8>,
    header: SegmentHeader,
    next: Expect,
    offset: usize,
    offsets: Vec<usize>,
}

impl Image {
    fn new(header: SegmentHeader) -> Self {
        let mut bytes = header.encode();
        let offset = bytes.len();
        bytes.resize(header.segment_bytes as usize, 0);
        Self { bytes, header, next: Expect { epoch: 1, ..expect(&header) }, offset, offsets: Vec::new() }
    }

    fn seal(&self, records: &[Vec<u8>], durable_commit: u64) -> (BatchHeader, Vec<u8>) {
        let mut batch = BatchBuilder::new(64).unwrap();
        batch.restart(self.next.sequence);
        for (number, data) in records.iter().enumerate() {
            batch.push(1_000 + number as u64, number as u8, data).unwrap();
        }
        let seal = Seal {
            seed: segment_seed(LOG, self.header.segment),
            segment: self.header.segment,
            commit: self.next.commit,
            durable_commit,
            epoch: self.next.epoch,
            previous_chain: self.next.chain,
        };
        let (header, buf) = batch.seal(&seal, BLOCK).unwrap();
        (header, buf.to_vec())
    }

    /// Appends a batch; `false` if it does not fit.
    fn append(&mut self, records: &[Vec<u8>], durable_commit: u64) -> bool {
        let (header, bytes) = self.seal(records, durable_commit);
        let end = self.offset + bytes.len();
        if end > self.bytes.len() {
            return false;
        }
        self.bytes[self.offset..end].copy_from_slice(&bytes);
        self.offsets.push(self.offset);
        self.offset = end;
        self.next = Expect {
            commit: header.commit + 1,
            sequence: header.next_sequence(),
            chain: header.chain,
            epoch: header.epoch,
        };
        true
    }

    fn append_durable(&mut self, records: &[Vec<u8>]) -> bool {
        self.append(records, self.next.commit - 1)
    }

    /// What a scanner finds: the batches, and the end.
    fn scan(&self, sealed_end: Option<u64>, window: usize) -> (Vec<(u64, BatchHeader)>, End) {
        let size = self.bytes.len() as u64;
        let mut scanner = Scanner::new(&self.header, size, sealed_end, expect(&self.header));
        let (mut from, mut upto) = (0, 0);
        let mut batches = Vec::new();
        loop {
            match scanner.step(&self.bytes[from..upto], from as u64) {
                Step::Need { offset, len } => {
                    from = offset as usize;
                    upto = (from + len.max(window)).min(self.bytes.len());
                    assert!(from + len <= self.bytes.len(), "asks for what the file does not have");
                }
                Step::Batch { offset, header, body } => {
                    assert_eq!(Records::new(&header, body).count(), header.count as usize);
                    batches.push((offset, header));
                }
                Step::End(end) => return (batches, end),
            }
        }
    }
}

fn records(sizes: &[usize]) -> Vec<Vec<u8>> {
    sizes.iter().enumerate().map(|(number, size)| vec![number as u8 + 1; *size]).collect()
}

fn filled() -> Image {
    let mut image = Image::new(header());
    for sizes in [&[10, 20][..], &[600], &[1, 2, 3], &[100]] {
        assert!(image.append_durable(&records(sizes)));
    }
    image
}

#[test]
fn golden_files_are_what_is_written() {
    golden("segment-header.bin", &header().encode());
    golden("control-slot.bin", &control().encode());
    golden("segment.bin", &filled().bytes);
}

#[test]
fn golden_draft_record_is_read() {
    let bytes = [1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, b'z', 2, 0, 0];
    let (record, used) = draft::decode(&bytes, 0).unwrap();
    assert_eq!((record.sequence, record.seconds, record.data, used), (1, 1, &b"z"[..], 21));
    assert_eq!(draft::decode(&bytes[21..], 1), Err(DraftError::TooShort { have: 3 }));
    assert_eq!(draft::decode(&bytes[..20], 0), Err(DraftError::Truncated { stated: 1, have: 0 }));
    let mut empty = bytes;
    empty[16] = 0;
    assert_eq!(draft::decode(&empty, 0), Err(DraftError::Empty { sequence: 1 }));
    assert_eq!(draft::decode(&bytes, 1), Err(DraftError::OutOfOrder { before: 1, found: 1 }));
}

#[test]
fn headers_survive_the_loss_of_a_copy_and_nothing_else() {
    let block = header().encode();
    assert_eq!(SegmentHeader::decode(&block), HeaderRead::Valid(header()));
    for sector in [0, 4] {
        let mut torn = block.clone();
        torn[sector * 512..][..512].fill(0xff);
        assert_eq!(SegmentHeader::decode(&torn), HeaderRead::Valid(header()));
    }
    let mut lost = block.clone();
    lost[20] ^= 1;
    lost[2048 + 20] ^= 1;
    assert_eq!(SegmentHeader::decode(&lost), HeaderRead::Damaged);
    assert_eq!(SegmentHeader::decode(&[0; 4096]), HeaderRead::Zero);
    assert_eq!(SegmentHeader::decode(&block[..100]), HeaderRead::Damaged);
    assert_eq!(SegmentHeader::decode(&[]), HeaderRead::Zero);
}

#[test]
fn the_newer_control_slot_counts_and_the_older_one_stands_in() {
    let (old, new) = (control(), Control { generation: 7, epoch: 3, ..control() });
    assert_ne!(old.slot_offset(), new.slot_offset());
    let mut file = vec![0; CONTROL_BYTES];
    for slot in [old, new] {
        file[slot.slot_offset() as usize..][..4096].copy_from_slice(&slot.encode());
    }
    assert_eq!(Control::decode(&file), ControlRead::Valid(new));
    let mut torn = file.clone();
    torn[new.slot_offset() as usize + 50] ^= 1;
    assert_eq!(Control::decode(&torn), ControlRead::Valid(old));
    torn[old.slot_offset() as usize + 50] ^= 1;
    assert_eq!(Control::decode(&torn), ControlRead::Damaged);
    assert_eq!(Control::decode(&[0; CONTROL_BYTES]), ControlRead::Unfinished);
    assert_eq!(Control::decode(&file[..100]), ControlRead::Unfinished);
}

#[test]
fn a_whole_segment_is_read_through_any_window() {
    let image = filled();
    for window in [0, 1000, 4096, 1 << 20] {
        let (batches, end) = image.scan(None, window);
        assert_eq!(batches.iter().map(|(offset, _)| *offset as usize).collect::<Vec<_>>(), image.offsets);
        assert_eq!(end, End { offset: image.offset as u64, expect: image.next, reason: EndReason::Clean });
        let (batches, end) = image.scan(Some(image.offset as u64), window);
        assert_eq!((batches.len(), end.reason), (4, EndReason::Full));
    }
}

#[test]
fn a_torn_tail_is_not_damage() {
    let whole = filled();
    let mut image = whole.clone();
    assert!(image.append_durable(&records(&[700, 700, 700])));
    let (from, upto) = (whole.offset, image.offset);
    for lost in (from..upto).step_by(BLOCK) {
        let mut torn = image.clone();
        torn.bytes[lost..lost + BLOCK].fill(0);
        let (batches, end) = torn.scan(None, 4096);
        assert_eq!(
            (batches.len(), end.reason),
            (4, if lost == from { EndReason::Clean } else { EndReason::Torn })
        );
        assert_eq!(end.offset, from as u64);
    }
}

#[test]
fn what_was_durable_is_missed() {
    let image = filled();
    let second = image.offsets[1];
    for (at, kind) in [(second + 10, DamageKind::Header), (second + 100, DamageKind::Body)] {
        let mut damaged = image.clone();
        damaged.bytes[at] ^= 4;
        let (batches, end) = damaged.scan(None, 4096);
        let proof = image.offsets[2] as u64;
        assert_eq!((batches.len(), end.offset), (1, second as u64));
        assert_eq!(end.reason, EndReason::Damaged { kind, proof });
    }
    let mut hole = image.clone();
    hole.bytes[second..image.offsets[2]].fill(0);
    let kind = DamageKind::Hole;
    assert!(matches!(hole.scan(None, 0).1.reason, EndReason::Damaged { kind: found, .. } if found == kind));
    // The last batch has nothing behind it that proves it, unless the next segment states the end.
    let mut end = image.clone();
    end.bytes[image.offsets[3] + 70] ^= 1;
    assert_eq!(end.scan(None, 4096).1.reason, EndReason::Torn);
    let sealed = end.scan(Some(image.offset as u64), 4096).1.reason;
    assert_eq!(sealed, EndReason::Damaged { kind: DamageKind::Body, proof: image.offset as u64 });
}

#[test]
fn commits_that_were_not_durable_may_be_missing_in_any_order() {
    let mut image = Image::new(header());
    assert!(image.append(&records(&[10]), 40));
    for _ in 0..4 {
        assert!(image.append(&records(&[900]), 41));
    }
    let lost = image.offsets[2];
    image.bytes[lost..lost + BLOCK].fill(0);
    let (batches, end) = image.scan(None, 4096);
    assert_eq!((batches.len(), end.reason), (2, EndReason::Torn));
}

#[test]
fn stale_batches_of_another_use_are_not_read() {
    let mut old = Image::new(header());
    while old.append_durable(&records(&[300, 300])) {}
    let reused = SegmentHeader { segment: 9, uses: 1, first_commit: 90, first_sequence: 700, ..header() };
    let mut image = Image::new(reused);
    image.bytes[4096..].copy_from_slice(&old.bytes[4096..]);
    assert_eq!(image.scan(None, 4096).1.reason, EndReason::Stale);
    for _ in 0..3 {
        assert!(image.append_durable(&records(&[500])));
        let (batches, end) = image.scan(None, 4096);
        assert_eq!((batches.len(), end.reason), (image.offsets.len(), EndReason::Stale));
    }
    // Nor a batch that followed another one.
    let (mut one, mut other) = (Image::new(header()), Image::new(header()));
    assert!(one.append_durable(&[vec![1; 50]]) && other.append_durable(&[vec![2; 50]]));
    assert!(other.append_durable(&[vec![3; 50]]));
    let second = other.offsets[1];
    one.bytes[second..second + BLOCK].copy_from_slice(&other.bytes[second..second + BLOCK]);
    assert_eq!(one.scan(None, 4096).0.len(), 1);
    // Nor does one log's segment pass for another's.
    let mut foreign = image.clone();
    foreign.header.log = LogId([1; 16]);
    assert_eq!(foreign.scan(None, 4096).0.len(), 0);
    assert_ne!(first_chain(LOG), first_chain(LogId([1; 16])));
}

#[test]
fn what_an_earlier_opening_left_does_not_come_back() {
    // Commit 43 was torn and commit 44 whole, both never durable. After reopening, commit 43 is written again, equal to the
    // byte. Commit 44 would continue it, and is older.
    let mut image = Image::new(header());
    assert!(image.append(&records(&[10]), 40));
    let before = image.clone();
    assert!(image.append(&records(&[50]), 41));
    assert!(image.append(&records(&[60]), 41));
    let mut reopened = Image { bytes: image.bytes.clone(), ..before };
    reopened.next.epoch = 2;
    assert!(reopened.append(&records(&[50]), 41));
    let (batches, end) = reopened.scan(None, 4096);
    assert_eq!((batches.len(), end.reason), (2, EndReason::Torn));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn records_come_back_as_they_went_in(
        data in prop::collection::vec((any::<u64>(), any::<u8>(), prop::collection::vec(any::<u8>(), 1..300)), 0..20),
        first in 1u64..1 << 40,
        chain in any::<u32>(),
    ) {
        let mut batch = BatchBuilder::new(0).unwrap();
        batch.restart(first);
        for (time, kind, bytes) in &data {
            batch.push(*time, *kind, bytes).unwrap();
        }
        let body: usize = data.iter().map(|(_, _, bytes)| record_bytes(bytes.len())).sum();
        prop_assert_eq!(batch.body_bytes(), body);
        let seal = Seal { seed: 5, segment: 2, commit: 9, durable_commit: 8, epoch: 1, previous_chain: chain };
        let (header, buf) = batch.seal(&seal, BLOCK).unwrap();
        prop_assert_eq!(buf.len(), batch_bytes(body, BLOCK));
        prop_assert_eq!(BatchHeader::decode(&buf, 5), Some(header));
        prop_assert_eq!(BatchHeader::decode(&buf, 6), None);
        let body = &buf[BATCH_HEADER_BYTES..BATCH_HEADER_BYTES + body];
        prop_assert!(check_body(&header, body));
        let found: Vec<_> = Records::new(&header, body).collect();
        prop_assert_eq!(found.len(), data.len());
        for (record, (index, (time, kind, bytes))) in found.iter().zip(data.iter().enumerate()) {
            prop_assert_eq!(record.sequence, first + index as u64);
            prop_assert_eq!((record.timestamp, record.entry_type, record.data), (*time, *kind, &bytes[..]));
        }
    }

    /// A bit that flips anywhere in the batches is noticed: what is found is a beginning of what was written.
    #[test]
    fn a_flipped_bit_is_never_read_as_data(at in 4096usize..16384, bit in 0u8..8) {
        let whole = filled();
        let mut image = whole.clone();
        image.bytes[at] ^= 1 << bit;
        let (all, _) = whole.scan(None, 4096);
        let (found, end) = image.scan(None, 4096);
        prop_assert_eq!(&found[..], &all[..found.len()]);
        let hit = whole.offsets.iter().rposition(|offset| *offset <= at).filter(|_| at < whole.offset);
        match hit {
            Some(index) if found.len() == all.len() => {
                // Only padding between batches does not matter.
                let (offset, header) = all[index];
                prop_assert!(at as u64 >= offset + 64 + u64::from(header.body_bytes));
            }
            Some(3) => prop_assert_eq!(end.reason, EndReason::Torn),
            Some(_) => {
                let is_damage = matches!(end.reason, EndReason::Damaged { .. });
                prop_assert!(is_damage);
            }
            None => prop_assert_eq!(found.len(), all.len()),
        }
    }

    /// Recovery of anything ends, without a panic, and finds nothing that the checksums do not cover.
    #[test]
    fn arbitrary_content_is_survived(
        content in prop::collection::vec(any::<u8>(), 0..6000),
        patches in prop::collection::vec((0usize..12000, any::<u8>()), 0..8),
        sealed in prop::option::of(0u64..20000),
        cut in 0usize..16384,
    ) {
        let mut image = filled();
        for (at, value) in patches {
            image.bytes[4096 + at] = value;
        }
        let at = 4096 + cut.min(12288 - content.len());
        image.bytes[at..at + content.len()].copy_from_slice(&content);
        image.bytes.truncate(cut.max(4096));
        let (found, end) = image.scan(sealed, 1000);
        prop_assert!(found.len() <= 4 && end.offset <= image.bytes.len().max(4096) as u64);
        let _ = SegmentHeader::decode(&content);
        let _ = Control::decode(&content);
        let _ = draft::decode(&content, 0);
    }
}
