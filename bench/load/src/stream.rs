//! The sequence of operations of one task: the same for every engine, from the seed alone.

use crate::rng::{Rng, mix};
use crate::{Pattern, Workload};

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpKind {
    /// Reads one block.
    Read,
    /// Writes one block, and makes it durable where the workload says so.
    Write,
}

/// The endless, deterministic sequence of operations of one task.
#[derive(Debug, Clone)]
pub struct OpStream {
    rng: Rng,
    pattern: Pattern,
    block_size: u64,
    /// First block of the part of the file that this task keeps to.
    first: u64,
    /// Blocks in that part.
    blocks: u64,
    /// The next block of a sequential task, counted from `first`.
    next: u64,
    /// Writes are drawn when 32 random bits are below this.
    write_below: u64,
}

impl OpStream {
    /// The stream of task `task` (counted from 0) on a file of `file_size` bytes, which is at least
    /// [`Workload::file_size_min`].
    pub fn new(workload: &Workload, file_size: u64, seed: u64, task: usize) -> Self {
        let block_size = workload.block_size as u64;
        let in_file = file_size / block_size;
        let (first, blocks) = if workload.is_partitioned() {
            let blocks = in_file / workload.tasks as u64;
            (blocks * task as u64, blocks)
        } else {
            (0, in_file)
        };
        Self {
            rng: Rng::new(mix(seed ^ mix(task as u64 + 1))),
            pattern: workload.pattern,
            block_size,
            first,
            blocks: blocks.max(1),
            next: 0,
            write_below: (u64::from(workload.write_pct) << 32) / 100,
        }
    }

    /// The next operation and its offset.
    pub fn next_op(&mut self) -> (OpKind, u64) {
        let kind = match self.write_below {
            0 => OpKind::Read,
            below if (self.rng.next() >> 32) < below => OpKind::Write,
            _ => OpKind::Read,
        };
        let block = match self.pattern {
            Pattern::Random => self.rng.below(self.blocks),
            Pattern::Sequential => {
                let block = self.next;
                self.next = if block + 1 == self.blocks { 0 } else { block + 1 };
                block
            }
        };
        (kind, (self.first + block) * self.block_size)
    }

    /// The index of the block at `offset`, counted from the first of this task's part.
    pub(crate) fn unit(&self, offset: u64) -> usize {
        (offset / self.block_size - self.first) as usize
    }

    /// Offset of the first block of this task's part.
    pub(crate) fn region_start(&self) -> u64 {
        self.first * self.block_size
    }

    /// Blocks in this task's part.
    pub(crate) fn units(&self) -> usize {
        self.blocks as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{KIB, MIB};

    const SIZE: u64 = 64 * MIB as u64;

    fn take(workload: &Workload, seed: u64, task: usize, count: usize) -> Vec<(OpKind, u64)> {
        let mut stream = OpStream::new(workload, SIZE, seed, task);
        (0..count).map(|_| stream.next_op()).collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_operations_and_another_seed_or_task_others() {
        let mixed = Workload::random(4 * KIB, 32).writes(30);
        assert_eq!(take(&mixed, 1, 3, 500), take(&mixed, 1, 3, 500));
        assert_ne!(take(&mixed, 1, 3, 500), take(&mixed, 2, 3, 500));
        assert_ne!(take(&mixed, 1, 3, 500), take(&mixed, 1, 4, 500));
    }

    #[test]
    fn the_first_operations_are_pinned_because_figures_of_two_builds_are_compared() {
        let ops = take(&Workload::random(4 * KIB, 32), 42, 0, 3);
        let blocks: Vec<u64> = ops.iter().map(|(_, offset)| offset / 4096).collect();
        assert_eq!(blocks, PINNED);
    }

    const PINNED: [u64; 3] = [3161, 5735, 2116];

    #[test]
    fn offsets_are_aligned_inside_the_file_and_tasks_that_write_keep_apart() {
        let mixed = Workload::random(64 * KIB, 8).writes(30);
        for task in 0..8 {
            let region = SIZE / 8;
            for (_, offset) in take(&mixed, 1, task, 2000) {
                assert_eq!(offset % (64 * KIB as u64), 0);
                assert_eq!(offset / region, task as u64);
            }
        }
        assert!(
            take(&Workload::random(MIB, 2), 1, 1, 2000).iter().all(|(_, offset)| offset + MIB as u64 <= SIZE)
        );
    }

    #[test]
    fn sequential_tasks_go_through_their_part_and_start_again() {
        let ops = take(&Workload::sequential(MIB, 4), 1, 1, 17);
        let megabytes: Vec<u64> = ops.iter().map(|(_, offset)| offset / MIB as u64).collect();
        assert_eq!(megabytes, (16..32).chain([16]).collect::<Vec<_>>());
    }

    #[test]
    fn the_share_of_writes_is_what_was_asked_for() {
        let ops = take(&Workload::random(4 * KIB, 1).writes(30), 1, 0, 100_000);
        let writes = ops.iter().filter(|(kind, _)| *kind == OpKind::Write).count();
        assert!((29_000..31_000).contains(&writes), "{writes}");
        let writes_only = take(&Workload::random(4 * KIB, 1).writes(100), 1, 0, 10_000);
        assert!(writes_only.iter().all(|(kind, _)| *kind == OpKind::Write));
    }
}
