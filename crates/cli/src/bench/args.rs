//! The command line of `rio bench`, parsed into types.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use rustfs_rio_load::{MIB, Workload};

use super::engines::{self, Engine};

/// The part of the measured time that each run spends unmeasured before it.
pub(super) const WARMUP_DIVISOR: u32 = 4;
/// Enough that random blocks are not in a disk's own cache by accident, and small beside the memory of a server.
const SIZE: u64 = 512 * MIB as u64;
const SIZE_QUICK: u64 = 256 * MIB as u64;
/// With three repeats a single disturbance does not reach the median.
const REPEATS: u32 = 3;
/// With the number of standard workloads and engines, this keeps a whole run at about four minutes.
const DURATION: Duration = Duration::from_millis(400);
/// With the quick list, this keeps a whole run under a minute also where the disk takes ten seconds for the file.
const DURATION_QUICK: Duration = Duration::from_millis(150);
/// With `--quick`, repeats beyond the first are given up where a slow disk would make the run longer than this.
const BUDGET_QUICK: Duration = Duration::from_secs(40);
const SECONDS_MIN: f64 = 0.01;
const SECONDS_MAX: f64 = 3600.0;

const EXAMPLES: &str = "\
Examples:
  rio bench --quick                                   a first look, under a minute
  rio bench --dir /mnt/data --size 4G                 another disk, a larger file
  rio bench --only direct --engines rio-auto,threads  a part of the work, two engines
  rio bench --only rand-read-16k-cached-8             a workload of your own
  rio bench --quick --json > quick.json               for programs

It makes one directory, rio-bench-*, with the test file below --dir and removes it at the end, also \
on Ctrl-C and SIGTERM. A second Ctrl-C ends at once and leaves it there.

Exit codes: 0 done, 1 failure (an engine failed, no room, ..), 2 usage, 3 wrong data or failed \
operations, 129, 130 and 143 ended by SIGHUP, Ctrl-C and SIGTERM. That Rio is slower than another \
engine is no failure.";

/// Compares Rio with tokio::fs, spawn_blocking and what the hardware allows, on your own disk.
///
/// Every engine carries out the same operations on the same file, from the same state of the page cache; every read is
/// checked. Without options this takes about four minutes.
#[derive(Debug, Default, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct BenchArgs {
    /// A shorter list of workloads and shorter runs, fewer where the disk is slow: under a minute
    #[arg(long)]
    quick: bool,
    /// Directory on the disk to measure
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(super) dir: PathBuf,
    /// Size of the test file, such as 256M or 4G, in whole MiB [default: 512M, with --quick 256M]
    #[arg(long, value_name = "SIZE")]
    size: Option<Size>,
    /// Workloads, by name or part of a name, separated by commas [default: all of --list]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    only: Vec<Selection>,
    /// Engines, separated by commas [default: all of --list but fio]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    engines: Vec<EngineName>,
    /// Runs of each engine on each workload, 1 to 1000; figures are medians [default: 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    repeats: Option<u32>,
    /// Measured seconds per run, 0.01 to 3600 [default: 0.4, with --quick 0.15]
    #[arg(long, value_name = "S")]
    seconds: Option<Seconds>,
    /// Worker threads, 1 to 256 [default: one per CPU]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    workers: Option<u32>,
    /// Prints one JSON array with a row per engine and workload
    #[arg(long)]
    pub(super) json: bool,
    /// Writes a report with charts, one file for any browser
    #[arg(long, value_name = "FILE")]
    pub(super) html: Option<PathBuf>,
    #[command(flatten)]
    pub(super) dashboard: crate::dashboard::DashboardArgs,
    /// Writes Rio's operations to a file for chrome://tracing or Perfetto, the first million; slows Rio down, so do not compare then
    #[arg(long, value_name = "FILE")]
    pub(crate) chrome_trace: Option<PathBuf>,
    /// Lists workloads and engines and ends
    #[arg(long)]
    pub(super) list: bool,
}

impl BenchArgs {
    pub(super) fn size(&self) -> u64 {
        let default = if self.quick { SIZE_QUICK } else { SIZE };
        self.size.map_or(default, |size| size.0)
    }

    pub(super) fn duration(&self) -> Duration {
        let default = if self.quick { DURATION_QUICK } else { DURATION };
        self.seconds.map_or(default, |seconds| Duration::from_secs_f64(seconds.0))
    }

    pub(super) fn repeats(&self) -> usize {
        self.repeats.unwrap_or(REPEATS) as usize
    }

    /// Only the repeats that nobody asked for may be left out.
    pub(super) fn budget(&self) -> Option<Duration> {
        (self.quick && self.repeats.is_none()).then_some(BUDGET_QUICK)
    }

    /// As many as a tokio runtime has by default.
    pub(super) fn workers(&self) -> usize {
        let cpus = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        self.workers.map_or_else(cpus, |workers| workers as usize)
    }

    /// What was selected, each once, in the order of the command line.
    pub(super) fn workloads(&self) -> Vec<Workload> {
        let selected: Vec<Workload> = self.only.iter().flat_map(|selection| selection.0.clone()).collect();
        let mut chosen = match (selected.is_empty(), self.quick) {
            (false, _) => selected,
            (true, true) => Workload::quick(),
            (true, false) => Workload::standard(),
        };
        let mut seen = std::collections::HashSet::new();
        chosen.retain(|workload| seen.insert(workload.clone()));
        chosen
    }

    /// What was selected, each once, in the order of the list.
    pub(super) fn engines(&self) -> Vec<&'static Engine> {
        let is_chosen = |engine: &&Engine| match self.engines.is_empty() {
            true => engine.by_default,
            false => self.engines.iter().any(|chosen| chosen.0 == engine.name),
        };
        engines::ALL.iter().filter(is_chosen).collect()
    }
}

/// A file size in bytes, a multiple of 1 MiB and not zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Size(u64);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = match text[digits.len()..].to_ascii_lowercase().as_str() {
            "" | "b" => Some(1),
            "k" | "kb" | "kib" => Some(1 << 10),
            "m" | "mb" | "mib" => Some(1 << 20),
            "g" | "gb" | "gib" => Some(1 << 30),
            "t" | "tb" | "tib" => Some(1_u64 << 40),
            _ => None,
        };
        let number = digits.trim().parse::<u64>().ok();
        let bytes = number.zip(unit).and_then(|(number, unit)| number.checked_mul(unit));
        match bytes {
            Some(bytes) if bytes > 0 && bytes.is_multiple_of(MIB as u64) => Ok(Self(bytes)),
            _ => Err("expected whole MiB, at least one, such as 256M or 4G".into()),
        }
    }
}

/// The measured time of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Seconds(f64);

impl FromStr for Seconds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(seconds) if (SECONDS_MIN..=SECONDS_MAX).contains(&seconds) => Ok(Self(seconds)),
            _ => Err(format!("expected a number from {SECONDS_MIN} to {SECONDS_MAX}")),
        }
    }
}

/// The workloads that one name stands for.
#[derive(Debug, Clone, PartialEq)]
struct Selection(Vec<Workload>);

impl FromStr for Selection {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let selected = Workload::select(text).map(Self);
        selected.map_err(|error| format!("{error}; or give a part of a name of `rio bench --list`"))
    }
}

/// The name of an engine that there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct EngineName(&'static str);

impl FromStr for EngineName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = engines::ALL.iter().find(|engine| engine.name == text);
        found.map(|engine| Self(engine.name)).ok_or_else(|| {
            let names: Vec<&str> = engines::ALL.iter().map(|engine| engine.name).collect();
            format!("there are {}", names.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_whole_mebibytes() {
        for (text, bytes) in [
            ("1M", 1 << 20),
            ("512m", 512 << 20),
            ("4G", 4 << 30),
            ("4GiB", 4 << 30),
            ("1048576", 1 << 20),
            ("2048K", 2 << 20),
            ("1T", 1 << 40),
        ] {
            assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
        }
        for text in ["", "0", "0G", "1", "1000K", "-1G", "1.5G", "G", "1X", "99999999T", "1 2M", "\u{fc}M"] {
            assert!(text.parse::<Size>().unwrap_err().contains("256M"), "{text}");
        }
    }

    #[test]
    fn seconds_are_bounded() {
        assert_eq!("0.5".parse(), Ok(Seconds(0.5)));
        for text in ["0", "-1", "NaN", "inf", "3601", "", "1s"] {
            assert!(text.parse::<Seconds>().is_err(), "{text}");
        }
    }

    #[test]
    fn engines_come_once_and_in_the_order_of_the_list() {
        let names = |args: &BenchArgs| args.engines().iter().map(|engine| engine.name).collect::<Vec<_>>();
        let chosen = ["tokio-fs", "threads", "tokio-fs"].map(|name| name.parse().unwrap());
        let args = BenchArgs { engines: chosen.to_vec(), ..BenchArgs::default() };
        assert_eq!(names(&args), ["threads", "tokio-fs"]);
        let default = names(&BenchArgs::default());
        assert!(default.contains(&"rio-auto") && !default.contains(&"fio"));
        assert!("rio".parse::<EngineName>().unwrap_err().contains("rio-auto, rio-uring"));
    }

    #[test]
    fn workloads_come_once() {
        let only = ["direct", "rand-read-4k-direct-32"].map(|name| name.parse().unwrap());
        let workloads = BenchArgs { only: only.to_vec(), ..BenchArgs::default() }.workloads();
        assert!(workloads.iter().all(|workload| workload.direct));
        let count = workloads.iter().filter(|workload| workload.name() == "rand-read-4k-direct-32").count();
        assert_eq!(count, 1);
    }
}
