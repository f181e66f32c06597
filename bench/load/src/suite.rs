//! Runs engines against each other: interleaved, repeated, medians.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::time::{Duration, Instant};

use crate::{Cancel, Dataset, Job, LoadError, Outcome, Row, Target, Workload, cache};

/// What to run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The workloads, in the order of the report.
    pub workloads: Vec<Workload>,
    /// Runs of each engine on each workload.
    pub repeats: usize,
    /// Time for all of it: a workload that is behind its share gets no repeats beyond those it has, but at least one.
    pub budget: Option<Duration>,
    /// Not measured, before each run.
    pub warmup: Duration,
    /// Measured in each run.
    pub duration: Duration,
    /// Worker threads of engines that have a fixed number of them.
    pub workers: usize,
    /// Seed of the operations.
    pub seed: u64,
}

/// One run in a report.
#[derive(Debug, Clone)]
pub struct Measurement {
    /// The workload.
    pub workload: Workload,
    /// The engine's name.
    pub engine: String,
    /// Which repeat, counted from 0.
    pub repeat: usize,
    /// What it came to.
    pub outcome: Outcome,
}

/// An engine that did not run a workload, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The workload.
    pub workload: Workload,
    /// The engine's name.
    pub engine: String,
    /// In words.
    pub reason: String,
    /// Whether the engine was there and failed, rather than not being able to from the start.
    pub failed: bool,
}

/// All runs of a [`Plan`].
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Every single run, in the order they were made.
    pub runs: Vec<Measurement>,
    /// What was left out.
    pub skipped: Vec<Skipped>,
}

/// How far a comparison is.
#[derive(Debug)]
#[non_exhaustive]
pub enum Progress<'a> {
    /// A run begins.
    Begins {
        /// Its workload.
        workload: &'a Workload,
        /// Its engine.
        engine: &'a str,
    },
    /// A run is over, or was skipped.
    Ended {
        /// Runs behind us.
        done: usize,
        /// Runs altogether.
        total: usize,
    },
    /// All runs of a workload are over.
    Complete {
        /// The workload.
        workload: &'a Workload,
        /// The runs of this workload and of those before it.
        report: &'a Report,
    },
}

/// Runs every engine on every workload. The repeats of one workload are interleaved and the order of the engines
/// rotates, so that a drift of the machine meets all of them alike. Before each run the page cache is brought into the
/// state the workload asks for.
///
/// An engine that cannot run a workload or fails to is in [`Report::skipped`]; the comparison goes on.
pub fn compare(
    plan: &Plan,
    dataset: &Dataset,
    targets: &[Box<dyn Target>],
    cancel: &Cancel,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Report, LoadError> {
    let mut report = Report::default();
    let (started, total) = (Instant::now(), plan.workloads.len() * plan.repeats * targets.len());
    let mut leg = 0;
    for (place, workload) in plan.workloads.iter().enumerate() {
        let refusal = refused_by_file_system(dataset, workload);
        let left_out = targets.iter().map(|target| {
            let reason = refusal.clone().or_else(|| target.unavailable(workload))?;
            Some(skipped(&**target, workload, reason, false))
        });
        let mut left_out: Vec<Option<Skipped>> = left_out.collect();
        for repeat in 0..plan.repeats {
            if repeat > 0 && plan.is_late(place, started.elapsed()) {
                break;
            }
            for turn in 0..targets.len() {
                let index = (turn + repeat) % targets.len();
                let target = &*targets[index];
                leg += 1;
                if left_out[index].is_none() {
                    progress(Progress::Begins { workload, engine: target.name() });
                    let job = plan.job(dataset, workload, leg, cancel);
                    match run_leg(target, &job, dataset) {
                        Ok(outcome) => report.add(workload, target.name(), repeat, outcome),
                        Err(LoadError::Engine { reason, .. }) => {
                            left_out[index] = Some(skipped(target, workload, reason, true));
                        }
                        Err(error) => return Err(error),
                    }
                }
                let done = (place * plan.repeats + repeat) * targets.len() + turn + 1;
                progress(Progress::Ended { done, total });
            }
        }
        report.skipped.extend(left_out.into_iter().flatten());
        progress(Progress::Complete { workload, report: &report });
    }
    Ok(report)
}

/// Why no engine can run a workload here: file systems need not have direct I/O, and opening the file tells.
fn refused_by_file_system(dataset: &Dataset, workload: &Workload) -> Option<String> {
    let open = || File::options().read(true).custom_flags(workload.open_flags()).open(&dataset.file().path);
    let error = workload.direct.then(open)?.err()?;
    Some(format!("the file system refuses direct I/O: {error}"))
}

fn skipped(target: &dyn Target, workload: &Workload, reason: String, failed: bool) -> Skipped {
    Skipped { workload: workload.clone(), engine: target.name().to_owned(), reason, failed }
}

fn run_leg(target: &dyn Target, job: &Job, dataset: &Dataset) -> Result<Outcome, LoadError> {
    cache::prepare(&job.file, job.workload.cache_policy(), &job.cancel)?;
    let outcome = target.run(job);
    if job.workload.has_writes() && target.writes_foreign_content() {
        dataset.refill(&job.cancel, &mut |_| {})?;
    }
    // A failure while being called off is no finding about the engine.
    job.cancel.check()?;
    outcome
}

impl Plan {
    /// Whether the workload at `place` has used up the time of all workloads to there.
    fn is_late(&self, place: usize, elapsed: Duration) -> bool {
        let share = (place + 1) as f64 / self.workloads.len() as f64;
        self.budget.is_some_and(|budget| elapsed > budget.mul_f64(share))
    }

    fn job(&self, dataset: &Dataset, workload: &Workload, leg: u32, cancel: &Cancel) -> Job {
        Job {
            file: dataset.file().clone(),
            workload: workload.clone(),
            workers: self.workers,
            warmup: self.warmup,
            duration: self.duration,
            seed: self.seed,
            leg,
            cancel: cancel.clone(),
        }
    }
}

impl Report {
    fn add(&mut self, workload: &Workload, engine: &str, repeat: usize, outcome: Outcome) {
        let (workload, engine) = (workload.clone(), engine.to_owned());
        self.runs.push(Measurement { workload, engine, repeat, outcome });
    }

    /// The runs of one engine on one workload.
    pub fn runs_of<'a>(
        &'a self,
        workload: &'a Workload,
        engine: &'a str,
    ) -> impl Iterator<Item = &'a Measurement> {
        self.runs.iter().filter(move |run| run.workload == *workload && run.engine == engine)
    }

    /// The medians of one engine on one workload; `None` where it did not run.
    pub fn row(&self, workload: &Workload, engine: &str) -> Option<Row> {
        let outcomes: Vec<&Outcome> = self.runs_of(workload, engine).map(|run| &run.outcome).collect();
        let of =
            |figure: fn(&Outcome) -> f64| median(outcomes.iter().map(|outcome| figure(outcome)).collect());
        let device: Option<Vec<f64>> =
            outcomes.iter().map(|outcome| outcome.device_read_bytes.map(|bytes| bytes as f64)).collect();
        Some(Row {
            workload: workload.name(),
            engine: engine.to_owned(),
            block_size: workload.block_size,
            tasks: workload.tasks,
            direct: workload.direct,
            write_pct: workload.write_pct,
            iops: of(|outcome| outcome.iops)?,
            mbps: of(|outcome| outcome.mbps)?,
            p50_us: of(|outcome| outcome.p50_us)?,
            p95_us: of(|outcome| outcome.p95_us)?,
            p99_us: of(|outcome| outcome.p99_us)?,
            cpu_us_per_op: of(|outcome| outcome.cpu_us_per_op)?,
            device_read_bytes: device.and_then(median).map(|bytes| bytes as u64),
            verified: outcomes.iter().all(|outcome| outcome.verified),
        })
    }

    /// All medians, by workload in the order of the plan, then by engine in the order of the first repeat.
    pub fn rows(&self) -> Vec<Row> {
        let firsts = self.runs.iter().filter(|run| run.repeat == 0);
        firsts.filter_map(|run| self.row(&run.workload, &run.engine)).collect()
    }

    /// The median over the repeats of `figure` of `engine` divided by that of `base`, each pair taken from the same
    /// repeat, so that what the machine did meanwhile stands on both sides.
    pub fn ratio(
        &self,
        workload: &Workload,
        engine: &str,
        base: &str,
        figure: fn(&Outcome) -> Option<f64>,
    ) -> Option<f64> {
        let pairs = self.runs_of(workload, engine).filter_map(|run| {
            let other = self.runs_of(workload, base).find(|other| other.repeat == run.repeat)?;
            let base = figure(&other.outcome)?;
            (base > 0.0).then_some(figure(&run.outcome)? / base)
        });
        median(pairs.collect())
    }

    /// The median over the repeats of a figure.
    pub fn figure(
        &self,
        workload: &Workload,
        engine: &str,
        figure: fn(&Outcome) -> Option<f64>,
    ) -> Option<f64> {
        median(self.runs_of(workload, engine).filter_map(|run| figure(&run.outcome)).collect())
    }

    /// Runs in which an operation failed or bytes were wrong.
    pub fn problems(&self) -> impl Iterator<Item = &Measurement> {
        self.runs.iter().filter(|run| run.outcome.errors > 0 || run.outcome.corrupt > 0)
    }
}

/// The middle value, or the mean of the two in the middle.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = values.get(values.len() / 2)?;
    let lower = values.get(values.len().saturating_sub(1) / 2)?;
    Some((upper + lower) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_odd_even_and_no_values() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(Vec::new()), None);
    }

    #[test]
    fn ratios_pair_the_runs_of_one_repeat() {
        let workload = Workload::random(4096, 1);
        let mut report = Report::default();
        for (repeat, (ours, theirs)) in [(10.0, 5.0), (100.0, 40.0), (1.0, 1.0)].into_iter().enumerate() {
            report.add(&workload, "theirs", repeat, Outcome { iops: theirs, ..Outcome::default() });
            report.add(&workload, "ours", repeat, Outcome { iops: ours, ..Outcome::default() });
        }
        assert_eq!(report.ratio(&workload, "ours", "theirs", |outcome| Some(outcome.iops)), Some(2.0));
        assert_eq!(report.ratio(&workload, "ours", "absent", |outcome| Some(outcome.iops)), None);
        assert_eq!(report.rows().len(), 2);
    }
}
