//! Reads and writes of blocks whose content is known: each task owns a region of the file and knows which write each of its
//! blocks holds.

use std::sync::Arc;

use rustfs_rio::{AlignedBuf, DirectMode, DiskFile, OpenOptions, RuntimeHandle};
use rustfs_rio_load::{BLOCK, Content, DataFile};
use tokio::task::JoinSet;

use crate::random::Random;
use crate::scene::{Plan, Role, StressError};

/// Longest operation, in blocks of 4 KiB.
const BLOCKS_MAX: u64 = 64;
/// One operation in so many is a sync.
const SYNC_EVERY: u64 = 400;
/// One read in so many is dropped half-way.
const DROP_EVERY: u64 = 10;

pub(crate) async fn start(
    role: &Arc<Role>,
    plan: &Plan,
    data: &DataFile,
    direct: bool,
    rio: &RuntimeHandle,
    tasks: &mut JoinSet<()>,
) -> Result<(), StressError> {
    let direct = if direct { DirectMode::Auto } else { DirectMode::Off };
    let options = OpenOptions::new().read(true).write(true).direct(direct);
    let content = Arc::new(Content::new(data.seed));
    let region = data.size / BLOCK as u64 / plan.tasks as u64;
    for task in 0..plan.tasks as u64 {
        let file = DiskFile::open_with(&data.path, &options, rio).await?;
        let worker = Worker {
            role: Arc::clone(role),
            file,
            content: Arc::clone(&content),
            first: task * region,
            generations: vec![0; region as usize],
            random: Random::new(role.seed, u64::from(direct == DirectMode::Auto), task),
        };
        tasks.spawn(worker.run());
    }
    Ok(())
}

struct Worker {
    role: Arc<Role>,
    file: DiskFile,
    content: Arc<Content>,
    /// First block of the region.
    first: u64,
    /// Which write each block holds.
    generations: Vec<u32>,
    random: Random,
}

impl Worker {
    async fn run(mut self) {
        let mut round = 0;
        while self.role.goes_on(round) {
            round += 1;
            let done = match self.random.below(10) {
                _ if self.random.once_in(SYNC_EVERY) => self.sync().await,
                0..3 => self.write().await,
                3..6 => self.read_pooled().await,
                _ => self.read().await,
            };
            if let Err(problem) = done {
                self.role.fail(problem);
            }
        }
    }

    fn range(&mut self) -> (usize, usize) {
        let count = 1 + self.random.below(BLOCKS_MAX.min(self.generations.len() as u64));
        let start = self.random.below(self.generations.len() as u64 - count + 1);
        (start as usize, count as usize)
    }

    fn offset(&self, block: usize) -> u64 {
        (self.first + block as u64) * BLOCK as u64
    }

    async fn write(&mut self) -> Result<(), String> {
        let (start, count) = self.range();
        let offset = self.offset(start);
        let mut bytes = AlignedBuf::zeroed(count * BLOCK).map_err(|error| error.to_string())?;
        for (block, bytes) in (start..start + count).zip(bytes.chunks_exact_mut(BLOCK)) {
            let generation = self.generations[block].wrapping_add(1);
            self.content.fill(self.offset(block), generation, bytes);
        }
        let (result, _) = self.file.write_from(bytes, offset).await;
        let written = result.map_err(|error| format!("a write failed: {error}"))?;
        if written != count * BLOCK {
            return Err(format!(
                "a write of {} bytes at {offset} ended at {written} without an error",
                count * BLOCK
            ));
        }
        for generation in &mut self.generations[start..start + count] {
            *generation = generation.wrapping_add(1);
        }
        self.role.add(|report| report.operations += 1);
        Ok(())
    }

    async fn read(&mut self) -> Result<(), String> {
        let (start, count) = self.range();
        let offset = self.offset(start);
        let bytes = AlignedBuf::zeroed(count * BLOCK).map_err(|error| error.to_string())?;
        let reading = self.file.read_into(bytes, offset);
        if self.random.once_in(DROP_EVERY) {
            tokio::select! {
                biased;
                _ = reading => {}
                () = tokio::task::yield_now() => self.role.add(|report| report.dropped += 1),
            }
            return Ok(());
        }
        let (result, bytes) = reading.await;
        let read = result.map_err(|error| format!("a read failed: {error}"))?;
        self.check(start, count, &bytes[..read])
    }

    async fn read_pooled(&mut self) -> Result<(), String> {
        let (start, count) = self.range();
        let bytes = self.file.read_range(self.offset(start), (count * BLOCK) as u64).await;
        let bytes = bytes.map_err(|error| format!("a read failed: {error}"))?;
        self.check(start, count, &bytes)
    }

    fn check(&self, start: usize, count: usize, bytes: &[u8]) -> Result<(), String> {
        if bytes.len() != count * BLOCK {
            return Err(format!("a read of {} bytes gave {}", count * BLOCK, bytes.len()));
        }
        for (block, bytes) in (start..start + count).zip(bytes.chunks_exact(BLOCK)) {
            let expected = Some(self.generations[block]);
            self.content
                .check_fully(self.offset(block), bytes, expected)
                .map_err(|error| error.to_string())?;
        }
        self.role.add(|report| {
            report.operations += 1;
            report.verified_bytes += bytes.len() as u64;
        });
        Ok(())
    }

    async fn sync(&mut self) -> Result<(), String> {
        self.file.flush_and_sync().await.map_err(|error| format!("a sync failed: {error}"))?;
        self.role.add(|report| report.operations += 1);
        Ok(())
    }
}
