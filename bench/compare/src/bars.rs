//! The bars that Rio has to reach beside other engines, each checked on the runs of this program.

use std::io::{self, Write};
use std::time::Duration;

use rustfs_rio_load::{KIB, MIB, Outcome, Report, Workload};
use serde_json::{Value, json};

/// Engines that a program could use instead of Rio; the floors (threads, bare ring) and fio are none.
const PEERS: [&str; 7] =
    ["compio", "monoio", "tokio-uring", "glommio", "driver-thread", "spawn-blocking", "tokio-fs"];

/// The engine whose cost at rest has a bar.
pub const IDLE_SUBJECT: &str = "rio-auto";
/// How long it rests.
pub const IDLE_TIME: Duration = Duration::from_secs(10);

type Figure = fn(&Outcome) -> Option<f64>;

/// What a figure is held against.
#[derive(Debug, Clone, Copy)]
enum Bound {
    AtLeast(f64),
    AtMost(f64),
    Below(f64),
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
            Bound::Below(bar) => figure < bar,
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
            Self::Below(bar) => format!("< {bar}"),
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
                    Bound::AtMost(_) | Bound::Below(_) => ratios.max_by(f64::total_cmp),
                }
            }
        };
        Bar { name: format!("{}: {what}", workload.name()), figure: value, bound }
    });
    bars.collect()
}

/// The bar of an engine at rest, from its share of one processor.
pub fn idle(share: f64) -> Bar {
    let name = format!("at rest for {IDLE_TIME:?}: % of one CPU");
    Bar { name, figure: Some(share * 100.0), bound: Bound::Below(0.1) }
}

/// Writes the bars as a table.
pub fn write(bars: &[Bar], subject: &str, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "Bars for {subject} (medians of ratios within one repeat)")?;
    let width = bars.iter().map(|bar| bar.name.len()).max().unwrap_or(0);
    for bar in bars {
        let figure = bar.figure.map_or_else(
            || "-".to_owned(),
            |figure| match figure {
                small if small < 0.1 => format!("{small:.4}"),
                figure => format!("{figure:.2}"),
            },
        );
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

#[cfg(test)]
mod tests {
    use super::*;
    use rustfs_rio_load::Measurement;

    fn report(figures: &[(&str, f64, f64)]) -> Report {
        let runs = workloads().into_iter().flat_map(|workload| {
            figures.iter().map(move |(engine, iops, cost)| Measurement {
                workload: workload.clone(),
                engine: (*engine).into(),
                repeat: 0,
                outcome: Outcome {
                    iops: *iops,
                    cpu_us_per_op: *cost,
                    p50_us: *cost,
                    enters_per_op: Some(*cost / 10.0),
                    ..Outcome::default()
                },
            })
        });
        Report { runs: runs.collect(), ..Report::default() }
    }

    fn bar<'a>(bars: &'a [Bar], name: &str) -> &'a Bar {
        bars.iter().find(|bar| bar.name.ends_with(name)).unwrap_or_else(|| panic!("no bar {name}"))
    }

    #[test]
    fn every_bar_has_a_name_of_its_own_and_is_open_without_runs() {
        let bars = check(&Report::default(), "rio-auto");
        let names: std::collections::HashSet<&str> = bars.iter().map(|bar| bar.name.as_str()).collect();
        assert_eq!(names.len(), bars.len());
        assert!(bars.iter().all(|bar| bar.is_met().is_none()));
    }

    #[test]
    fn the_best_of_several_engines_counts_and_the_subject_is_not_among_them() {
        let report = report(&[
            ("rio-auto", 94.0, 3.0),
            ("compio", 100.0, 2.5),
            ("monoio", 50.0, 1.5),
            ("spawn-blocking", 10.0, 8.0),
        ]);
        let bars = check(&report, "rio-auto");
        let peer = bar(&bars, "IOPS of the best peer");
        assert_eq!((peer.figure, peer.is_met()), (Some(0.94), Some(false)));
        let cost = bar(&bars, "CPU per op of the best of compio, monoio");
        assert_eq!((cost.figure, cost.is_met()), (Some(2.0), Some(false)));
        assert_eq!(bar(&bars, "CPU per op of spawn_blocking").is_met(), Some(true));
        assert_eq!(bar(&bars, "io_uring_enter per op").figure, Some(0.3));
        assert_eq!(bar(&bars, "IOPS of fio psync").is_met(), None);
        // A peer is held against the others, not against itself.
        assert_eq!(bar(&check(&report, "compio"), "IOPS of the best peer").figure, Some(2.0));
    }

    #[test]
    fn a_figure_at_its_bar_is_met_unless_it_has_to_stay_below() {
        let met = |figure, bound| Bar { name: String::new(), figure: Some(figure), bound }.is_met();
        assert_eq!(met(0.9, Bound::AtLeast(0.9)), Some(true));
        assert_eq!(met(0.8999, Bound::AtLeast(0.9)), Some(false));
        assert_eq!(met(0.4, Bound::AtMost(0.4)), Some(true));
        assert_eq!(met(0.4001, Bound::AtMost(0.4)), Some(false));
        assert_eq!((idle(0.0009).is_met(), idle(0.001).is_met()), (Some(true), Some(false)));
    }

    #[test]
    fn the_table_tells_met_missed_and_open() {
        let report = report(&[("rio-auto", 89.0, 1.0), ("threads", 100.0, 1.0)]);
        let mut text = Vec::new();
        write(&check(&report, "rio-auto"), "rio-auto", &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        let line = |name: &str| text.lines().find(|line| line.contains(name)).unwrap().to_owned();
        assert!(
            line("rand-read-4k-cached-32: IOPS of std threads").ends_with("0.89  >= 0.9    MISSED"),
            "{text}"
        );
        assert!(line("rand-mix70-64k-cached-32: IOPS of std threads").ends_with("met"), "{text}");
        assert!(line("IOPS of fio psync").ends_with("not measured"), "{text}");
    }
}
