//! The external program `fio`, as a figure that was not made by this code.

use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use serde_json::Value;

use super::Target;
use crate::usage;
use crate::{Job, LoadError, Outcome, Pattern, Workload};

/// What every run asks for: time counts from the submission on, since a cached operation ends before its submission
/// returns, and the cache that was just warmed is not dropped, which fio would do otherwise.
const FIXED_ARGUMENTS: [&str; 9] = [
    "--time_based",
    "--thread",
    "--invalidate=0",
    "--allow_file_create=0",
    "--norandommap",
    "--group_reporting",
    "--lat_percentiles=1",
    "--clat_percentiles=0",
    "--output-format=json",
];
/// How often a run looks whether it was called off.
const POLL_SLICE: Duration = Duration::from_millis(20);

/// `fio` with its io_uring engine, or with plain system calls where each write is synced.
///
/// Its reads are not verified and its writes hold bytes of its own, so its rows never say `verified`.
#[derive(Debug, Default)]
pub struct Fio;

impl Target for Fio {
    fn name(&self) -> &str {
        "fio"
    }

    fn unavailable(&self, _workload: &Workload) -> Option<String> {
        let found = Command::new("fio").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        match found {
            Ok(status) if status.success() => None,
            _ => Some("fio is not installed".into()),
        }
    }

    fn writes_foreign_content(&self) -> bool {
        true
    }

    fn run(&self, job: &Job) -> Result<Outcome, LoadError> {
        let error = |reason: String| job.engine_error(self.name(), reason);
        let child = Command::new("fio")
            .args(arguments(job))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|cause| error(cause.to_string()))?;
        let (spent, output) = wait(child, job)?;
        if !output.status.success() {
            return Err(error(format!(
                "{}: {}",
                output.status,
                String::from_utf8_lossy(&output.stderr).trim()
            )));
        }
        let json: Value =
            serde_json::from_slice(json_part(&output.stdout)).map_err(|cause| error(cause.to_string()))?;
        let mut outcome =
            parse(&json, job).ok_or_else(|| error("its JSON lacks an expected field".into()))?;
        // The counters span the whole process. The share of the measured time is that of the time in operations.
        let measured = job.duration.as_secs_f64() / (job.duration + job.warmup).as_secs_f64();
        outcome.device_read_bytes = spent.device_read_bytes.map(|bytes| (bytes as f64 * measured) as u64);
        let cpu_s = spent.cpu_s.ok_or_else(|| error("its processor time is not known".into()))?;
        outcome.cpu_us_per_op = cpu_s * measured * 1e6 / (outcome.ops as f64).max(1.0);
        Ok(outcome)
    }
}

/// Tasks become jobs times depth: as many jobs as the other engines have workers, and the same number of operations in
/// flight altogether. Direct I/O is one job, because one submitting thread loads a disk best.
fn arguments(job: &Job) -> Vec<String> {
    let workload = &job.workload;
    let plain = workload.sync_each;
    let jobs = if workload.direct || plain { 1 } else { job.workers.min(workload.tasks) };
    let depth = workload.tasks.div_ceil(jobs);
    // Sequential jobs start in a part of the file each. A size that reaches beyond the end from there would make fio
    // lay the file out anew, with bytes of its own.
    let part =
        if workload.pattern == Pattern::Sequential { job.file.size / jobs as u64 } else { job.file.size };
    let read_write = match (workload.pattern, workload.write_pct) {
        (Pattern::Random, 0) => "randread",
        (Pattern::Random, 100) => "randwrite",
        (Pattern::Random, _) => "randrw",
        (Pattern::Sequential, 0) => "read",
        (Pattern::Sequential, 100) => "write",
        (Pattern::Sequential, _) => "rw",
    };
    let mut arguments = vec![
        "--name=rio-bench".to_owned(),
        format!("--filename={}", job.file.path.display()),
        format!("--size={part}"),
        format!("--rw={read_write}"),
        format!("--rwmixread={}", 100 - workload.write_pct),
        format!("--bs={}", workload.block_size),
        format!("--direct={}", u8::from(workload.direct)),
        format!("--numjobs={jobs}"),
        format!("--iodepth={depth}"),
        format!("--ioengine={}", if plain { "psync" } else { "io_uring" }),
        format!("--runtime={}ms", job.duration.as_millis()),
        format!("--ramp_time={}ms", job.warmup.as_millis()),
        format!("--randseed={}", job.seed),
    ];
    arguments.extend(FIXED_ARGUMENTS.map(String::from));
    if part < job.file.size {
        arguments.push(format!("--offset_increment={part}"));
    }
    arguments.push(if workload.has_writes() { "--overwrite=1".into() } else { "--readonly".into() });
    if workload.sync_each {
        arguments.push("--fdatasync=1".into());
    }
    arguments
}

/// What the process has used.
struct Spent {
    /// Processor time of all its threads, those that the kernel runs for its rings included; fio's own figure lacks
    /// them, and they do most of the work of buffered writes.
    cpu_s: Option<f64>,
    device_read_bytes: Option<u64>,
}

impl Spent {
    /// Reads the counters of a process that has ended and was not reaped: the kernel forgets them then.
    fn of(pid: u32) -> Self {
        let read = |name: &str| std::fs::read_to_string(format!("/proc/{pid}/{name}")).ok();
        Self {
            cpu_s: read("stat").and_then(|stat| cpu_seconds(&stat)),
            device_read_bytes: read("io").and_then(|io| usage::read_bytes(&io)),
        }
    }
}

/// User and system time of a `/proc/PID/stat` line: fields 14 and 15, counted behind the name, which may hold anything.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / rustix::param::clock_ticks_per_second() as f64)
}

/// Waits for the end.
fn wait(mut child: Child, job: &Job) -> Result<(Spent, Output), LoadError> {
    let pid = Pid::from_child(&child);
    loop {
        if job.cancel.is_set() {
            let _ = child.kill();
            let _ = child.wait();
            return Err(LoadError::Cancelled);
        }
        let ended =
            waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG);
        if !matches!(ended, Ok(None)) {
            break;
        }
        thread::sleep(POLL_SLICE);
    }
    let spent = Spent::of(child.id());
    let output = child.wait_with_output().map_err(LoadError::io("wait for fio on", &job.file.path))?;
    Ok((spent, output))
}

/// fio may print notes before its JSON.
fn json_part(stdout: &[u8]) -> &[u8] {
    let start = stdout.iter().position(|byte| *byte == b'{').unwrap_or(0);
    &stdout[start..]
}

fn parse(json: &Value, job: &Job) -> Option<Outcome> {
    let group = json.get("jobs")?.get(0)?;
    let direction = |name: &str| group.get(name);
    let (read, write) = (direction("read")?, direction("write")?);
    let number = |value: &Value, key: &str| value.get(key).and_then(Value::as_f64);
    let ops = number(read, "total_ios")? + number(write, "total_ios")?;
    let iops = number(read, "iops")? + number(write, "iops")?;
    // The percentiles of the direction with more operations: fio keeps no joint ones by default.
    let main = if number(write, "total_ios")? > number(read, "total_ios")? { write } else { read };
    // With a sync after each write, fio times the two apart. Their sum is the operation, and the sum of their
    // percentiles close to the operation's percentile, because nearly all of it is the sync.
    let sync = group.get("sync").filter(|_| job.workload.sync_each).and_then(|sync| sync.get("lat_ns"));
    let at = |quantile: &str| {
        let of = |latency: &Value| latency.get("percentile")?.get(quantile)?.as_f64();
        Some((of(main.get("lat_ns")?)? + sync.and_then(of).unwrap_or(0.0)) / 1e3)
    };
    let errors = group.get("total_err").or_else(|| group.get("error")).and_then(Value::as_u64).unwrap_or(0);
    Some(Outcome {
        ops: ops as u64,
        seconds: job.duration.as_secs_f64(),
        iops,
        mbps: iops * job.workload.block_size as f64 / 1e6,
        p50_us: at("50.000000")?,
        p95_us: at("95.000000")?,
        p99_us: at("99.000000")?,
        p999_us: at("99.900000")?,
        max_us: main.get("lat_ns")?.get("max")?.as_f64()? / 1e3,
        latency_samples: ops as u64,
        errors,
        backend: Some(if job.workload.sync_each { "psync".into() } else { "io_uring".into() }),
        ..Outcome::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_found_behind_any_name() {
        let stat = "7 (a ) b (c) Z 1 2 3 4 5 6 7 8 9 10 200 300 0 0 20 0 1 0 5\n";
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        assert_eq!(cpu_seconds(stat), Some(500.0 / ticks));
        assert_eq!(cpu_seconds("7 (x) Z 1"), None);
    }
}
