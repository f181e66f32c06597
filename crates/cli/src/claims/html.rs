//! `rio claims --html FILE`: promises, figures and bars as one file with charts.

use std::path::Path;

use anyhow::Context;
use rustfs_rio_claims::{Cell, Claim};
use rustfs_rio_dash::report::{Bar, Report as Page, Section, bars};

use crate::bench::machine::Machine;

const HEADS: [&str; 7] = ["figure", "median", "unit", "lowest", "highest", "bar", "met"];

/// Writes the report.
pub(super) fn write(path: &Path, claims: &[Claim], machine: &Machine, quick: bool) -> anyhow::Result<()> {
    let mut page = Page::new("rio claims");
    for line in machine.to_string().lines() {
        page = page.note(line);
    }
    if quick {
        page = page.note("A quick run: short and few repeats, its figures say little.");
    }
    for claim in claims {
        page = page.section(section(claim));
    }
    std::fs::write(path, page.to_html()).with_context(|| format!("cannot write {}", path.display()))
}

fn section(claim: &Claim) -> Section {
    let verdict = if claim.met { "met" } else { "missed" };
    let mut section = Section::new(&format!("{} {}: {verdict}", claim.id, claim.promise)).note(claim.how);
    // Figures of one unit can be compared by length.
    let mut units: Vec<&str> = claim.cells.iter().map(|cell| cell.unit).collect();
    units.sort_unstable();
    units.dedup();
    for unit in units {
        let of_unit = claim.cells.iter().filter(|cell| cell.unit == unit);
        let drawn: Vec<Bar> = of_unit.filter_map(bar).collect();
        if drawn.len() > 1 {
            section = section.chart(bars(if unit.is_empty() { "count" } else { unit }, &drawn));
        }
    }
    section.table(&HEADS, claim.cells.iter().map(row).collect())
}

fn bar(cell: &Cell) -> Option<Bar> {
    let value = cell.value?;
    // What is below zero has no length; its figure stands beside it.
    let bar = Bar::new(&cell.name, value.max(0.0), &format!("{value:.2}"));
    Some(if cell.met == Some(false) { bar.marked() } else { bar })
}

fn row(cell: &Cell) -> Vec<String> {
    let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"));
    let name = match &cell.note {
        Some(note) => format!("{} ({note})", cell.name),
        None => cell.name.clone(),
    };
    let met = cell.met.map_or("", |met| if met { "yes" } else { "NO" });
    let bar = cell.bar.map(|bar| bar.to_string()).unwrap_or_default();
    vec![
        name,
        number(cell.value),
        cell.unit.to_owned(),
        number(cell.low),
        number(cell.high),
        bar,
        met.to_owned(),
    ]
}
