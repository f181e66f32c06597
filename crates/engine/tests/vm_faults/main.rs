//! The engine against devices that fail, drop writes, are slow or hang: `cargo xtask vm faults`.
//!
//! A program of its own order rather than a set of tests, because there is one device and a hang leaves things behind: the
//! hang comes last. Arguments are parts of case names to run. `rig` steers the device; `failing`, `devices` and `hanging`
//! hold the cases. Outside the emulated machine it skips.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test without the harness: it panics and prints as one"
)]

#[path = "../lab/mod.rs"]
mod lab;

mod devices;
mod failing;
mod hanging;
mod rig;

use lab::Kind;
use rig::Rig;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

/// The backends that reach a real device.
const KINDS: [Kind; 3] = [Kind::Auto, Kind::Uring, Kind::Blocking];

struct Case {
    name: &'static str,
    run: fn(&Rig, Kind),
}

const CASES: [Case; 7] = [
    Case { name: "direct_errors", run: failing::direct_errors },
    Case { name: "failed_sync", run: failing::failed_sync },
    Case { name: "lost_writes", run: failing::lost_writes },
    Case { name: "slow_device", run: devices::slow_device },
    Case { name: "scsi_disk", run: devices::scsi_disk },
    Case { name: "large_sectors", run: devices::large_sectors },
    Case { name: "hung_device", run: hanging::hung_device },
];

fn main() -> ExitCode {
    if std::env::var_os("RIO_VM").is_none() {
        lab::skip("device faults: they need the emulated machine (cargo xtask vm faults)");
        return ExitCode::SUCCESS;
    }
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let rig = Rig::new();
    let mut failed = Vec::new();
    let mut passed = 0;
    for case in &CASES {
        for kind in KINDS {
            let name = format!("{}::{kind:?}", case.name);
            if !wanted.is_empty() && !wanted.iter().any(|part| name.contains(part.as_str())) {
                continue;
            }
            let start = std::time::Instant::now();
            let result = catch_unwind(AssertUnwindSafe(|| (case.run)(&rig, kind)));
            rig.heal();
            let verdict = if result.is_ok() { "ok" } else { "FAILED" };
            println!("case {name} ... {verdict} ({:.1} s)", start.elapsed().as_secs_f64());
            match result {
                Ok(()) => passed += 1,
                Err(_) => failed.push(name),
            }
        }
    }
    println!("cases: {passed} passed, {} failed {failed:?}", failed.len());
    // A filter that matches nothing must not look like success.
    if failed.is_empty() && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
