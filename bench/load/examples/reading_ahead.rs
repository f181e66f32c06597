//! What reading ahead and the cache cost and gain on this disk:
//! `cargo run --release -p rustfs-rio-load --example reading_ahead -- DIRECTORY [sequential|cost]`.
#![allow(clippy::print_stdout, reason = "an example prints what it measured")]

use rustfs_rio_load::target::Rio;
use rustfs_rio_load::{Cancel, Dataset, KIB, Plan, Target, Workload, compare, sequential_prefetch};
use std::time::Duration;

const FILE_BYTES: u64 = 1 << 30;
const DURATION: Duration = Duration::from_secs(2);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().unwrap_or_else(|| ".".to_owned());
    let what = arguments.next();
    let cancel = Cancel::new();
    let dataset = Dataset::create(directory.as_ref(), FILE_BYTES, 1, &cancel, &mut |_| {})?;
    if what.as_deref() != Some("cost") {
        let figures = sequential_prefetch(&dataset, 3, DURATION, &cancel, &mut |_| {})?;
        println!("{figures:?}");
        println!("ahead / plain: {:.2}", figures.ahead / figures.plain);
        if let Some(fio) = figures.fio {
            println!("ahead / fio at depth 32: {:.3}", figures.ahead / fio);
        }
        println!("256 readers / ahead: {:.3}", figures.interleaved / figures.ahead);
    }
    if what.as_deref() != Some("sequential") {
        let plan = Plan {
            workloads: vec![
                Workload::random(4 * KIB, 1).direct(),
                Workload::random(4 * KIB, 32).direct(),
                Workload::random(64 * KIB, 32).direct(),
            ],
            repeats: 5,
            budget: None,
            warmup: Duration::from_millis(300),
            duration: Duration::from_secs(1),
            workers: 2,
            seed: 1,
        };
        let engines: [Box<dyn Target>; 3] = [
            Box::new(Rio::auto()),
            Box::new(Rio::cached(64 << 20, false)),
            Box::new(Rio::cached(64 << 20, true)),
        ];
        let report = compare(&plan, &dataset, &engines, &cancel, &mut |_| {})?;
        for row in report.rows() {
            println!(
                "{:<26} {:<13} {:>8.0} IOPS, p50 {:>6.1} us, {:>6.2} us CPU per operation, verified {}",
                row.workload.to_string(),
                row.engine,
                row.iops,
                row.p50_us,
                row.cpu_us_per_op,
                row.verified
            );
        }
    }
    Ok(())
}
