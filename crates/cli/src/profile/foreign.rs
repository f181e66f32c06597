//! Another program: a flame graph where `perf` may sample it, its memory, its I/O.
//!
//! Memory and I/O come from `/proc` (proc_pid_status(5), proc_pid_io(5)), looked at until the program ends, so the last
//! [`PACE`] of its life may be missing.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::Context;
use rustfs_rio_dash::profile::flamegraph_of_perf;
use serde_json::json;

use super::{ProfileArgs, write};
use crate::UsageError;

/// Between two looks at the program.
const PACE: Duration = Duration::from_millis(20);
const CANNOT_WRITE: &str = "cannot print the result";

/// What was seen of the program.
#[derive(Debug, Default, Clone, Copy)]
struct Seen {
    peak_bytes: u64,
    read_bytes: u64,
    written_bytes: u64,
}

pub(super) fn run(args: &ProfileArgs) -> anyhow::Result<ExitCode> {
    let program = args.command.first().context("no command was given")?;
    if find(program).is_none() {
        return Err(UsageError(format!(
            "there is no program `{program}`; name one that is in PATH, or give its path"
        ))
        .into());
    }
    let data = args.out.join("perf.data");
    let perf = find("perf");
    let mut command = match &perf {
        Some(perf) => {
            let mut command = Command::new(perf);
            command.args([
                "record",
                "--quiet",
                "--call-graph",
                "fp",
                "-F",
                &args.frequency.to_string(),
                "-o",
            ]);
            command.arg(&data).arg("--").args(&args.command);
            command
        }
        None => {
            let mut command = Command::new(program);
            command.args(&args.command[1..]);
            command
        }
    };
    let mut child = command.spawn().with_context(|| format!("cannot start {program}"))?;
    let seen = watch(&mut child, perf.is_some());
    let status = child.wait().context("cannot wait for the program")?.code().unwrap_or(1);
    let (files, note) = match &perf {
        Some(perf) => match flamegraph(perf, &data, &args.out, program) {
            Ok(file) => (vec![file, data], String::new()),
            Err(error) => (Vec::new(), format!("no flame graph: {error:#}")),
        },
        None => (Vec::new(), "no flame graph: perf is not installed (Debian package linux-perf)".to_owned()),
    };
    print(args, status, seen, &files, &note).context(CANNOT_WRITE)?;
    Ok(ExitCode::from(u8::try_from(status).unwrap_or(1)))
}

/// The program of this name, in PATH or where it says.
fn find(name: &str) -> Option<PathBuf> {
    if name.contains('/') {
        return Path::new(name).exists().then(|| PathBuf::from(name));
    }
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|directory| directory.join(name))
        .find(|path| path.is_file())
}

/// Looks at the program, or at what `perf` started, until it ends.
fn watch(child: &mut Child, is_wrapped: bool) -> Seen {
    let mut seen = Seen::default();
    while matches!(child.try_wait(), Ok(None)) {
        let own = child.id();
        let process = if is_wrapped { first_child(own) } else { Some(own) };
        if let Some(process) = process {
            look(process, &mut seen);
        }
        std::thread::sleep(PACE);
    }
    seen
}

fn first_child(process: u32) -> Option<u32> {
    let text = std::fs::read_to_string(format!("/proc/{process}/task/{process}/children")).ok()?;
    text.split_whitespace().next()?.parse().ok()
}

fn look(process: u32, seen: &mut Seen) {
    let field = |file: &str, name: &str| -> Option<u64> {
        let text = std::fs::read_to_string(format!("/proc/{process}/{file}")).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    seen.peak_bytes = seen.peak_bytes.max(field("status", "VmHWM:").unwrap_or(0) * 1024);
    seen.read_bytes = seen.read_bytes.max(field("io", "rchar:").unwrap_or(0));
    seen.written_bytes = seen.written_bytes.max(field("io", "wchar:").unwrap_or(0));
}

fn flamegraph(perf: &Path, data: &Path, out: &Path, program: &str) -> anyhow::Result<PathBuf> {
    let mut script = Command::new(perf);
    script.args(["script", "-i"]).arg(data).stdin(Stdio::null());
    let output = script.output().context("cannot run perf script")?;
    if !output.status.success() {
        anyhow::bail!("perf script: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let svg = flamegraph_of_perf(&output.stdout, &format!("CPU: {program}"))?;
    write(out, "cpu.svg", svg)
}

fn print(args: &ProfileArgs, status: i32, seen: Seen, files: &[PathBuf], note: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if args.json {
        let value = json!({"exit_code": status, "peak_bytes": seen.peak_bytes, "read_bytes": seen.read_bytes,
            "written_bytes": seen.written_bytes, "note": note, "files": files});
        writeln!(out, "{value}")?;
        return out.flush();
    }
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    writeln!(out, "exit code    {status}")?;
    writeln!(out, "peak memory  {:.1} MiB", mib(seen.peak_bytes))?;
    writeln!(out, "read         {:.1} MiB by system calls, cached data included", mib(seen.read_bytes))?;
    writeln!(out, "written      {:.1} MiB", mib(seen.written_bytes))?;
    writeln!(
        out,
        "allocations  not known: only a Rio workload is counted, by the allocator in this program"
    )?;
    if !note.is_empty() {
        writeln!(out, "{note}")?;
    }
    files.iter().try_for_each(|file| writeln!(out, "{}", file.display()))?;
    out.flush()
}
