//! The bare ring: what it moves, what it refuses, and what it waits for when it is dropped.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod lab;

use rustfs_rio_engine::buf::AlignedBuf;
use rustfs_rio_engine::floor::{self, Action, Completion, Ring, Transfer, Work};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;

const BLOCK: usize = 4096;
const BLOCKS: u64 = 64;

/// Says loudly when this machine has no io_uring.
fn refused() -> bool {
    floor::available().map_err(|refusal| lab::skip(&format!("the bare ring: {refusal}"))).is_err()
}

/// A file whose block `n` is full of the byte `n`.
fn numbered() -> File {
    let file = tempfile::tempfile().unwrap();
    for block in 0..BLOCKS {
        file.write_all_at(&[block as u8; BLOCK], block * BLOCK as u64).unwrap();
    }
    file
}

fn read(file: &File, block: u64) -> Transfer<BorrowedFd<'_>> {
    let buf = AlignedBuf::zeroed(BLOCK).unwrap();
    Transfer { action: Action::Read, offset: block * BLOCK as u64, buf, file: file.as_fd() }
}

#[test]
fn completions_bring_the_slot_the_bytes_and_the_count() {
    if refused() {
        return;
    }
    let file = numbered();
    let mut ring = Ring::new(8).unwrap();
    for slot in 0..8 {
        ring.start(slot, read(&file, 10 + slot as u64)).unwrap();
    }
    assert_eq!(ring.under_way(), 8);
    let mut done = Vec::new();
    while ring.under_way() > 0 {
        ring.submit_and_wait(1).unwrap();
        ring.reap(&mut done);
    }
    assert!(ring.enters() >= 1);
    assert_eq!(done.len(), 8);
    for completion in done {
        let Completion::Done { slot, transfer, result } = completion else { panic!("nothing was polled") };
        assert_eq!(result.unwrap(), BLOCK);
        assert!(transfer.buf.iter().all(|byte| *byte == 10 + slot as u8));
    }
}

#[test]
fn a_taken_or_missing_slot_is_refused_and_what_is_under_way_goes_on() {
    if refused() {
        return;
    }
    let file = numbered();
    let mut ring = Ring::new(2).unwrap();
    ring.start(0, read(&file, 1)).unwrap();
    for slot in [0, 2, usize::MAX] {
        let error = ring.start(slot, read(&file, 2)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "slot {slot}");
    }
    assert_eq!(ring.under_way(), 1);
    // More than can come must not wait forever.
    ring.submit_and_wait(100).unwrap();
    let mut done = Vec::new();
    ring.reap(&mut done);
    let [Completion::Done { slot: 0, transfer, result: Ok(BLOCK) }] = &done[..] else { panic!("{done:?}") };
    assert_eq!(transfer.buf[0], 1);
}

#[test]
fn an_impossible_depth_is_an_error() {
    for depth in [usize::MAX, u32::MAX as usize, 1 << 20] {
        assert!(Ring::<File>::new(depth).is_err(), "{depth}");
    }
}

#[test]
fn a_dropped_ring_waits_for_the_kernel() {
    if refused() {
        return;
    }
    let (receiver, sender) = io::pipe().unwrap();
    let file = &receiver;
    let transfer = || {
        let buf = AlignedBuf::zeroed(BLOCK).unwrap();
        Transfer { action: Action::Read, offset: 0, buf, file }
    };
    std::thread::scope(|scope| {
        let (started, wait) = std::sync::mpsc::channel();
        let dropping = scope.spawn(move || {
            let mut ring = Ring::new(2).unwrap();
            ring.start(0, transfer()).unwrap();
            // Submitted and queued alike.
            ring.submit_and_wait(0).unwrap();
            ring.start(1, transfer()).unwrap();
            started.send(()).unwrap();
            drop(ring);
        });
        wait.recv().unwrap();
        // why: the drop must not have returned on its own; there is no event to wait for when it is right.
        std::thread::sleep(std::time::Duration::from_millis(50));
        assert!(!dropping.is_finished());
        // The end of the pipe completes both reads.
        drop(sender);
        dropping.join().unwrap();
    });
}

#[test]
fn a_poll_completes_when_the_descriptor_is_readable() {
    if refused() {
        return;
    }
    let (receiver, mut sender) = io::pipe().unwrap();
    let mut ring = Ring::<File>::new(1).unwrap();
    ring.poll_readable(receiver.as_fd()).unwrap();
    let mut done = Vec::new();
    ring.submit_and_wait(0).unwrap();
    ring.reap(&mut done);
    assert!(done.is_empty());
    io::Write::write_all(&mut sender, b"x").unwrap();
    ring.submit_and_wait(1).unwrap();
    ring.reap(&mut done);
    assert!(matches!(done[..], [Completion::Readable(Ok(()))]), "{done:?}");
}

/// Writes each block once and syncs it, then reads it back.
struct Rounds {
    /// Per slot: the step it is in, three for each of its blocks.
    steps: Vec<u64>,
    rounds: u64,
    errors: usize,
}

impl Rounds {
    fn block(&self, slot: usize) -> u64 {
        slot as u64 * self.rounds + self.steps[slot] / 3
    }
}

impl Work for Rounds {
    fn next(&mut self, slot: usize, buf: &mut [u8]) -> Option<(Action, u64)> {
        if self.steps[slot] == 3 * self.rounds {
            return None;
        }
        let offset = self.block(slot) * BLOCK as u64;
        match self.steps[slot] % 3 {
            0 => {
                buf.fill(100 + self.block(slot) as u8);
                Some((Action::Write, offset))
            }
            1 => Some((Action::Sync, 0)),
            _ => {
                buf.fill(0);
                Some((Action::Read, offset))
            }
        }
    }

    fn done(&mut self, slot: usize, result: io::Result<usize>, buf: &[u8]) {
        let step = self.steps[slot] % 3;
        let moved = if step == 1 { 0 } else { BLOCK };
        let right = step < 2 || buf.iter().all(|byte| *byte == 100 + self.block(slot) as u8);
        self.errors += usize::from(result.ok() != Some(moved) || !right);
        self.steps[slot] += 1;
    }
}

#[test]
fn the_loop_writes_syncs_and_reads_until_no_slot_has_work() {
    if refused() {
        return;
    }
    for submit_every in [1, 2, usize::MAX] {
        let file = numbered();
        let mut work = Rounds { steps: vec![0; 4], rounds: 5, errors: 0 };
        let enters = floor::run(&[file.as_fd(); 4], BLOCK, submit_every, &mut work).unwrap();
        assert_eq!((work.errors, &work.steps[..]), (0, &[15; 4][..]));
        assert!((1..=200).contains(&enters), "{enters}");
    }
}

#[test]
fn an_error_of_an_operation_reaches_its_slot_and_the_loop_goes_on() {
    if refused() {
        return;
    }
    let file = numbered();
    let other = tempfile::NamedTempFile::new().unwrap();
    let read_only = File::open(other.path()).unwrap();
    let mut work = Rounds { steps: vec![0; 2], rounds: 1, errors: 0 };
    floor::run(&[file.as_fd(), read_only.as_fd()], BLOCK, 1, &mut work).unwrap();
    // The write is refused and the read finds nothing; the sync succeeds, which fdatasync(2) does for any reader.
    assert_eq!(work.errors, 2);
}
