//! CPU profiles: where the process spends its CPU time, by a timer signal and a walk up the stack (`setitimer(2)`, `ITIMER_PROF`).
//!
//! The timer is one per process, so there is one profile at a time; another one is refused. What the profiler took is given back when it
//! ends, also when the request for it is dropped.

use inferno::collapse::Collapse;
use inferno::collapse::perf::Folder;
use pprof::protos::Message;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Media type of a flame graph.
pub const FLAMEGRAPH_TYPE: &str = "image/svg+xml";

/// Libraries whose stacks cannot be walked safely from a signal: a thread may hold their locks.
const BLOCKED: [&str; 4] = ["libc", "libgcc", "pthread", "vdso"];

/// Why there is no profile.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// Another profile is being taken.
    #[error("another profile is being taken; wait until it is done, a process has one profiling timer")]
    Busy,
    /// The timer or the signal handler could not be set.
    #[error("the profile was not taken: {0}; check that nothing else in the program uses SIGPROF")]
    Sampling(String),
    /// The samples cannot be written in this form.
    #[error("the profile cannot be written: {0}")]
    Writing(String),
    /// No sample fell into the time.
    #[error(
        "no CPU time was used in this time, so there is nothing to show; profile while there is load, or for longer"
    )]
    Empty,
}

/// The flame graph of what `perf script` printed, for programs that are sampled from outside.
///
/// # Errors
///
/// [`ProfileError::Empty`] without samples, [`ProfileError::Writing`] for text that `perf script` does not print.
pub fn flamegraph_of_perf(script: &[u8], title: &str) -> Result<Vec<u8>, ProfileError> {
    let writing = |error: &dyn std::fmt::Display| ProfileError::Writing(error.to_string());
    let mut folded = Vec::new();
    Folder::default().collapse(script, &mut folded).map_err(|error| writing(&error))?;
    if folded.is_empty() {
        return Err(ProfileError::Empty);
    }
    let mut options = inferno::flamegraph::Options::default();
    options.title = title.to_owned();
    let mut svg = Vec::new();
    inferno::flamegraph::from_reader(&mut options, &folded[..], &mut svg).map_err(|error| writing(&error))?;
    Ok(svg)
}

/// Takes profiles, one at a time.
#[derive(Debug, Clone)]
pub struct Profiler {
    turn: Arc<Semaphore>,
}

impl Default for Profiler {
    fn default() -> Self {
        Self::new()
    }
}

impl Profiler {
    /// A profiler. All of a process should share one; the timer refuses a second profile anyway.
    #[must_use]
    pub fn new() -> Self {
        Self { turn: Arc::new(Semaphore::new(1)) }
    }

    /// Samples all threads for `time`, `frequency` times per second of CPU time.
    ///
    /// # Errors
    ///
    /// [`ProfileError`].
    pub async fn sample(&self, time: Duration, frequency: i32) -> Result<Profile, ProfileError> {
        let turn = Arc::clone(&self.turn).try_acquire_owned().map_err(|_| ProfileError::Busy)?;
        let running = Running::start(frequency)?;
        tokio::time::sleep(time).await;
        // Symbols are looked up in files.
        let made = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            running.finish()
        });
        made.await.map_err(|_| ProfileError::Sampling("the program is ending".to_owned()))?
    }
}

/// A profile that is being taken. Dropping it ends the sampling.
pub struct Running {
    guard: pprof::ProfilerGuard<'static>,
}

impl Running {
    /// Begins to sample all threads, `frequency` times per second of CPU time.
    ///
    /// # Errors
    ///
    /// [`ProfileError::Sampling`].
    pub fn start(frequency: i32) -> Result<Self, ProfileError> {
        let guard = pprof::ProfilerGuardBuilder::default().frequency(frequency).blocklist(&BLOCKED).build();
        Ok(Self { guard: guard.map_err(|error| ProfileError::Sampling(error.to_string()))? })
    }

    /// Ends the sampling and looks up the names of functions, which takes up to some seconds the first time.
    ///
    /// # Errors
    ///
    /// [`ProfileError::Empty`] without samples, [`ProfileError::Sampling`].
    pub fn finish(self) -> Result<Profile, ProfileError> {
        let report =
            self.guard.report().build().map_err(|error| ProfileError::Sampling(error.to_string()))?;
        if report.data.is_empty() {
            return Err(ProfileError::Empty);
        }
        Ok(Profile { report })
    }
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").finish_non_exhaustive()
    }
}

/// Samples of a process.
#[derive(Debug)]
pub struct Profile {
    report: pprof::Report,
}

/// A function and its share of a profile.
#[derive(Debug, Clone, PartialEq)]
pub struct Share {
    /// The function.
    pub function: String,
    /// Samples in it or in what it called, as a share of all, 0 to 1.
    pub total: f64,
    /// Samples in it itself, as a share of all.
    pub own: f64,
}

impl Profile {
    /// The flame graph, an SVG that can be searched and zoomed into in a browser.
    ///
    /// # Errors
    ///
    /// [`ProfileError::Writing`].
    pub fn flamegraph(&self, title: &str) -> Result<Vec<u8>, ProfileError> {
        let mut options = pprof::flamegraph::Options::default();
        options.title = title.to_owned();
        let mut svg = Vec::new();
        let written = self.report.flamegraph_with_options(&mut svg, &mut options);
        written.map_err(|error| ProfileError::Writing(error.to_string()))?;
        Ok(svg)
    }

    /// The profile in the format of pprof (`profile.proto`), gzipped, as `go tool pprof` reads it.
    ///
    /// # Errors
    ///
    /// [`ProfileError::Writing`].
    pub fn pprof(&self) -> Result<Vec<u8>, ProfileError> {
        let writing = |error: &dyn std::fmt::Display| ProfileError::Writing(error.to_string());
        let profile = self.report.pprof().map_err(|error| writing(&error))?;
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(&profile.encode_to_vec()).map_err(|error| writing(&error))?;
        out.finish().map_err(|error| writing(&error))
    }

    /// Functions by their share, the largest first.
    #[must_use]
    pub fn shares(&self) -> Vec<Share> {
        let mut counts: std::collections::HashMap<String, (u64, u64)> = std::collections::HashMap::new();
        let mut all = 0u64;
        for (frames, count) in &self.report.data {
            let count = u64::try_from(*count).unwrap_or(0);
            all += count;
            let mut seen = std::collections::HashSet::new();
            for (depth, symbol) in frames.frames.iter().flatten().enumerate() {
                let name = symbol.name();
                if seen.insert(name.clone()) {
                    let entry = counts.entry(name).or_default();
                    entry.0 += count;
                    // The innermost function comes first.
                    entry.1 += if depth == 0 { count } else { 0 };
                }
            }
        }
        let share = |count: u64| count as f64 / all.max(1) as f64;
        let mut shares: Vec<Share> = counts
            .into_iter()
            .map(|(function, (total, own))| Share { function, total: share(total), own: share(own) })
            .collect();
        shares.sort_by(|a, b| b.own.total_cmp(&a.own).then_with(|| a.function.cmp(&b.function)));
        shares
    }

    /// Samples taken.
    #[must_use]
    pub fn samples(&self) -> u64 {
        self.report.data.values().map(|count| u64::try_from(*count).unwrap_or(0)).sum()
    }
}
