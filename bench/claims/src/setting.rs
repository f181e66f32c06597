//! Where, with what and how long to measure.

use std::path::PathBuf;
use std::time::Duration;

use rustfs_rio_load::{Cancel, Dataset, LoadError, Plan, Report, Target, Workload, compare};

use crate::{ClaimError, Raw};

/// Bytes that the calling thread has allocated so far, if the program's allocator counts them.
pub type AllocationCount = fn() -> Option<u64>;

/// Where, with what and how long to measure.
#[derive(Debug)]
pub struct Setting {
    /// The test file; at least 256 MiB.
    pub dataset: Dataset,
    /// Directory of the test file, for what needs files of its own.
    pub directory: PathBuf,
    /// Runs of each side; figures are medians.
    pub repeats: usize,
    /// Measured time of one run.
    pub duration: Duration,
    /// Worker threads of the tokio runtimes.
    pub workers: usize,
    /// Seed of all that is random.
    pub seed: u64,
    /// Directory of recorded block traces, where there is one.
    pub traces: Option<PathBuf>,
    /// The program that [`run_child`](crate::run_child) is reached through, and the arguments that lead there; the child's
    /// description is added as one more.
    pub child: (PathBuf, Vec<String>),
    /// The allocator's counter.
    pub allocated: Option<AllocationCount>,
    /// Calls everything off.
    pub cancel: Cancel,
}

impl Setting {
    /// Runs engines on a workload, interleaved and repeated, and keeps the single runs.
    pub(crate) fn compare(
        &self,
        workload: Workload,
        targets: &[Box<dyn Target>],
        raw: &mut Raw,
    ) -> Result<Report, ClaimError> {
        let plan = Plan {
            workloads: vec![workload],
            repeats: self.repeats,
            budget: None,
            warmup: self.duration / 4,
            duration: self.duration,
            workers: self.workers,
            seed: self.seed,
        };
        let report = compare(&plan, &self.dataset, targets, &self.cancel, &mut |_| {})?;
        raw.runs(&report);
        Ok(report)
    }

    /// An error once the measurement was called off.
    pub(crate) fn check(&self) -> Result<(), LoadError> {
        self.cancel.check()
    }
}
