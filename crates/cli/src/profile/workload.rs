//! A workload on Rio in this process.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use rustfs_rio::{AdvancedPerformanceMonitor, PerformanceMonitorConfig, RecordedAccess};
use rustfs_rio_dash::profile::{ProfileError, Running, Share};
use rustfs_rio_dash::report::Picture;
use rustfs_rio_load::target::Rio;
use rustfs_rio_load::{Dataset, Job, MIB, Outcome, Target, Workload};
use rustfs_rio_tune::{Access, AccessKind};
use serde_json::json;

use super::{ProfileArgs, write};
use crate::bench::interrupt::Interrupt;

/// Functions in the summary.
const FUNCTIONS: usize = 10;
const SEED: u64 = 0x5249_4F00;

pub(super) fn run(args: &ProfileArgs, workload: &Workload) -> anyhow::Result<ExitCode> {
    let interrupt = Interrupt::watch().context("cannot handle signals")?;
    let size = (args.file_mib * MIB as u64).max(workload.file_size_min());
    let dataset = Dataset::create(&args.dir, size, SEED, interrupt.cancel(), &mut |_| {})?;
    let job = Job {
        file: dataset.file().clone(),
        workload: workload.clone(),
        workers: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        warmup: Duration::from_millis(200),
        duration: Duration::from_secs(args.seconds),
        seed: SEED,
        leg: 1,
        cancel: interrupt.cancel().clone(),
    };
    // Only for its recorder, which makes the engine keep a ring of accesses.
    let config =
        PerformanceMonitorConfig { enable_real_time_dashboard: false, ..PerformanceMonitorConfig::default() };
    let monitor = Arc::new(AdvancedPerformanceMonitor::new(config));
    let target = Rio::auto().watched_by(monitor);
    let running = Running::start(i32::try_from(args.frequency).unwrap_or(99))?;
    let outcome = target.run(&job)?;
    let profile = running.finish();
    let accesses = target.accesses();
    let mut files = Vec::new();
    let shares = match profile {
        Ok(profile) => {
            files.push(write(&args.out, "cpu.svg", profile.flamegraph(&format!("CPU: {workload} on Rio"))?)?);
            files.push(write(&args.out, "cpu.pb.gz", profile.pprof()?)?);
            profile.shares()
        }
        Err(ProfileError::Empty) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    if let Some(svg) = picture(&accesses, workload) {
        files.push(write(&args.out, "io.svg", svg)?);
    }
    print(args, &outcome, &shares, &files).context("cannot print the result")?;
    Ok(ExitCode::SUCCESS)
}

fn picture(accesses: &[RecordedAccess], workload: &Workload) -> Option<String> {
    let mut picture = Picture::new();
    for access in accesses {
        picture.add(&Access {
            at_ns: access.at_us.saturating_mul(1000),
            space: access.file,
            offset: access.offset,
            len: access.len,
            kind: if access.write { AccessKind::Write } else { AccessKind::Read },
        });
    }
    let weight = accesses.iter().map(|access| access.weight).max().unwrap_or(1);
    let title = if weight > 1 {
        format!("{workload} on Rio, up to one access in {weight}")
    } else {
        format!("{workload} on Rio")
    };
    picture.draw(&title).map(|chart| chart.to_svg())
}

fn print(
    args: &ProfileArgs,
    outcome: &Outcome,
    shares: &[Share],
    files: &[std::path::PathBuf],
) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let hot = &shares[..shares.len().min(FUNCTIONS)];
    if args.json {
        let functions: Vec<_> = hot
            .iter()
            .map(|share| json!({"function": share.function, "own": share.own, "total": share.total}))
            .collect();
        let value = json!({"operations": outcome.ops, "verified": outcome.verified, "cpu_us_per_op": outcome.cpu_us_per_op,
            "functions": functions, "files": files});
        writeln!(out, "{value}")?;
        return out.flush();
    }
    writeln!(
        out,
        "{} operations, {:.2} us of CPU each, data {}",
        outcome.ops,
        outcome.cpu_us_per_op,
        if outcome.verified { "verified" } else { "NOT verified" }
    )?;
    writeln!(out, "\n   own  total  function")?;
    for share in hot {
        writeln!(out, "{:5.1}% {:5.1}%  {}", share.own * 100.0, share.total * 100.0, share.function)?;
    }
    writeln!(out)?;
    files.iter().try_for_each(|file| writeln!(out, "{}", file.display()))?;
    out.flush()
}
