//! The tasks of a schedule: each owns a range of the file, writes it, reads it back, and syncs the file for all.

use crate::lab::data::bytes;
use crate::model::{LEN, Model};
use rustfs_rio_engine::sim::Rng;
use rustfs_rio_engine::{Engine, File, FileError, OpKind, OpenOptions, Refusal};
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io;
use std::ops::Range;
use std::rc::Rc;

pub(crate) const PATH: &str = "/file";
/// Below this the size never falls.
pub(crate) const FIXED: usize = 23_331;

/// The ranges that tasks own: they share sectors and pages at their ends, and the last one holds the end of the file.
pub(crate) const RANGES: [Range<usize>; 4] = [13..7777, 7777..15_554, 15_554..FIXED, FIXED..LEN];

/// What the tasks of a schedule share.
pub(crate) struct Shared {
    pub(crate) engine: Engine,
    pub(crate) model: RefCell<Model>,
    pub(crate) file: RefCell<File>,
    pub(crate) streams: Cell<u64>,
    /// Folds all results, to compare two runs of a seed.
    pub(crate) digest: Cell<u64>,
    /// Whether `RIO_SCHEDULE_TRACE` asks for what happens, step by step.
    pub(crate) traced: bool,
}

impl Shared {
    pub(crate) fn trace(&self, what: impl FnOnce() -> String) {
        if self.traced {
            println!("{}", what());
        }
    }

    pub(crate) fn note(&self, what: u64) {
        let mixed = (self.digest.get() ^ what).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.digest.set(mixed ^ (mixed >> 29));
    }
}

pub(crate) struct Task {
    pub(crate) shared: Rc<Shared>,
    pub(crate) rng: Rng,
    pub(crate) range: Range<usize>,
    pub(crate) drop: f64,
}

/// The errors that the plan of faults can cause, by operation.
fn is_expected(kind: OpKind, errno: Option<i32>) -> bool {
    let own: &[i32] = match kind {
        OpKind::Read | OpKind::ReadVectored | OpKind::Fsync | OpKind::Fdatasync => &[libc::EIO],
        OpKind::Write | OpKind::WriteVectored => &[libc::EIO, libc::ENOSPC],
        OpKind::Fallocate => &[libc::ENOSPC, libc::EOPNOTSUPP],
        OpKind::Open => &[libc::EMFILE],
        _ => &[],
    };
    // More interruptions in a row than the engine repeats.
    errno.is_some_and(|errno| own.contains(&errno) || [libc::EINTR, libc::EAGAIN].contains(&errno))
}

impl Task {
    pub(crate) async fn run(mut self, steps: usize) {
        for _ in 0..steps {
            match self.rng.below(100) {
                0..45 => self.write().await,
                45..75 => self.read().await,
                75..83 => self.sync(true).await,
                83..87 => self.sync(false).await,
                87..90 => self.reopen().await,
                90..93 => self.stat().await,
                93..95 => self.allocate().await,
                _ if self.owns_the_end() => self.set_size().await,
                _ => tokio::task::yield_now().await,
            }
        }
    }

    fn owns_the_end(&self) -> bool {
        self.range.end == LEN
    }

    fn file(&self) -> File {
        self.shared.file.borrow().clone()
    }

    fn pick(&mut self) -> Range<usize> {
        let start = self.rng.range(self.range.start, self.range.end);
        let len = self.rng.range(1, 3000).min(self.range.end - start);
        start..start + len
    }

    /// Awaits an operation, or drops its future after some turns: `None`.
    async fn attempt<F: Future>(&mut self, operation: F) -> Option<F::Output> {
        let operation = std::pin::pin!(operation);
        // What may change the size is not dropped, so that the model of the size stays simple.
        if self.owns_the_end() || !self.rng.chance(self.drop) {
            return Some(operation.await);
        }
        let turns = self.rng.below(6);
        let patience = async {
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            output = operation => Some(output),
            () = patience => None,
        }
    }

    /// Checks an error; `true` if the operation was refused before it started, because the file is poisoned.
    fn expect(&self, kind: OpKind, file: &File, error: &io::Error) -> bool {
        let context = FileError::of(error).expect("errors carry their context");
        assert_eq!(context.path.as_os_str(), PATH, "{error}");
        self.shared.note(error.kind() as u64);
        if let Some(refusal) = Refusal::of(error) {
            assert!(matches!(refusal, Refusal::Poisoned { .. }) && file.is_poisoned(), "{error}");
            assert!(kind.modifies(), "{error}");
            return true;
        }
        assert!(is_expected(kind, FileError::errno(error)), "not in the plan: {error}");
        false
    }

    async fn write(&mut self) {
        let range = self.pick();
        let stream = self.shared.streams.get();
        self.shared.streams.set(stream + 1);
        let data = bytes(stream, range.start as u64, range.len());
        let file = self.file();
        let was_poisoned = file.is_poisoned();
        let change = self.shared.model.borrow_mut().write_starts(range.clone(), stream);
        self.shared.trace(|| format!("write {stream} of {range:?} starts"));
        let offset = range.start as u64;
        let (kind, result) = if self.rng.chance(0.3) {
            let cut = self.rng.range(0, data.len());
            let parts = vec![data[..cut].to_vec(), Vec::new(), data[cut..].to_vec()];
            let done = self.attempt(file.write_vectored_at(parts, offset)).await;
            (OpKind::WriteVectored, done.map(|(result, _)| result))
        } else {
            let done = self.attempt(file.write_at(data, offset)).await;
            (OpKind::Write, done.map(|(result, _)| result))
        };
        let Some(result) = result else {
            self.shared.trace(|| format!("write {stream} is dropped"));
            self.shared.model.borrow_mut().write_dropped(&change);
            return;
        };
        self.shared.trace(|| format!("write {stream}: {result:?}"));
        match result {
            Ok(count) => {
                assert_eq!(count, range.len(), "a write is whole");
                assert!(!was_poisoned, "a poisoned file took a write");
                self.shared.model.borrow_mut().write_ends(&change, count, true);
            }
            Err(error) => {
                let refused = self.expect(kind, &file, &error);
                let done = FileError::of(&error).map_or(0, |context| context.transferred);
                self.shared.model.borrow_mut().write_ends(&change, done, !refused);
                if refused {
                    self.reopen().await;
                }
            }
        }
    }

    async fn read(&mut self) {
        let range = self.pick();
        let file = self.file();
        let room = Vec::with_capacity(range.len());
        let Some((result, buf)) = self.attempt(file.read_at(room, range.start as u64)).await else { return };
        let complete = match result {
            Ok(count) => {
                assert_eq!(count, buf.len());
                true
            }
            Err(error) => {
                assert!(!self.expect(OpKind::Read, &file, &error), "reads are never refused");
                false
            }
        };
        self.shared
            .note(buf.iter().fold(buf.len() as u64, |sum, byte| sum.wrapping_mul(31) + u64::from(*byte)));
        let verdict = self.shared.model.borrow().check_read(range.start, range.len(), &buf, complete);
        verdict.unwrap_or_else(|why| panic!("{why}"));
    }

    async fn sync(&mut self, data_only: bool) {
        let file = self.file();
        let was_poisoned = file.is_poisoned();
        let sync = self.shared.model.borrow_mut().sync_starts(&file);
        self.shared.trace(|| format!("sync {sync} starts"));
        let done = if data_only {
            self.attempt(file.sync_data()).await
        } else {
            self.attempt(file.sync_all()).await
        };
        let Some(result) = done else {
            self.shared.trace(|| format!("sync {sync} is dropped"));
            self.shared.model.borrow_mut().sync_dropped(sync);
            return;
        };
        self.shared.trace(|| format!("sync {sync}: {result:?}"));
        self.shared.note(u64::from(result.is_ok()));
        match result {
            Ok(()) => {
                assert!(!was_poisoned, "a poisoned file was synced");
                self.shared.model.borrow_mut().sync_succeeds(sync);
            }
            Err(error) => {
                let kind = if data_only { OpKind::Fdatasync } else { OpKind::Fsync };
                self.expect(kind, &file, &error);
                assert!(file.is_poisoned(), "a failed sync poisons the file: {error}");
                self.shared.model.borrow_mut().sync_fails(sync);
                self.reopen().await;
            }
        }
    }

    async fn reopen(&mut self) {
        let options = OpenOptions::new().read(true).write(true);
        for _ in 0..20 {
            match self.shared.engine.open(PATH, &options).await {
                Ok(file) => {
                    self.shared.trace(|| "reopened".to_owned());
                    let old = self.shared.file.replace(file);
                    if self.rng.chance(0.3) {
                        // Only the last clone really closes; nothing is lost on a close that fails.
                        let _ = old.close().await;
                    }
                    return;
                }
                Err(error) => {
                    let errno = FileError::errno(&error);
                    assert!(is_expected(OpKind::Open, errno), "not in the plan: {error}");
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    async fn stat(&mut self) {
        let file = self.file();
        match file.stat().await {
            Ok(stat) => assert!((FIXED as u64..=LEN as u64).contains(&stat.size)),
            Err(error) => assert!(!self.expect(OpKind::Statx, &file, &error)),
        }
    }

    async fn allocate(&mut self) {
        const KEEP_SIZE: i32 = 0x01;
        let range = self.pick();
        let file = self.file();
        if let Err(error) = file.allocate(KEEP_SIZE, range.start as u64, range.len() as u64).await {
            self.expect(OpKind::Fallocate, &file, &error);
        }
    }

    async fn set_size(&mut self) {
        let size = self.rng.range(FIXED, LEN + 1);
        let file = self.file();
        let change = self.shared.model.borrow_mut().resize_starts(size);
        let result = file.set_len(size as u64).await;
        self.shared.trace(|| format!("size {size}: {result:?}"));
        self.shared.model.borrow_mut().resize_ends(&change, result.is_ok());
        if let Err(error) = result
            && self.expect(OpKind::Ftruncate, &file, &error)
        {
            self.reopen().await;
        }
    }
}
