//! Figures held against bars.

use std::fmt::Write;

use rustfs_rio_load::{Outcome, Report, Workload};
use serde::Serialize;
use serde_json::{Value, json};

use crate::Promise;

/// What a figure has to reach.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bar {
    /// This much or more.
    AtLeast(f64),
    /// This much or less.
    AtMost(f64),
}

impl Bar {
    fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtLeast(bar) => value >= bar,
            Self::AtMost(bar) => value <= bar,
        }
    }
}

impl std::fmt::Display for Bar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AtLeast(bar) => write!(f, ">= {bar}"),
            Self::AtMost(bar) => write!(f, "<= {bar}"),
        }
    }
}

impl Serialize for Bar {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One figure. `name`, `value`, `unit`, `bar` and `met` are a contract with the readers of the JSON.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cell {
    /// What was measured.
    pub name: String,
    /// The median; `None` where it could not be measured.
    pub value: Option<f64>,
    /// Its unit.
    pub unit: &'static str,
    /// What it has to reach; `None` for a figure that is only told.
    pub bar: Option<Bar>,
    /// Whether it does. A bar without a value is not met.
    pub met: Option<bool>,
    /// The lowest of the repeats.
    pub low: Option<f64>,
    /// The highest of the repeats.
    pub high: Option<f64>,
    /// Why there is no value, or what to know about it.
    pub note: Option<String>,
}

impl Cell {
    /// The median of `values`, held against a bar.
    pub fn new(name: impl Into<String>, unit: &'static str, bar: Bar, values: Vec<f64>) -> Self {
        let mut cell = Self::told(name, unit, values);
        cell.bar = Some(bar);
        cell.met = Some(cell.value.is_some_and(|value| bar.is_met(value)));
        if cell.value.is_none() {
            cell.note = Some("not measured".to_owned());
        }
        cell
    }

    /// The median of `values`, without a bar.
    pub fn told(name: impl Into<String>, unit: &'static str, mut values: Vec<f64>) -> Self {
        values.retain(|value| value.is_finite());
        values.sort_by(f64::total_cmp);
        let upper = values.get(values.len() / 2);
        let lower = values.get(values.len().saturating_sub(1) / 2);
        let value = upper.zip(lower).map(|(upper, lower)| (upper + lower) / 2.0);
        let (low, high) = (values.first().copied(), values.last().copied());
        Self { name: name.into(), value, unit, bar: None, met: None, low, high, note: None }
    }

    /// With a remark.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }
}

/// A promise and what was measured of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Claim {
    /// C1 to C12.
    pub id: &'static str,
    /// The promise in words.
    pub promise: &'static str,
    /// Whether every cell with a bar meets it.
    pub met: bool,
    /// How it was measured.
    pub how: &'static str,
    /// The figures.
    pub cells: Vec<Cell>,
}

impl Claim {
    pub(crate) fn new(promise: &Promise, cells: Vec<Cell>) -> Self {
        let met =
            cells.iter().any(|cell| cell.met.is_some()) && cells.iter().all(|cell| cell.met != Some(false));
        Self { id: promise.id, promise: promise.text, met, how: promise.how, cells }
    }

    /// A claim whose measurement failed as a whole.
    #[must_use]
    pub fn failed(promise: &Promise, reason: &str) -> Self {
        let cell = Cell { met: Some(false), ..Cell::told("measurement", "", Vec::new()).note(reason) };
        Self::new(promise, vec![cell])
    }

    /// As a table for people.
    #[must_use]
    pub fn table(&self) -> String {
        let verdict = if self.met { "met" } else { "MISSED" };
        let mut text = format!("{} {}: {verdict}\n   {}\n", self.id, self.promise, self.how);
        let width = self.cells.iter().map(|cell| cell.name.len()).max().unwrap_or(0);
        for cell in &self.cells {
            let value = cell.value.map_or_else(|| "-".to_owned(), figure);
            let spread = match (cell.low, cell.high) {
                (Some(low), Some(high)) if low < high => format!("({}-{})", figure(low), figure(high)),
                _ => String::new(),
            };
            let bar = cell.bar.map(|bar| bar.to_string()).unwrap_or_default();
            let met = cell.met.map_or("", |met| if met { "met" } else { "MISSED" });
            let note = cell.note.as_deref().map(|note| format!("  {note}")).unwrap_or_default();
            // Writing to a string does not fail.
            _ = writeln!(
                text,
                "   {:<width$}  {value:>9} {:<9} {spread:<19} {bar:<8} {met:<6}{note}",
                cell.name, cell.unit
            );
        }
        text
    }
}

/// A number with three significant digits or so.
fn figure(value: f64) -> String {
    match value.abs() {
        large if large >= 1000.0 => format!("{value:.0}"),
        middle if middle >= 100.0 => format!("{value:.1}"),
        small if small >= 0.095 || small == 0.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

/// Every single run behind the figures.
#[derive(Debug, Clone, Default)]
pub struct Raw(Vec<Value>);

impl Raw {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn add(&mut self, value: Value) {
        self.0.push(value);
    }

    pub(crate) fn runs(&mut self, report: &Report) {
        for run in &report.runs {
            self.add(json!({
                "workload": run.workload.name(),
                "engine": run.engine,
                "repeat": run.repeat,
                "outcome": run.outcome,
            }));
        }
    }

    /// All of them, in the order they were made.
    #[must_use]
    pub fn into_json(self) -> Value {
        Value::Array(self.0)
    }
}

/// Whether nothing was found wrong with a run. Programs from outside cannot check what they read.
pub(crate) fn is_right(outcome: &Outcome) -> bool {
    outcome.errors == 0 && outcome.corrupt == 0
}

/// The figure of `engine` divided by that of `base`, for each repeat. A run with wrong bytes has no figure.
pub(crate) fn ratios(
    report: &Report,
    workload: &Workload,
    engine: &str,
    base: &str,
    figure: fn(&Outcome) -> Option<f64>,
) -> Vec<f64> {
    let of = |name: &str, repeat: usize| {
        let mut runs = report.runs.iter();
        let run = runs.find(|run| run.engine == name && run.repeat == repeat && run.workload == *workload)?;
        is_right(&run.outcome).then_some(&run.outcome).and_then(figure)
    };
    let repeats = report.runs.iter().map(|run| run.repeat + 1).max().unwrap_or(0);
    let pair = |repeat| Some((of(engine, repeat)?, of(base, repeat).filter(|base| *base > 0.0)?));
    (0..repeats).filter_map(pair).map(|(ours, theirs)| ours / theirs).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROMISE: Promise = crate::PROMISES[0];

    #[test]
    fn a_cell_is_the_median_with_its_spread() {
        let cell = Cell::new("x", "times", Bar::AtLeast(2.0), vec![3.0, 1.0, 2.0, f64::NAN]);
        assert_eq!(
            (cell.value, cell.low, cell.high, cell.met),
            (Some(2.0), Some(1.0), Some(3.0), Some(true))
        );
        let cell = Cell::new("x", "times", Bar::AtMost(2.0), vec![2.0, 3.0]);
        assert_eq!((cell.value, cell.met), (Some(2.5), Some(false)));
    }

    #[test]
    fn what_was_not_measured_is_not_met() {
        let cell = Cell::new("x", "times", Bar::AtLeast(2.0), Vec::new());
        assert_eq!((cell.value, cell.met), (None, Some(false)));
        assert!(!Claim::new(&PROMISE, vec![cell]).met);
        assert!(!Claim::new(&PROMISE, Vec::new()).met);
        assert!(!Claim::failed(&PROMISE, "no disk").met);
    }

    #[test]
    fn figures_without_a_bar_decide_nothing() {
        let cells =
            vec![Cell::told("a", "us", vec![1.0]), Cell::new("b", "times", Bar::AtLeast(1.0), vec![1.0])];
        let claim = Claim::new(&PROMISE, cells);
        assert!(claim.met);
        let json = serde_json::to_value(&claim).unwrap();
        assert_eq!(json["cells"][1]["bar"], ">= 1");
        assert_eq!(json["cells"][1]["met"], true);
        assert_eq!(json["id"], "C1");
    }

    #[test]
    fn the_table_says_what_was_missed() {
        let cells = vec![Cell::new("b", "times", Bar::AtLeast(2.0), vec![1.0, 1.5]).note("why")];
        let text = Claim::new(&PROMISE, cells).table();
        assert!(text.starts_with("C1 3-7x mixed throughput: MISSED\n"), "{text}");
        assert!(
            text.contains("1.25 times") && text.contains("(1.00-1.50)") && text.contains("MISSED  why"),
            "{text}"
        );
    }

    #[test]
    fn a_run_with_wrong_bytes_has_no_figure() {
        let workload = Workload::random(4096, 1);
        let mut report = Report::default();
        for (repeat, (ours, corrupt)) in [(10.0, 0), (100.0, 1)].into_iter().enumerate() {
            for (engine, iops) in [("ours", ours), ("theirs", 5.0)] {
                let outcome = Outcome { iops, corrupt, ..Outcome::default() };
                report.runs.push(rustfs_rio_load::Measurement {
                    workload: workload.clone(),
                    engine: engine.into(),
                    repeat,
                    outcome,
                });
            }
        }
        let found = ratios(&report, &workload, "ours", "theirs", |outcome| Some(outcome.iops));
        assert_eq!(found, [2.0]);
    }
}
