//! A file behaves like a vector of bytes: random sequences of operations on every backend and in every directory, against
//! a plain `Vec<u8>`.
//!
//! `RIO_MODEL_CASES` is the number of sequences per backend and directory.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a failed step ends the test, and skips are printed"
)]

#[path = "lab/mod.rs"]
mod lab;

use lab::data::bytes;
use lab::{Kind, Place, balance, number, runtime};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use rustfs_rio_engine::sim::{Faults, SimDisk};
use rustfs_rio_engine::{DirectMode, Engine, EngineConfig, File, OpenOptions, UnalignedWrites};
use std::path::{Path, PathBuf};

const OFFSET_MAX: usize = 20_000;
const LEN_MAX: usize = 9000;

#[derive(Debug, Clone)]
enum Step {
    Read { offset: usize, len: usize },
    ReadVectored { offset: usize, lens: Vec<usize> },
    ReadSlice { offset: usize, len: usize },
    Write { offset: usize, len: usize },
    WriteVectored { offset: usize, lens: Vec<usize> },
    WriteSlice { offset: usize, len: usize },
    Append { len: usize },
    SetLen { len: usize },
    PunchHole { offset: usize, len: usize },
    Sync { data_only: bool },
    Stat,
    Reopen { direct: bool },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // Edges of blocks and pages come up more often than chance would have them.
    let edge = |max: usize| {
        prop_oneof![0..max, (0..max / 512).prop_map(|n| n * 512), (0..max / 4096).prop_map(|n| n * 4096)]
    };
    let lens = || prop::collection::vec(prop_oneof![Just(0), 0..2000usize, Just(512), Just(4096)], 0..6);
    let step = prop_oneof![
        3 => (edge(OFFSET_MAX), edge(LEN_MAX)).prop_map(|(offset, len)| Step::Read { offset, len }),
        1 => (edge(OFFSET_MAX), lens()).prop_map(|(offset, lens)| Step::ReadVectored { offset, lens }),
        1 => (edge(OFFSET_MAX), edge(LEN_MAX)).prop_map(|(offset, len)| Step::ReadSlice { offset, len }),
        5 => (edge(OFFSET_MAX), edge(LEN_MAX)).prop_map(|(offset, len)| Step::Write { offset, len }),
        2 => (edge(OFFSET_MAX), lens()).prop_map(|(offset, lens)| Step::WriteVectored { offset, lens }),
        1 => (edge(OFFSET_MAX), edge(LEN_MAX)).prop_map(|(offset, len)| Step::WriteSlice { offset, len }),
        1 => edge(LEN_MAX).prop_map(|len| Step::Append { len }),
        2 => edge(OFFSET_MAX).prop_map(|len| Step::SetLen { len }),
        1 => (edge(OFFSET_MAX), 1..LEN_MAX).prop_map(|(offset, len)| Step::PunchHole { offset, len }),
        1 => any::<bool>().prop_map(|data_only| Step::Sync { data_only }),
        1 => Just(Step::Stat),
        2 => any::<bool>().prop_map(|direct| Step::Reopen { direct }),
    ];
    prop::collection::vec(step, 1..25)
}

/// A file beside its model.
struct Pair<'a> {
    engine: &'a Engine,
    path: &'a Path,
    file: File,
    model: Vec<u8>,
    stream: u64,
}

impl Pair<'_> {
    fn fresh(&mut self, offset: usize, len: usize) -> Vec<u8> {
        self.stream += 1;
        bytes(self.stream, offset as u64, len)
    }

    fn put(&mut self, offset: usize, data: &[u8]) {
        if data.is_empty() {
            return;
        }
        if self.model.len() < offset + data.len() {
            self.model.resize(offset + data.len(), 0);
        }
        self.model[offset..offset + data.len()].copy_from_slice(data);
    }

    fn expected(&self, offset: usize, len: usize) -> &[u8] {
        let start = offset.min(self.model.len());
        &self.model[start..self.model.len().min(start + len)]
    }

    async fn apply(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match step {
            Step::Read { .. } | Step::ReadVectored { .. } | Step::ReadSlice { .. } => self.read(step).await?,
            Step::Write { offset, len } => {
                let data = self.fresh(*offset, *len);
                prop_assert_eq!(self.file.write_at(data.clone(), *offset as u64).await.0.unwrap(), *len);
                self.put(*offset, &data);
            }
            Step::WriteVectored { offset, lens } => {
                let data = self.fresh(*offset, lens.iter().sum());
                let mut rest = &data[..];
                let parts = lens.iter().map(|len| rest.split_off(..*len).unwrap().to_vec()).collect();
                let count = self.file.write_vectored_at(parts, *offset as u64).await.0.unwrap();
                prop_assert_eq!(count, data.len());
                self.put(*offset, &data);
            }
            Step::WriteSlice { offset, len } => {
                let data = self.fresh(*offset, *len);
                prop_assert_eq!(self.file.write_slice_at(&data, *offset as u64).await.unwrap(), *len);
                self.put(*offset, &data);
            }
            Step::Append { len } => {
                let data = self.fresh(self.model.len(), *len);
                let appender = self.engine.open(self.path, &OpenOptions::new().append(true)).await.unwrap();
                prop_assert_eq!(appender.write_at(data.clone(), 0).await.0.unwrap(), *len);
                self.put(self.model.len(), &data);
            }
            Step::SetLen { len } => {
                self.file.set_len(*len as u64).await.unwrap();
                self.model.resize(*len, 0);
            }
            Step::PunchHole { offset, len } => {
                /// `FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE`.
                const HOLE: i32 = 0x03;
                // Not every file system has holes; if it has, they are zero.
                if self.file.allocate(HOLE, *offset as u64, *len as u64).await.is_ok() {
                    let end = self.model.len().min(offset + len);
                    self.model[(*offset).min(end)..end].fill(0);
                }
            }
            Step::Sync { data_only: true } => self.file.sync_data().await.unwrap(),
            Step::Sync { data_only: false } => self.file.sync_all().await.unwrap(),
            Step::Stat => prop_assert_eq!(self.file.stat().await.unwrap().size, self.model.len() as u64),
            Step::Reopen { direct } => self.file = open(self.engine, self.path, *direct).await,
        }
        Ok(())
    }

    async fn read(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match step {
            Step::ReadVectored { offset, lens } => {
                let rooms = lens.iter().map(|len| Vec::with_capacity(*len)).collect();
                let (result, parts): (_, Vec<Vec<u8>>) =
                    self.file.read_vectored_at(rooms, *offset as u64).await;
                let total = parts.iter().map(Vec::capacity).sum();
                prop_assert!(parts.concat() == self.expected(*offset, total), "{:?}", step);
                prop_assert_eq!(result.unwrap(), parts.concat().len());
            }
            Step::ReadSlice { offset, len } => {
                let mut room = vec![0xee; *len];
                let count = self.file.read_slice_at(&mut room, *offset as u64).await.unwrap();
                prop_assert!(&room[..count] == self.expected(*offset, *len), "{:?}", step);
                prop_assert!(room[count..].iter().all(|byte| *byte == 0xee));
            }
            Step::Read { offset, len } => {
                let (result, buf) = self.file.read_at(Vec::with_capacity(*len), *offset as u64).await;
                prop_assert_eq!(result.unwrap(), buf.len());
                prop_assert!(buf == self.expected(*offset, buf.capacity()), "{:?}", step);
            }
            _ => {}
        }
        Ok(())
    }
}

async fn open(engine: &Engine, path: &Path, direct: bool) -> File {
    let options = OpenOptions::new().read(true).write(true).create(true);
    let options = match direct {
        true => options.direct(DirectMode::Auto).unaligned_writes(UnalignedWrites::ReadModifyWrite),
        false => options,
    };
    engine.open(path, &options).await.unwrap()
}

/// Runs random sequences with one engine in one directory.
fn check(kind: Kind, place: Option<&Place>) {
    let runtime = runtime(1);
    let disk = SimDisk::with_faults(
        1,
        Faults { short: 0.2, interrupted: 0.05, latency_max: 5, ..Faults::default() },
    );
    let Some(engine) = runtime.block_on(async { kind.engine(EngineConfig::default(), &disk) }) else {
        return;
    };
    let path = place.map_or(PathBuf::from("/file"), |place| place.path().join(format!("{kind:?}")));
    let cases = number("RIO_MODEL_CASES", 24) as u32;
    // Failures are shrunk to a few steps; one that matters becomes a test with a name rather than a file of seeds.
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let result = TestRunner::new(config).run(&steps(), |steps| {
        runtime.block_on(async {
            let file = open(&engine, &path, false).await;
            file.set_len(0).await.unwrap();
            let mut pair = Pair { engine: &engine, path: &path, file, model: Vec::new(), stream: 0 };
            for step in &steps {
                pair.apply(step).await?;
            }
            pair.read(&Step::Read { offset: 0, len: OFFSET_MAX + LEN_MAX * 2 }).await
        })
    });
    result.unwrap_or_else(|error| panic!("{kind:?} in {:?}: {error}", place.map(|place| &place.label)));
    runtime.block_on(balance(&engine));
}

#[test]
fn files_on_the_best_path_behave_like_vectors() {
    Place::all().iter().for_each(|place| check(Kind::Auto, Some(place)));
}

#[test]
fn files_on_the_ring_behave_like_vectors() {
    Place::all().iter().for_each(|place| check(Kind::Uring, Some(place)));
}

#[test]
fn files_on_blocking_threads_behave_like_vectors() {
    Place::all().iter().for_each(|place| check(Kind::Blocking, Some(place)));
}

#[test]
fn simulated_files_behave_like_vectors() {
    check(Kind::Sim, None);
}
