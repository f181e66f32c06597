//! The bars that Rio has to reach beside other engines, each checked on the runs of this program.

use std::io::{self, Write};

use rustfs_rio_load::{KIB, MIB, Outcome, Report, Workload};
use serde_json::{Value, json};

/// Engines that a program could use instead of Rio; the floors (threads, bare ring) and fio are none.
const PEERS: [&str; 7] =
    ["compio", "monoio", "tokio-uring", "glommio", "driver-thread", "spawn-blocking", "tokio-fs"];

type Figure = fn(&Outcome) -> Option<f64>;

/// What a figure is held against.
#[derive(Debug, Clone, Copy)]
enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

/// How a figure is made of the runs.
#[derive(Clone, Copy)]
enum Against {
    /// Divided by the same figure of the best of these engines.
    Engines(&'static [&'static str]),
    /// As it is.
    Nothing,
}

/// One bar and what was measured.
#[derive(Debug)]
pub struct Bar {
    name: String,
    figure: Option<f64>,
    bound: Bound,
}

impl Bar {
    /// Whether it was reached; `None` where an engine that it needs did not run.
    pub fn is_met(&self) -> Option<bool> {
        self.figure.map(|figure| match self.bound {
            Bound::AtLeast(bar) => figure >= bar,
            Bound::AtMost(bar) => figure <= bar,
        })
    }

    /// As JSON.
    pub fn json(&self) -> Value {
        json!({ "name": self.name, "figure": self.figure, "bar": self.bound.label(), "met": self.is_met() })
    }
}

impl Bound {
    fn label(self) -> String {
        match self {
            Self::AtLeast(bar) => format!(">= {bar}"),
            Self::AtMost(bar) => format!("<= {bar}"),
        }
    }
}

/// The workloads that the bars need.
pub fn workloads() -> Vec<Workload> {
    let mut workloads = Vec::new();
    for (workload, ..) in definitions() {
        if !workloads.contains(&workload) {
            workloads.push(workload);
        }
    }
    workloads
}

/// All bars for the engine called `subject`.
pub fn check(report: &Report, subject: &str) -> Vec<Bar> {
    let bars = definitions().into_iter().map(|(workload, what, figure, against, bound)| {
        let value = match against {
            Against::Nothing => report.figure(&workload, subject, figure),
            Against::Engines(engines) => {
                let ratios = engines
                    .iter()
                    .filter(|engine| **engine != subject)
                    .filter_map(|engine| report.ratio(&workload, subject, engine, figure));
                // The best engine is the one that leaves the subject the worst ratio.
                match bound {
                    Bound::AtLeast(_) => ratios.min_by(f64::total_cmp),
                    Bound::AtMost(_) => ratios.max_by(f64::total_cmp),
                }
            }
        };
        Bar { name: format!("{}: {what}", workload.name()), figure: value, bound }
    });
    bars.collect()
}

/// Writes the bars as a table.
pub fn write(bars: &[Bar], subject: &str, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "Bars for {subject} (medians of ratios within one repeat)")?;
    let width = bars.iter().map(|bar| bar.name.len()).max().unwrap_or(0);
    for bar in bars {
        let figure = bar.figure.map_or_else(|| "-".to_owned(), |figure| format!("{figure:.2}"));
        let verdict = match bar.is_met() {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "not measured",
        };
        writeln!(out, "  {:<width$}  {figure:>8}  {:<8}  {verdict}", bar.name, bar.bound.label())?;
    }
    Ok(())
}

fn definitions() -> Vec<(Workload, &'static str, Figure, Against, Bound)> {
    use Against::{Engines, Nothing};
    use Bound::{AtLeast, AtMost};
    let iops: Figure = |outcome| Some(outcome.iops);
    let p50: Figure = |outcome| Some(outcome.p50_us);
    let cpu: Figure = |outcome| Some(outcome.cpu_us_per_op);
    let enters: Figure = |outcome| outcome.enters_per_op;
    let cached_4k = Workload::random(4 * KIB, 32);
    let cached_64k = Workload::random(64 * KIB, 32);
    let mixed = cached_64k.clone().writes(30);
    let one = Workload::random(4 * KIB, 1);
    let direct = cached_4k.clone().direct();
    let sequential = Workload::sequential(MIB, 4);
    let durable = Workload::sequential(4 * KIB, 1).writes(100).sync_each();
    vec![
        (cached_4k.clone(), "IOPS of std threads", iops, Engines(&["threads"]), AtLeast(0.90)),
        (cached_4k.clone(), "IOPS of tokio::fs", iops, Engines(&["tokio-fs"]), AtLeast(8.0)),
        (cached_4k, "IOPS of a driver thread", iops, Engines(&["driver-thread"]), AtLeast(2.5)),
        (cached_64k, "IOPS of std threads", iops, Engines(&["threads"]), AtLeast(0.90)),
        (mixed.clone(), "IOPS of std threads", iops, Engines(&["threads"]), AtLeast(0.85)),
        (mixed, "IOPS of tokio::fs", iops, Engines(&["tokio-fs"]), AtLeast(3.5)),
        (one.clone(), "IOPS of a std thread", iops, Engines(&["threads"]), AtLeast(0.80)),
        (one, "p50 of tokio::fs", p50, Engines(&["tokio-fs"]), AtMost(0.2)),
        (direct.clone(), "IOPS of fio io_uring", iops, Engines(&["fio"]), AtLeast(0.95)),
        (direct.clone(), "CPU per op of spawn_blocking", cpu, Engines(&["spawn-blocking"]), AtMost(0.4)),
        (
            direct.clone(),
            "CPU per op of the best of compio, monoio",
            cpu,
            Engines(&["compio", "monoio"]),
            AtMost(1.5),
        ),
        (direct, "io_uring_enter per op", enters, Nothing, AtMost(0.5)),
        (sequential, "IOPS of the best peer", iops, Engines(&PEERS), AtLeast(0.95)),
        (durable, "IOPS of fio psync", iops, Engines(&["fio"]), AtLeast(0.95)),
    ]
}
