//! The one load generator of RustFS Rio.
//!
//! `rio bench`, `bench/compare` and `rio claims` all measure through this crate, so that every engine meets the same
//! operations, the same file, the same state of the page cache, the same checks and the same clock.
//!
//! Reading order:
//!
//! - [`Workload`]: what is read and written; [`OpStream`]: the exact operations of a task
//! - [`Dataset`]: the test file; [`Content`]: what it holds and how a read is checked
//! - [`cache`]: the page cache before a run
//! - [`Job`], [`Run`], [`TaskLoop`]: one run, its clock, and what each task does around an operation
//! - [`Target`] and the engines in [`target`]
//! - [`idle_cpu`]: what an engine costs that has nothing to do
//! - [`compare`]: engines against each other, interleaved and repeated; [`Report`], [`Row`]
//!
//! What holds:
//!
//! - The operations of a task follow from seed, workload, file size and task number alone.
//! - Every read is checked, in part or in full; blocks written are read back; a figure of a run in which anything was
//!   wrong says so.
//! - Nothing of a data set outlives its [`Dataset`], and no file is made where it would fill the disk.
//!
//! It does not decide what a figure means: bars and promises are the business of the callers. It never prints.
//!
//! ```
//! use std::time::Duration;
//! use rustfs_rio_load::{Cancel, Dataset, Plan, Workload, compare, target::Threads};
//!
//! let directory = tempfile::tempdir()?;
//! let cancel = Cancel::new();
//! let dataset = Dataset::create(directory.path(), 4 << 20, 1, &cancel, &mut |_| {})?;
//! let plan = Plan {
//!     workloads: vec![Workload::random(4096, 2)],
//!     repeats: 1,
//!     budget: None,
//!     warmup: Duration::from_millis(5),
//!     duration: Duration::from_millis(20),
//!     workers: 2,
//!     seed: 1,
//! };
//! let report = compare(&plan, &dataset, &[Box::new(Threads)], &cancel, &mut |_| {})?;
//! assert!(report.rows()[0].verified);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

pub mod cache;
mod content;
mod dataset;
mod error;
mod idle;
mod job;
mod outcome;
mod rng;
mod sequential;
mod stream;
mod suite;
mod table;
pub mod target;
mod task;
mod usage;
mod workload;

pub use content::{BLOCK, Content, Mismatch, MismatchKind};
pub use dataset::{Cancel, DataFile, Dataset};
pub use error::LoadError;
pub use idle::idle_cpu;
pub use job::{Job, Notes, Run, read_full_at, write_full_at};
pub use outcome::{Outcome, Row};
pub use sequential::{INTERLEAVED_READERS, SequentialFigures, sequential_prefetch};
pub use stream::{OpKind, OpStream};
pub use suite::{Measurement, Plan, Progress, Report, Skipped, compare};
pub use target::Target;
pub use task::{Op, TaskLoop};
pub use workload::{CachePolicy, KIB, MIB, Pattern, Workload};
