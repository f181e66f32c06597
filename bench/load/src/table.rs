//! A report as text for people.

use std::fmt::Write;

use crate::{Outcome, Pattern, Report, Row, Workload};

/// What stands for the floor: the kernel and the disk with as little as possible between. Per workload the faster one.
const FLOORS: [&str; 2] = ["threads", "bare-ring"];
/// What most programs would use otherwise.
const USUAL: &str = "tokio-fs";
/// What programs do that want positional reads.
const AROUND: &str = "spawn-blocking";
const SUMMARY_HEADER: [&str; 6] = ["workload", "IOPS", "x tokio-fs", "x spawn-blocking", "x floor", ""];
const HEADER: [&str; 12] = [
    "engine",
    "IOPS",
    "MB/s",
    "p50 us",
    "p95 us",
    "p99 us",
    "CPU us/op",
    "device MB",
    "x tokio-fs",
    "x floor",
    "data",
    "path taken",
];

impl Report {
    /// One table per workload: the medians, the ratios of operations per second to `tokio-fs` and to the floor, and for an
    /// engine that has a choice the path it took in its last run.
    pub fn table(&self, workload: &Workload) -> String {
        let rows: Vec<Row> =
            self.engines_of(workload).into_iter().filter_map(|engine| self.row(workload, engine)).collect();
        let floor = self.floor_of(workload);
        let mut lines = vec![HEADER.map(str::to_owned)];
        lines.extend(rows.iter().map(|row| {
            let versus = |base| self.iops_ratio(workload, &row.engine, base).map_or_else(dash, ratio_label);
            [
                row.engine.clone(),
                figure_label(row.iops),
                figure_label(row.mbps),
                figure_label(row.p50_us),
                figure_label(row.p95_us),
                figure_label(row.p99_us),
                figure_label(row.cpu_us_per_op),
                row.device_read_bytes.map_or_else(dash, |bytes| figure_label(bytes as f64 / 1e6)),
                versus(USUAL),
                floor.map_or_else(dash, versus),
                self.data_label(workload, row),
                self.path_label(workload, &row.engine),
            ]
        }));
        let mut text = format!("{} ({})", workload.name(), workload.describe());
        // Writing to a string cannot fail.
        let _ = match floor {
            Some(floor) => writeln!(text, "; floor: {floor}"),
            None => writeln!(text),
        };
        text.push_str(&align(&lines));
        for skipped in self.skipped.iter().filter(|skipped| skipped.workload == *workload) {
            let _ = writeln!(text, "  {}: {}", skipped.engine, skipped.reason);
        }
        text
    }

    /// One line per workload for `engine`: its operations per second beside the usual ways and the floor. `None` where it ran
    /// none of them.
    pub fn summary(&self, workloads: &[Workload], engine: &str) -> Option<String> {
        let ran = workloads.iter().filter(|workload| self.row(workload, engine).is_some());
        let mut lines = vec![SUMMARY_HEADER.map(str::to_owned)];
        lines.extend(ran.map(|workload| {
            let versus = |base| self.iops_ratio(workload, engine, base).map_or_else(dash, ratio_label);
            [
                workload.name(),
                self.figure(workload, engine, iops).map_or_else(dash, figure_label),
                versus(USUAL),
                versus(AROUND),
                self.floor_of(workload).map_or_else(dash, versus),
                self.loss(workload, engine).unwrap_or_default(),
            ]
        }));
        (lines.len() > 1).then(|| format!("{engine} in short\n{}", align(&lines)))
    }

    /// For a workload in which `engine` is not the fastest: by how much, and beside which engine. `None` where it is
    /// level (to two decimals) with or ahead of all others, or did not run.
    pub fn loss(&self, workload: &Workload, engine: &str) -> Option<String> {
        let others = self.engines_of(workload).into_iter().filter(|other| *other != engine);
        let ratios = others.filter_map(|other| Some((self.iops_ratio(workload, engine, other)?, other)));
        let (ratio, other) = ratios.min_by(|one, two| one.0.total_cmp(&two.0))?;
        (ratio < 0.995).then(|| format!("{engine} is {} of {other} here", ratio_label(ratio)))
    }

    /// The engines that ran a workload, in the order of the first repeat.
    pub fn engines_of<'a>(&'a self, workload: &Workload) -> Vec<&'a str> {
        let firsts = self.runs.iter().filter(|run| run.workload == *workload && run.repeat == 0);
        firsts.map(|run| run.engine.as_str()).collect()
    }

    fn floor_of(&self, workload: &Workload) -> Option<&'static str> {
        let iops = |engine: &&str| self.figure(workload, engine, iops).unwrap_or(0.0);
        let ran = FLOORS.into_iter().filter(|engine| iops(engine) > 0.0);
        ran.max_by(|one, two| iops(one).total_cmp(&iops(two)))
    }

    fn iops_ratio(&self, workload: &Workload, engine: &str, base: &str) -> Option<f64> {
        self.ratio(workload, engine, base, iops)
    }

    fn data_label(&self, workload: &Workload, row: &Row) -> String {
        let wrong = self.problems().any(|run| run.workload == *workload && run.engine == row.engine);
        match (row.verified, wrong) {
            (true, _) => "verified".into(),
            (false, true) => "WRONG".into(),
            (false, false) => "not checked".into(),
        }
    }

    fn path_label(&self, workload: &Workload, engine: &str) -> String {
        let Some(run) = self.runs_of(workload, engine).last() else { return String::new() };
        let mut label = run.outcome.backend.clone().unwrap_or_default();
        if let Some(enters) = run.outcome.enters_per_op.filter(|enters| *enters >= 0.005) {
            let _ = write!(label, ", {enters:.2} io_uring_enter/op");
        }
        label
    }
}

impl Workload {
    /// The workload in words.
    pub fn describe(&self) -> String {
        let order = match self.pattern {
            Pattern::Random => "random",
            Pattern::Sequential => "sequential",
        };
        let what = match self.write_pct {
            0 => "reads".to_owned(),
            100 => "writes".to_owned(),
            pct => format!("{} % reads, {pct} % writes", 100 - pct),
        };
        let size = match self.block_size / crate::KIB {
            kib if kib < crate::KIB => format!("{kib} KiB"),
            kib => format!("{} MiB", kib / crate::KIB),
        };
        let through = if self.direct { "direct" } else { "through a warm page cache" };
        let tasks = if self.tasks == 1 { "1 task".to_owned() } else { format!("{} tasks", self.tasks) };
        let sync = if self.sync_each { ", fdatasync after each" } else { "" };
        format!("{size} {order} {what}, {through}, {tasks}{sync}")
    }
}

fn iops(outcome: &Outcome) -> Option<f64> {
    Some(outcome.iops)
}

fn dash() -> String {
    "-".into()
}

fn ratio_label(ratio: f64) -> String {
    if ratio < 10.0 { format!("{ratio:.2}") } else { format!("{ratio:.1}") }
}

/// Three or more digits, and thousands set apart: what a reader compares at a glance.
fn figure_label(value: f64) -> String {
    match value {
        value if value < 10.0 => format!("{value:.2}"),
        value if value < 1000.0 => format!("{value:.1}"),
        value => {
            let digits = format!("{value:.0}");
            let bytes = digits.as_bytes().rchunks(3).rev();
            bytes.map(|chunk| String::from_utf8_lossy(chunk).into_owned()).collect::<Vec<_>>().join(" ")
        }
    }
}

/// The first and the last column to the left, the others to the right.
fn align<const N: usize>(lines: &[[String; N]]) -> String {
    let width = |column: usize| lines.iter().map(|line| line[column].len()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let mut text = String::new();
    for line in lines {
        let cells = line.iter().zip(widths).enumerate().map(|(column, (cell, width))| match column {
            0 => format!("  {cell:<width$}"),
            last if last == N - 1 => format!("  {cell}"),
            _ => format!("  {cell:>width$}"),
        });
        text.push_str(cells.collect::<String>().trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Measurement, Skipped};

    fn report() -> (Workload, Report) {
        let workload = Workload::random(4096, 32);
        let run = |engine: &str, iops: f64| Measurement {
            workload: workload.clone(),
            engine: engine.into(),
            repeat: 0,
            outcome: Outcome {
                iops,
                verified: true,
                device_read_bytes: Some(0),
                backend: engine.strip_prefix("rio-").map(|_| "inline 98 %, ring 2 %".into()),
                enters_per_op: engine.strip_prefix("rio-").map(|_| 0.012),
                ..Outcome::default()
            },
        };
        let runs = vec![run("threads", 1_000_000.0), run("rio-auto", 930_000.0), run("tokio-fs", 50_000.0)];
        let skipped = Skipped {
            workload: workload.clone(),
            engine: "fio".into(),
            reason: "fio is not installed".into(),
            failed: false,
        };
        (workload, Report { runs, skipped: vec![skipped] })
    }

    #[test]
    fn a_table_has_a_line_per_engine_with_both_ratios() {
        let (workload, report) = report();
        let table = report.table(&workload);
        let rio = table.lines().find(|line| line.contains("rio-auto")).unwrap();
        for cell in ["930 000", "18.6", "0.93", "verified", "inline 98 %, ring 2 %, 0.01 io_uring_enter/op"] {
            assert!(rio.contains(cell), "{cell} in {rio}");
        }
        assert!(
            table.starts_with(
                "rand-read-4k-cached-32 (4 KiB random reads, through a warm page cache, 32 tasks); floor: threads\n"
            )
        );
        assert!(table.contains("fio: fio is not installed"));
    }

    #[test]
    fn the_summary_has_a_line_per_workload_that_ran() {
        let (workload, report) = report();
        let absent = Workload::random(4096, 1);
        let summary = report.summary(&[absent.clone(), workload], "rio-auto").unwrap();
        let line = summary.lines().last().unwrap();
        for cell in ["rand-read-4k-cached-32", "930 000", "18.6", "0.93", "rio-auto is 0.93 of threads here"]
        {
            assert!(line.contains(cell), "{cell} in {line}");
        }
        assert!(!summary.contains("cached-1 "));
        assert_eq!(report.summary(&[absent], "rio-auto"), None);
    }

    #[test]
    fn a_loss_is_said_and_a_win_is_not() {
        let (workload, report) = report();
        assert_eq!(report.loss(&workload, "rio-auto").unwrap(), "rio-auto is 0.93 of threads here");
        assert_eq!(report.loss(&workload, "threads"), None);
        assert_eq!(report.loss(&workload, "absent"), None);
    }

    #[test]
    fn figures_keep_three_digits() {
        let labels = [0.0456, 9.994, 123.45, 999.9, 1234.5, 1_234_567.0].map(figure_label);
        assert_eq!(labels, ["0.05", "9.99", "123.5", "999.9", "1 234", "1 234 567"]);
    }
}
