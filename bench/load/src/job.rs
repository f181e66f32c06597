//! One measured run: its description, its clock, and the sum of its tasks.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustfs_rio_buf::AlignedBuf;
use serde::{Deserialize, Serialize};

use crate::content::Content;
use crate::rng::Rng;
use crate::task::{Tally, TaskLoop, Written};
use crate::usage::Usage;
use crate::{Cancel, DataFile, LoadError, Outcome, Workload};

/// How long the clock sleeps before it looks whether the run was called off: long enough to cost nothing, short enough
/// for a person at Ctrl-C.
const CLOCK_SLICE: Duration = Duration::from_millis(50);
/// How often the clock looks whether all tasks have begun.
const ARRIVAL_SLICE: Duration = Duration::from_millis(1);
/// Written blocks that are read back after a run; more would take longer than a short run itself.
const READ_BACK_BLOCKS_MAX: usize = 512;

/// Everything that defines a run; can be handed to another process.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Job {
    /// The file to load.
    pub file: DataFile,
    /// What to do to it.
    pub workload: Workload,
    /// Threads for engines that run tasks on a fixed number of them.
    pub workers: usize,
    /// Not measured: caches, rings and thread pools settle.
    pub warmup: Duration,
    /// Measured.
    pub duration: Duration,
    /// Seed of the operations; the same for all engines of a comparison.
    pub seed: u64,
    /// Number of this run: another one for each run on the same file, so that a write of an earlier run is never taken
    /// for one of this run.
    pub leg: u32,
    /// Calls the run off.
    #[serde(skip)]
    pub cancel: Cancel,
}

/// What an engine adds to the figures.
#[derive(Debug, Clone, Default)]
pub struct Notes {
    /// The path it took, where it has a choice.
    pub backend: Option<String>,
    /// Its `io_uring_enter` calls from the first to the last operation, where it counts them.
    pub ring_enters: Option<u64>,
    /// Mean of its operations in flight, where they were sampled.
    pub mean_in_flight: Option<f64>,
}

impl Job {
    /// Runs the workload on the engine called `engine`: `drive` starts the workload's tasks, each with a [`TaskLoop`] of
    /// [`Run::task`], and returns when all have ended. A task that cannot begin must say so with [`Run::fail`], or the others wait for it.
    pub fn measure(
        &self,
        engine: &str,
        drive: impl FnOnce(&Arc<Run>) -> Result<Notes, LoadError>,
    ) -> Result<Outcome, LoadError> {
        let run = Arc::new(Run::new(self)?);
        let (driven, window) = thread::scope(|scope| {
            let clock = scope.spawn(|| run.keep_time());
            let driven = drive(&run);
            run.set_phase(Phase::Stop);
            (driven, clock.join().unwrap_or(None))
        });
        self.cancel.check()?;
        let collected = std::mem::take(&mut *run.collected.lock());
        if let Some(reason) = collected.failure {
            return Err(self.engine_error(engine, reason));
        }
        let notes = driven?;
        let Some(window) = window else {
            let reason = collected.tally.first_problem;
            let reason = reason.unwrap_or_else(|| "its tasks ended before the clock started".into());
            return Err(self.engine_error(engine, reason));
        };
        let mut outcome = collected.tally.outcome(window.seconds, self.workload.block_size);
        outcome.cpu_us_per_op = window.cpu.as_secs_f64() * 1e6 / outcome.ops.max(1) as f64;
        outcome.device_read_bytes = window.device_read_bytes;
        outcome.enters_per_op =
            notes.ring_enters.map(|enters| enters as f64 / collected.tally.ops_with_warmup.max(1) as f64);
        outcome.backend = notes.backend;
        outcome.mean_in_flight = notes.mean_in_flight;
        self.read_back(&run.content, &collected.written, &mut outcome)?;
        outcome.verified = outcome.errors == 0 && outcome.corrupt == 0 && outcome.ops > 0;
        Ok(outcome)
    }

    /// The error of an engine that could not carry out this job.
    pub fn engine_error(&self, engine: &str, reason: impl ToString) -> LoadError {
        LoadError::Engine {
            engine: engine.into(),
            workload: self.workload.name(),
            reason: reason.to_string(),
        }
    }

    /// The operating system's flags for opening the file, beyond the access mode.
    pub fn open_flags(&self) -> i32 {
        self.workload.open_flags()
    }

    /// Opens the file for this workload.
    pub fn open(&self) -> Result<File, LoadError> {
        File::options()
            .read(true)
            .write(self.workload.has_writes())
            .custom_flags(self.open_flags())
            .open(&self.file.path)
            .map_err(LoadError::io("open", &self.file.path))
    }

    /// A buffer of one block, aligned for direct I/O.
    pub fn buffer(&self) -> Result<AlignedBuf, LoadError> {
        AlignedBuf::zeroed(self.workload.block_size)
            .map_err(|source| LoadError::Memory { workload: self.workload.name(), source })
    }

    /// The tasks of each of `workers` threads, split as evenly as they go; fewer threads where there are fewer tasks.
    pub fn split_tasks(&self, workers: usize) -> Vec<std::ops::Range<usize>> {
        let workers = workers.clamp(1, self.workload.tasks);
        let bound = |worker: usize| worker * self.workload.tasks / workers;
        (0..workers).map(|worker| bound(worker)..bound(worker + 1)).collect()
    }

    /// Reads a sample of what the run has written, through a descriptor of its own.
    fn read_back(
        &self,
        content: &Content,
        written: &[Written],
        outcome: &mut Outcome,
    ) -> Result<(), LoadError> {
        let path = &self.file.path;
        let file = File::open(path).map_err(LoadError::io("open", path))?;
        let mut rng = Rng::new(self.seed);
        let mut buf = vec![0; self.workload.block_size];
        let share = READ_BACK_BLOCKS_MAX.div_ceil(written.len().max(1));
        for region in written {
            for _ in 0..share {
                let unit = rng.below(region.generations.len() as u64) as usize;
                let generation = region.generations[unit];
                if generation == 0 {
                    continue;
                }
                let offset = region.start + unit as u64 * self.workload.block_size as u64;
                file.read_exact_at(&mut buf, offset).map_err(LoadError::io("read", path))?;
                if let Err(mismatch) = content.check_fully(offset, &buf, Some(generation)) {
                    outcome.corrupt += 1;
                    outcome.first_problem.get_or_insert_with(|| format!("after the run, {mismatch}"));
                }
            }
        }
        Ok(())
    }
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Operations run and are not counted.
    Warmup,
    /// Operations count.
    Measure,
    /// Tasks end after the operation they are in.
    Stop,
}

/// What the clock saw between the start and the end of the measured time.
#[derive(Debug)]
struct Window {
    seconds: f64,
    cpu: Duration,
    device_read_bytes: Option<u64>,
}

#[derive(Debug, Default)]
struct Collected {
    tally: Tally,
    written: Vec<Written>,
    failure: Option<String>,
}

/// A run under way, shared by its tasks.
#[derive(Debug)]
pub struct Run {
    job: Job,
    content: Content,
    phase: AtomicU8,
    /// Tasks that have not begun their first operation.
    awaited: AtomicUsize,
    collected: Mutex<Collected>,
}

impl Run {
    fn new(job: &Job) -> Result<Self, LoadError> {
        let needed = job.workload.file_size_min();
        if job.file.size < needed {
            return Err(LoadError::FileTooSmall {
                workload: job.workload.name(),
                needed,
                size: job.file.size,
            });
        }
        Ok(Self {
            content: Content::new(job.file.seed),
            phase: AtomicU8::new(Phase::Warmup as u8),
            awaited: AtomicUsize::new(job.workload.tasks),
            collected: Mutex::default(),
            job: job.clone(),
        })
    }

    /// The loop of task `index`, counted from 0. Each index is to be used once.
    pub fn task(self: &Arc<Self>, index: usize) -> TaskLoop {
        TaskLoop::new(Arc::clone(self), index)
    }

    /// The description of this run.
    pub fn job(&self) -> &Job {
        &self.job
    }

    /// Ends the run because a task cannot go on; the first reason becomes the run's error.
    pub fn fail(&self, reason: impl Into<String>) {
        self.collected.lock().failure.get_or_insert_with(|| reason.into());
        self.set_phase(Phase::Stop);
    }

    pub(crate) fn content(&self) -> &Content {
        &self.content
    }

    pub(crate) fn phase(&self) -> Phase {
        // One byte that changes twice per run: tasks read it from their own cache.
        match self.phase.load(Ordering::Relaxed) {
            value if value == Phase::Warmup as u8 => Phase::Warmup,
            value if value == Phase::Measure as u8 => Phase::Measure,
            _ => Phase::Stop,
        }
    }

    pub(crate) fn arrive(&self) {
        self.awaited.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn collect(&self, tally: &Tally, written: Option<Written>) {
        let mut collected = self.collected.lock();
        collected.tally.add(tally);
        collected.written.extend(written);
    }

    fn set_phase(&self, phase: Phase) {
        self.phase.fetch_max(phase as u8, Ordering::Relaxed);
    }

    /// The run's clock, on a thread of its own. `None` when the run ended before the measured time began.
    fn keep_time(&self) -> Option<Window> {
        while self.awaited.load(Ordering::Relaxed) > 0 {
            self.sleep(ARRIVAL_SLICE)?;
        }
        self.sleep(self.job.warmup)?;
        let (before, start) = (Usage::now(), Instant::now());
        self.set_phase(Phase::Measure);
        // A run that ends early is still measured up to its end.
        let _ = self.sleep(self.job.duration);
        let (seconds, after) = (start.elapsed().as_secs_f64(), Usage::now());
        self.set_phase(Phase::Stop);
        Some(Window {
            seconds,
            cpu: after.cpu_since(&before),
            device_read_bytes: after.device_read_since(&before),
        })
    }

    /// Sleeps, in slices; `None` once the run was stopped or called off.
    fn sleep(&self, duration: Duration) -> Option<()> {
        let end = Instant::now() + duration;
        loop {
            if self.job.cancel.is_set() {
                self.set_phase(Phase::Stop);
            }
            if self.phase() == Phase::Stop {
                return None;
            }
            match end.checked_duration_since(Instant::now()) {
                None => return Some(()),
                Some(left) => thread::sleep(left.min(CLOCK_SLICE)),
            }
        }
    }
}

/// Reads until `buf` is full: a short read of a regular file before its end may be continued.
///
/// For engines whose reads are plain system calls.
pub fn read_full_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    file.read_exact_at(buf, offset).map(|()| buf.len())
}

/// Writes all of `buf`, and makes it durable when `sync` is set.
pub fn write_full_at(file: &File, buf: &[u8], offset: u64, sync: bool) -> io::Result<usize> {
    file.write_all_at(buf, offset)?;
    if sync {
        file.sync_data()?;
    }
    Ok(buf.len())
}
