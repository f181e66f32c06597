//! What every task of every engine does around an operation: choose it, time it, check its bytes, count it.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use hdrhistogram::Histogram;

use crate::content::Mismatch;
use crate::job::{Phase, Run};
use crate::rng::Rng;
use crate::{OpKind, OpStream, Outcome};

/// Reading the clock twice costs about 60 ns. Where operations take less than this, only a sample of them is timed;
/// above it the two readings are 0.3 % at most.
const TIME_ALL_FROM_NS: u64 = 20_000;
/// One in so many operations is timed otherwise. Each is drawn by itself, so no rhythm of the engine can hide.
const TIMED_ONE_IN: u64 = 8;
/// One in so many reads is checked to the last byte: a full check costs about what copying the block costs.
const CHECK_FULLY_ONE_IN: u64 = 128;
/// A task that fails this often ends: the engine does not work, and retrying at full speed measures nothing.
const ERRORS_MAX: u64 = 100;
/// The longest latency that is told apart from longer ones.
const LATENCY_MAX_NS: u64 = 60_000_000_000;
/// Laid over the ends of a buffer before a read, so that an engine that reads nothing cannot pass.
const POISON: [u8; 8] = [0xA5; 8];

/// An operation under way, from [`TaskLoop::begin`] to [`TaskLoop::finish`].
#[derive(Debug)]
pub struct Op {
    /// Read or write.
    pub kind: OpKind,
    /// Where in the file.
    pub offset: u64,
    generation: u32,
    started: Option<Instant>,
    measured: bool,
}

/// The part of a task that is the same for every engine. It keeps one operation in flight: `begin`, carry it out,
/// `finish`, until `begin` says that the run is over. Dropping it hands in what it counted.
#[derive(Debug)]
pub struct TaskLoop {
    run: Arc<Run>,
    stream: OpStream,
    rng: Rng,
    tally: Tally,
    /// Generation last written to each block of this task's part, 0 where this run has not written; empty when the
    /// workload does not write.
    written: Vec<u32>,
    generation: u32,
    block_size: usize,
    /// Whether the buffer holds the body that writes rely on.
    body_ready: bool,
    begun: bool,
    measuring: bool,
    time_all: bool,
    /// Latencies seen in the warm-up: those below [`TIME_ALL_FROM_NS`], and the others.
    warmup_latencies: [u64; 2],
}

impl TaskLoop {
    pub(crate) fn new(run: Arc<Run>, index: usize) -> Self {
        let job = run.job();
        let stream = OpStream::new(&job.workload, job.file.size, job.seed, index);
        let written = if job.workload.has_writes() { vec![0; stream.units()] } else { Vec::new() };
        Self {
            rng: Rng::new(job.seed ^ (index as u64) << 40),
            tally: Tally::default(),
            written,
            // Far apart for runs that follow each other, however many writes each makes.
            generation: job.leg.wrapping_mul(0x9E37_79B1),
            block_size: job.workload.block_size,
            body_ready: false,
            begun: false,
            measuring: false,
            time_all: false,
            warmup_latencies: [0; 2],
            stream,
            run,
        }
    }

    /// The next operation, or `None` when the task is to end. `buf` is this task's buffer of one block, the same one
    /// each time; for a write it holds the bytes to write when this returns.
    pub fn begin(&mut self, buf: &mut [u8]) -> Option<Op> {
        let phase = self.run.phase();
        if phase == Phase::Stop || self.tally.errors >= ERRORS_MAX {
            return None;
        }
        if !self.begun {
            self.begun = true;
            self.run.arrive();
        }
        if phase == Phase::Measure && !self.measuring {
            self.measuring = true;
            self.time_all = self.warmup_latencies[1] >= self.warmup_latencies[0];
        }
        let (kind, offset) = self.stream.next_op();
        match kind {
            OpKind::Write => self.fill(offset, buf),
            OpKind::Read => poison(buf),
        }
        let timed = self.time_all || self.rng.below(TIMED_ONE_IN) == 0;
        Some(Op {
            kind,
            offset,
            generation: self.generation,
            started: timed.then(Instant::now),
            measured: self.measuring,
        })
    }

    /// Takes the result of `op`: the bytes it moved, or its error. `buf` is what was read or written.
    pub fn finish(&mut self, op: Op, result: io::Result<usize>, buf: &[u8]) {
        let latency_ns = op.started.map(|started| started.elapsed().as_nanos() as u64);
        self.tally.ops_with_warmup += 1;
        match result {
            Ok(len) if len == self.block_size => match op.kind {
                OpKind::Read => self.check(&op, buf),
                OpKind::Write => self.note_written(&op, op.generation),
            },
            Ok(len) => self.failed(&op, &format!("moved {len} of {} bytes", self.block_size)),
            Err(error) => self.failed(&op, &error.to_string()),
        }
        match (op.measured, latency_ns) {
            (false, Some(latency_ns)) => {
                self.warmup_latencies[usize::from(latency_ns >= TIME_ALL_FROM_NS)] += 1;
            }
            (true, latency_ns) if self.run.phase() == Phase::Measure => self.tally.count(latency_ns),
            _ => {}
        }
    }

    fn fill(&mut self, offset: u64, buf: &mut [u8]) {
        self.generation = self.generation.wrapping_add(1).max(1);
        if self.body_ready {
            self.run.content().stamp(offset, self.generation, buf);
        } else {
            self.run.content().fill(offset, self.generation, buf);
            self.body_ready = true;
        }
    }

    fn check(&mut self, op: &Op, buf: &[u8]) {
        let expected = match self.written.get(self.stream_unit(op.offset)) {
            None | Some(0) => None,
            Some(generation) => Some(*generation),
        };
        let sample = self.rng.next();
        let content = self.run.content();
        let checked = if sample.is_multiple_of(CHECK_FULLY_ONE_IN) {
            content.check_fully(op.offset, buf, expected)
        } else {
            content.check(op.offset, buf, expected, sample)
        };
        if let Err(mismatch) = checked {
            self.wrong(&mismatch);
        }
    }

    fn stream_unit(&self, offset: u64) -> usize {
        if self.written.is_empty() { 0 } else { self.stream.unit(offset) }
    }

    fn note_written(&mut self, op: &Op, generation: u32) {
        let unit = self.stream.unit(op.offset);
        if let Some(slot) = self.written.get_mut(unit) {
            *slot = generation;
        }
    }

    #[cold]
    fn failed(&mut self, op: &Op, reason: &str) {
        self.tally.errors += 1;
        self.tally.first_problem.get_or_insert_with(|| format!("{:?} at {}: {reason}", op.kind, op.offset));
        self.body_ready = false;
        if op.kind == OpKind::Write {
            self.note_written(op, 0);
        }
    }

    #[cold]
    fn wrong(&mut self, mismatch: &Mismatch) {
        self.tally.corrupt += 1;
        self.tally.first_problem.get_or_insert_with(|| mismatch.to_string());
        self.body_ready = false;
    }
}

impl Drop for TaskLoop {
    fn drop(&mut self) {
        if !self.begun {
            self.run.arrive();
        }
        let written = (!self.written.is_empty()).then(|| Written {
            start: self.stream.region_start(),
            generations: std::mem::take(&mut self.written),
        });
        self.run.collect(&self.tally, written);
    }
}

fn poison(buf: &mut [u8]) {
    if let Some(first) = buf.first_chunk_mut() {
        *first = POISON;
    }
    if let Some(last) = buf.last_chunk_mut() {
        *last = POISON;
    }
}

/// What a task wrote to its part of the file.
#[derive(Debug)]
pub(crate) struct Written {
    /// Offset of the part's first block.
    pub(crate) start: u64,
    /// Generation last written to each block; 0 where unknown.
    pub(crate) generations: Vec<u32>,
}

/// What one or more tasks counted.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) ops_with_warmup: u64,
    ops: u64,
    errors: u64,
    corrupt: u64,
    pub(crate) first_problem: Option<String>,
    latency_ns: Histogram<u32>,
}

impl Default for Tally {
    fn default() -> Self {
        let latency_ns =
            Histogram::new_with_bounds(1, LATENCY_MAX_NS, 3).expect("the bounds are constant and in order");
        Self { ops_with_warmup: 0, ops: 0, errors: 0, corrupt: 0, first_problem: None, latency_ns }
    }
}

impl Tally {
    fn count(&mut self, latency_ns: Option<u64>) {
        self.ops += 1;
        if let Some(latency_ns) = latency_ns {
            self.latency_ns.saturating_record(latency_ns);
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.ops_with_warmup += other.ops_with_warmup;
        self.ops += other.ops;
        self.errors += other.errors;
        self.corrupt += other.corrupt;
        if self.first_problem.is_none() {
            self.first_problem.clone_from(&other.first_problem);
        }
        // Cannot fail: all histograms have the same bounds.
        let _ = self.latency_ns.add(&other.latency_ns);
    }

    pub(crate) fn outcome(&self, seconds: f64, block_size: usize) -> Outcome {
        let at = |quantile: f64| self.latency_ns.value_at_quantile(quantile) as f64 / 1e3;
        let iops = self.ops as f64 / seconds;
        Outcome {
            ops: self.ops,
            seconds,
            iops,
            mbps: iops * block_size as f64 / 1e6,
            p50_us: at(0.5),
            p95_us: at(0.95),
            p99_us: at(0.99),
            p999_us: at(0.999),
            max_us: self.latency_ns.max() as f64 / 1e3,
            latency_samples: self.latency_ns.len(),
            errors: self.errors,
            corrupt: self.corrupt,
            first_problem: self.first_problem.clone(),
            ..Outcome::default()
        }
    }
}
