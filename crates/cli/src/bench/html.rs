//! `rio bench --html FILE`: the figures as one file with charts.

use std::path::Path;

use anyhow::Context;
use rustfs_rio_dash::report::{Bar, Report as Page, Section, bars};
use rustfs_rio_load::{Plan, Report, Row, Workload};

use super::engines::SUBJECT;
use super::machine::Machine;

const HEADS: [&str; 9] =
    ["engine", "op/s", "MB/s", "p50 us", "p95 us", "p99 us", "CPU us/op", "device MB", "verified"];

/// Whether the file can be made, before minutes are spent on what goes into it.
pub(crate) fn check(path: &Path) -> anyhow::Result<()> {
    let made = std::fs::OpenOptions::new().create(true).append(true).open(path);
    made.map(drop).with_context(|| format!("cannot write {}; name another file with --html", path.display()))
}

/// Writes the report.
pub(super) fn write(path: &Path, plan: &Plan, report: &Report, machine: &Machine) -> anyhow::Result<()> {
    let text = page(plan, report, &machine.to_string()).to_html();
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn page(plan: &Plan, report: &Report, machine: &str) -> Page {
    let rows = report.rows();
    let mut page = Page::new("rio bench");
    for line in machine.lines() {
        page = page.note(line);
    }
    page = page.note(&format!(
        "{} runs of each engine on each workload, {:?} each, {} workers; figures are medians.",
        plan.repeats, plan.duration, plan.workers
    ));
    for workload in &plan.workloads {
        let of_it: Vec<&Row> = rows.iter().filter(|row| row.workload == workload.name()).collect();
        if !of_it.is_empty() {
            page = page.section(section(workload, &of_it, report));
        }
    }
    for skipped in &report.skipped {
        page = page.note(&format!("left out: {} {}: {}", skipped.workload, skipped.engine, skipped.reason));
    }
    page
}

fn section(workload: &Workload, rows: &[&Row], report: &Report) -> Section {
    let bar = |row: &Row, value: f64, text: String| {
        let bar = Bar::new(&row.engine, value, &text);
        if row.engine == SUBJECT { bar.marked() } else { bar }
    };
    let operations: Vec<Bar> =
        rows.iter().map(|row| bar(row, row.iops, format!("{:.0}", row.iops))).collect();
    let latencies: Vec<Bar> =
        rows.iter().map(|row| bar(row, row.p99_us, format!("{:.1} us", row.p99_us))).collect();
    let processor: Vec<Bar> =
        rows.iter().map(|row| bar(row, row.cpu_us_per_op, format!("{:.2} us", row.cpu_us_per_op))).collect();
    let mut section = Section::new(&workload.name()).note(&workload.describe());
    if let Some(loss) = report.loss(workload, SUBJECT) {
        section = section.note(&loss.to_string());
    }
    section
        .chart(bars("operations per second", &operations))
        .chart(bars("99th percentile of the latency", &latencies))
        .chart(bars("CPU per operation", &processor))
        .table(&HEADS, rows.iter().map(|row| cells(row)).collect())
}

fn cells(row: &Row) -> Vec<String> {
    vec![
        row.engine.clone(),
        format!("{:.0}", row.iops),
        format!("{:.0}", row.mbps),
        format!("{:.1}", row.p50_us),
        format!("{:.1}", row.p95_us),
        format!("{:.1}", row.p99_us),
        format!("{:.2}", row.cpu_us_per_op),
        row.device_read_bytes
            .map_or_else(|| "unknown".to_owned(), |bytes| format!("{:.1}", bytes as f64 / 1e6)),
        if row.verified { "yes" } else { "NO" }.to_owned(),
    ]
}
