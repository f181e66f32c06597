//! The command line of `rio replay`, parsed into types.

use std::path::PathBuf;

use clap::Args;
use rustfs_rio_tune::{
    BLOCK_BYTES, DeviceModel, Pace, Policy, PredictorSizes, PrefetchBounds, Prefetcher, SimulationConfig,
    TraceFormat, built_in, registry,
};

use crate::UsageError;

const EXAMPLES: &str = "\
Examples:
  rio replay web.trace                                  on this disk, at the recorded times
  rio replay --as-fast --depth 8 --dir /mnt/d keys.xz   on another disk, eight at a time
  rio replay --simulate web.trace                       on a model; the format is told by the content
  rio replay --simulate --cache-mb 256 --policy s3fifo disk.csv.zst
  rio replay --simulate --predictor none --json oltp.lis.xz
  rio replay --simulate --compare web.trace             which predictor is best on it
  rio replay --simulate --picture web.svg web.trace     what the trace looks like
  zcat keys.gz | rio replay --simulate --format keys -

Formats: mqsim (ns device lba sectors op, 1 reads), csv (header timestamp_us,op,offset,size), arc \
(start-block blocks 0 sequence, 512-byte blocks), keys (one number a line), rio (recorded by Rio). \
Compressed with gzip, zstd or xz: as it is.

On the real engine the touched regions of the trace are packed into one file, direct I/O, every read checked; \
requests come at their recorded times whether earlier ones have ended or not, without drift.

Simulated is a cache of 4-KiB blocks before a queue of servers, deterministic for a seed. Traces \
without times (arc, keys) run one request at a time.

Exit codes: 0 done, 1 failure, 2 usage, 3 the trace is damaged or of another format.";

/// Largest cache that can be asked for: 64 TiB.
const CACHE_MB_MAX: f64 = (64_u64 << 20) as f64;

/// Runs a trace of requests through cache and prefetching, and says what they were worth.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ReplayArgs {
    /// The trace; - is standard input
    pub(super) trace: PathBuf,
    /// Uses a model of cache and device instead of a disk
    #[arg(long)]
    pub(super) simulate: bool,
    /// Replays on this file, which is only read [default: a file that the replay makes and checks]
    #[arg(long, value_name = "PATH", conflicts_with = "simulate")]
    pub(super) file: Option<PathBuf>,
    /// Where to make the file; the disk to be measured
    #[arg(long, value_name = "DIR", default_value = ".", conflicts_with = "simulate")]
    pub(super) dir: PathBuf,
    /// Size of that file at most, in MiB
    #[arg(long, value_name = "N", default_value_t = 4096, value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    file_mb: u64,
    /// Takes no notice of the recorded times: each request comes when one before it has ended
    #[arg(long, conflicts_with_all = ["simulate", "speed"])]
    as_fast: bool,
    /// Requests in flight with --as-fast
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    depth: u16,
    /// Runs the trace with each predictor alone, with all, and with none, and ranks them
    #[arg(long)]
    pub(super) compare: bool,
    /// Format of the trace [default: told by its content]
    #[arg(long, value_name = "FORMAT", value_parser = format_of)]
    pub(super) format: Option<TraceFormat>,
    /// Size of the cache in MiB, 0 for none; fractions are allowed
    #[arg(long, value_name = "N", default_value_t = 64.0, allow_negative_numbers = true)]
    cache_mb: f64,
    /// What the cache evicts: lru, fifo, s3fifo, sieve
    #[arg(long, value_name = "NAME", default_value = "lru", value_parser = policy_of)]
    pub(super) policy: Policy,
    /// What reads ahead: all, none, or one of the names that --compare lists
    #[arg(long, value_name = "NAME", default_value = "all", value_parser = predictor_of)]
    pub(super) predictor: String,
    /// Share of what is read ahead that has to be used, 0 to 1
    #[arg(long, value_name = "X", default_value_t = PrefetchBounds::default().use_min, allow_negative_numbers = true)]
    use_min: f32,
    /// Bytes of one prefetch at most, in KiB, 64 to 1024
    #[arg(long, value_name = "KIB", default_value_t = 256, value_parser = clap::value_parser!(u32).range(64..=1024))]
    prefetch_kb: u32,
    /// How far to read ahead of one stream at most, in KiB, 16 to 65536
    #[arg(long, value_name = "KIB", default_value_t = 256, value_parser = clap::value_parser!(u32).range(16..=65_536))]
    distance_kb: u32,
    /// Plays the recorded times so many times faster
    #[arg(long, value_name = "X", default_value_t = 1.0, allow_negative_numbers = true)]
    speed: f64,
    /// Bytes of a block of the formats arc and keys [default: 512 and 4096]
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    pub(super) unit_bytes: Option<u32>,
    /// Ends after so many requests
    #[arg(long, value_name = "N")]
    pub(super) requests: Option<u64>,
    /// Seed of the device's variation
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) seed: u64,
    /// Latency of the simulated device, microseconds
    #[arg(long, value_name = "US", default_value_t = 500, value_parser = clap::value_parser!(u64).range(..=60_000_000))]
    device_latency_us: u64,
    /// Bandwidth of the simulated device, MB/s
    #[arg(long, value_name = "MB", default_value_t = 2000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    device_mbps: u64,
    /// Operations that the simulated device does at once
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=1024))]
    device_depth: u16,
    /// Draws the trace: offset over time, sequential runs, reuse; an SVG for any browser
    #[arg(long, value_name = "FILE")]
    pub(super) picture: Option<PathBuf>,
    /// Prints one JSON object
    #[arg(long)]
    pub(super) json: bool,
}

impl ReplayArgs {
    /// Refuses what no parser of a single value can.
    pub(super) fn check(&self) -> Result<(), UsageError> {
        if self.picture.is_some() && self.trace.as_os_str() == "-" {
            let text =
                "--picture reads the trace a second time, which standard input does not allow; name a file";
            return Err(UsageError(text.to_owned()));
        }
        if self.compare && !self.simulate {
            return Err(UsageError("--compare needs --simulate".to_owned()));
        }
        if !(0.0..=CACHE_MB_MAX).contains(&self.cache_mb) {
            let text = format!("--cache-mb is {}, expected 0 (no cache) to {CACHE_MB_MAX}", self.cache_mb);
            return Err(UsageError(text));
        }
        if !(0.0..=1.0).contains(&self.use_min) {
            return Err(UsageError(format!("--use-min is {}, expected a share, 0 to 1", self.use_min)));
        }
        if !(self.speed.is_finite() && self.speed > 0.0) {
            return Err(UsageError(format!("--speed is {}, expected a number above 0", self.speed)));
        }
        Ok(())
    }

    /// Bytes of the file that the replay makes at most.
    pub(super) fn file_bytes_max(&self) -> u64 {
        self.file_mb << 20
    }

    /// Requests in flight if the recorded times do not count.
    pub(super) fn depth(&self) -> Option<usize> {
        self.as_fast.then(|| usize::from(self.depth))
    }

    /// How many times faster the recorded times are played.
    pub(super) fn speed(&self) -> f64 {
        self.speed
    }

    /// Bytes of the cache.
    pub(super) fn cache_bytes(&self) -> u64 {
        (self.cache_mb * f64::from(1 << 20)) as u64
    }

    /// What prefetching may do.
    pub(super) fn bounds(&self) -> PrefetchBounds {
        PrefetchBounds {
            size_bytes: self.prefetch_kb << 10,
            distance_bytes: self.distance_kb << 10,
            use_min: self.use_min,
            ..PrefetchBounds::default()
        }
    }

    /// When the requests of a trace of this format come.
    pub(super) fn pace(&self, format: TraceFormat) -> Pace {
        if format.has_times() { Pace::Recorded(self.speed) } else { Pace::OneByOne }
    }

    pub(super) fn simulation(&self, format: TraceFormat) -> SimulationConfig {
        let device = DeviceModel {
            latency_ns: self.device_latency_us * 1000,
            bytes_per_second: self.device_mbps * 1_000_000,
            depth: self.device_depth,
            seed: self.seed,
            ..DeviceModel::default()
        };
        let cache_bytes = self.cache_bytes() / BLOCK_BYTES * BLOCK_BYTES;
        SimulationConfig { cache_bytes, policy: self.policy, device, pace: self.pace(format) }
    }

    /// A prefetcher with the predictors of that name, or none.
    pub(super) fn prefetcher(&self, name: &str) -> Option<Prefetcher> {
        let sizes = PredictorSizes::default();
        match name {
            NONE => None,
            ALL => Some(Prefetcher::with_predictors(self.bounds(), built_in(&sizes))),
            name => {
                let known = registry().iter().find(|registration| registration.name == name)?;
                Some(Prefetcher::with_predictors(self.bounds(), vec![(known.make)(&sizes)]))
            }
        }
    }
}

/// All predictors together.
pub(super) const ALL: &str = "all";
/// No predictor.
pub(super) const NONE: &str = "none";

/// Every name that `--predictor` takes.
pub(super) fn predictor_names() -> impl Iterator<Item = &'static str> {
    [NONE, ALL].into_iter().chain(registry().iter().map(|registration| registration.name))
}

fn predictor_of(text: &str) -> Result<String, String> {
    let known = predictor_names().any(|name| name == text);
    let names = || predictor_names().collect::<Vec<_>>().join(", ");
    if known { Ok(text.to_owned()) } else { Err(format!("expected one of {}", names())) }
}

fn format_of(text: &str) -> Result<TraceFormat, String> {
    let names = || TraceFormat::ALL.map(TraceFormat::name).join(", ");
    TraceFormat::from_name(text).ok_or_else(|| format!("expected one of {}", names()))
}

fn policy_of(text: &str) -> Result<Policy, String> {
    let names = || Policy::ALL.map(Policy::name).join(", ");
    Policy::from_name(text).ok_or_else(|| format!("expected one of {}", names()))
}
