//! What a trace looks like: offset over time, how long sequential runs are, how often a block comes back.
//!
//! Accesses are taken one by one, so a trace of any length needs bounded memory: a random sample of [`POINTS_MAX`] accesses for the map,
//! [`STREAMS_MAX`] ends of runs, and counts of [`BLOCKS_MAX`] blocks. What is beyond a bound is said in the picture.

use super::svg::Chart;
use rustfs_rio_tune::{Access, AccessKind};
use std::collections::HashMap;

/// Accesses in the map; the rest of a longer trace is a fair sample of it.
const POINTS_MAX: usize = 200_000;
/// Runs that are followed at one time.
const STREAMS_MAX: usize = 256;
/// Blocks whose uses are counted, of 4 KiB.
const BLOCKS_MAX: usize = 1 << 20;
const BLOCK: u64 = 4096;
/// Cells of the map.
const COLUMNS: usize = 240;
const ROWS: usize = 120;
/// Classes of run length: up to 4 KiB, 16 KiB and so on, by factors of four.
const RUNS: usize = 9;
/// Classes of use: once, twice, up to 4, 8, 16, more.
const USES: usize = 6;

/// A picture in the making.
#[derive(Debug, Default)]
pub struct Picture {
    seen: u64,
    points: Vec<Access>,
    random: u64,
    bytes: [u64; 2],
    spaces: HashMap<u32, u64>,
    /// Next byte of each run, with the bytes it has so far; the latest used last.
    runs: Vec<(u32, u64, u64)>,
    run_bytes: [u64; RUNS],
    uses: HashMap<(u32, u64), u32>,
    uncounted: u64,
}

impl Picture {
    /// An empty picture.
    #[must_use]
    pub fn new() -> Self {
        Self { random: 0x9E37_79B9_7F4A_7C15, ..Self::default() }
    }

    /// Takes in the next access of the trace.
    pub fn add(&mut self, access: &Access) {
        self.seen += 1;
        let len = u64::from(access.len);
        self.bytes[usize::from(access.kind == AccessKind::Write)] += len;
        if self.spaces.len() < BLOCKS_MAX || self.spaces.contains_key(&access.space) {
            *self.spaces.entry(access.space).or_default() += len;
        }
        self.sample(access);
        self.follow(access);
        for block in access.offset / BLOCK..access.end().div_ceil(BLOCK) {
            if let Some(uses) = self.uses.get_mut(&(access.space, block)) {
                *uses = uses.saturating_add(1);
            } else if self.uses.len() < BLOCKS_MAX {
                self.uses.insert((access.space, block), 1);
            } else {
                self.uncounted += 1;
            }
        }
    }

    /// Reservoir sampling (Vitter 1985, algorithm R), with a fixed seed: the same trace gives the same picture.
    fn sample(&mut self, access: &Access) {
        if self.points.len() < POINTS_MAX {
            self.points.push(*access);
            return;
        }
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let place = (self.random % self.seen) as usize;
        if let Some(point) = self.points.get_mut(place) {
            *point = *access;
        }
    }

    fn follow(&mut self, access: &Access) {
        let continued = |(space, next, _): &(u32, u64, u64)| *space == access.space && *next == access.offset;
        let before = match self.runs.iter().rposition(continued) {
            Some(place) => self.runs.remove(place).2,
            None => 0,
        };
        if self.runs.len() >= STREAMS_MAX {
            let (_, _, bytes) = self.runs.remove(0);
            self.end_run(bytes);
        }
        self.runs.push((access.space, access.end(), before + u64::from(access.len)));
    }

    fn end_run(&mut self, bytes: u64) {
        let class = (bytes.div_ceil(BLOCK).max(1).ilog2().div_ceil(2) as usize).min(RUNS - 1);
        self.run_bytes[class] = self.run_bytes[class].saturating_add(bytes);
    }

    /// The picture; `None` if there was no access.
    #[must_use]
    pub fn draw(mut self, title: &str) -> Option<Chart> {
        let (&space, _) =
            self.spaces.iter().max_by_key(|(space, bytes)| (**bytes, std::cmp::Reverse(**space)))?;
        for (_, _, bytes) in std::mem::take(&mut self.runs) {
            self.end_run(bytes);
        }
        let mut chart = Chart::new(1000, 700, title);
        chart.text("", 10.0, 22.0, "start", title);
        let summary = format!(
            "{} accesses, {} read, {} written, {} {}",
            self.seen,
            size(self.bytes[0]),
            size(self.bytes[1]),
            self.spaces.len(),
            if self.spaces.len() == 1 { "file" } else { "files; the map shows the busiest" }
        );
        chart.text("soft", 10.0, 42.0, "start", &summary);
        self.map(&mut chart, space);
        let all = self.run_bytes.iter().sum::<u64>().max(1) as f64;
        let runs: Vec<(String, f64)> = self
            .run_bytes
            .iter()
            .enumerate()
            .map(|(class, bytes)| (run_label(class), *bytes as f64 / all))
            .collect();
        columns(&mut chart, [60.0, 520.0, 420.0, 130.0], "Bytes by length of their sequential run", &runs);
        let note = if self.uncounted > 0 { ", of the first million blocks" } else { "" };
        columns(
            &mut chart,
            [570.0, 520.0, 410.0, 130.0],
            &format!("Blocks of 4 KiB by how often they were used{note}"),
            &self.reuse(),
        );
        Some(chart)
    }

    fn reuse(&self) -> Vec<(String, f64)> {
        let mut counts = [0u64; USES];
        for uses in self.uses.values() {
            // 1, 2, 3 to 4, 5 to 8 and so on.
            let class = (uses.max(&1) - 1).checked_ilog2().map_or(0, |power| power as usize + 1);
            counts[class.min(USES - 1)] += 1;
        }
        let all = counts.iter().sum::<u64>().max(1) as f64;
        let names = ["1", "2", "3-4", "5-8", "9-16", "more"];
        names.iter().zip(counts).map(|(name, count)| ((*name).to_owned(), count as f64 / all)).collect()
    }

    fn map(&self, chart: &mut Chart, space: u32) {
        const AREA: [f64; 4] = [80.0, 60.0, 900.0, 400.0];
        let [left, top, width, height] = AREA;
        let points = || self.points.iter().filter(move |point| point.space == space);
        let (t_min, t_max) = extent(points().map(|point| point.at_ns));
        let (low, high) = (extent(points().map(|point| point.offset)).0, extent(points().map(Access::end)).1);
        let mut cells = vec![[0u32; 2]; COLUMNS * ROWS];
        for point in points() {
            let column = place(point.at_ns, t_min, t_max, COLUMNS);
            let (first, last) = (
                place(point.offset, low, high, ROWS),
                place(point.end().saturating_sub(1).max(point.offset), low, high, ROWS),
            );
            for row in first..=last {
                if let Some(cell) = cells.get_mut(row * COLUMNS + column) {
                    cell[usize::from(point.kind == AccessKind::Write)] += 1;
                }
            }
        }
        for step in 0..=4 {
            let share = f64::from(step) / 4.0;
            let y = top + height * (1.0 - share);
            chart.line([left, y, left + width, y]);
            chart.text("soft", left - 6.0, y + 4.0, "end", &size(low + ((high - low) as f64 * share) as u64));
            let t = (t_max - t_min) as f64 * share / 1e9;
            chart.text("soft", left + width * share, top + height + 18.0, "middle", &format!("{t:.3} s"));
        }
        let (cell_width, cell_height) = (width / COLUMNS as f64, height / ROWS as f64);
        for (at, counts) in cells.iter().enumerate() {
            let x = left + (at % COLUMNS) as f64 * cell_width;
            let y = top + height - ((at / COLUMNS) + 1) as f64 * cell_height;
            for (class, count) in ["read", "write"].iter().zip(counts) {
                if *count > 0 {
                    let opacity = (0.35 + f64::from(*count).ln_1p() / 6.0).min(1.0);
                    chart.rect(class, [x, y, cell_width.max(1.5), cell_height.max(1.5)], opacity);
                }
            }
        }
        chart.rect("read", [700.0, 33.0, 12.0, 12.0], 1.0);
        chart.text("soft", 718.0, 43.0, "start", "read");
        chart.rect("write", [770.0, 33.0, 12.0, 12.0], 1.0);
        chart.text("soft", 788.0, 43.0, "start", "write; offset over time");
    }
}

fn extent(values: impl Iterator<Item = u64>) -> (u64, u64) {
    let (low, high) = values.fold((u64::MAX, 0), |(low, high), value| (low.min(value), high.max(value)));
    (low.min(high), high)
}

/// The cell of a value; in 128 bits, because offsets and times may be anything.
fn place(value: u64, low: u64, high: u64, cells: usize) -> usize {
    let span = u128::from(high - low) + 1;
    ((u128::from(value.saturating_sub(low)) * cells as u128 / span) as usize).min(cells - 1)
}

fn run_label(class: usize) -> String {
    let label = size(BLOCK << (2 * class));
    if class + 1 == RUNS { format!("over {}", size(BLOCK << (2 * (class - 1)))) } else { label }
}

fn columns(chart: &mut Chart, [left, top, width, height]: [f64; 4], title: &str, values: &[(String, f64)]) {
    chart.text("", left, top - 12.0, "start", title);
    let step = width / values.len().max(1) as f64;
    for (at, (label, share)) in values.iter().enumerate() {
        let x = left + step * at as f64;
        let tall = share * (height - 14.0);
        chart.rect("mark", [x + 2.0, top + height - tall, step - 6.0, tall], 1.0);
        chart.text(
            "soft",
            x + step / 2.0 - 1.0,
            top + height - tall - 3.0,
            "middle",
            &format!("{:.0} %", share * 100.0),
        );
        chart.text("soft", x + step / 2.0 - 1.0, top + height + 15.0, "middle", label);
    }
    chart.line([left, top + height, left + width, top + height]);
}

fn size(bytes: u64) -> String {
    let units = ["B", "K", "M", "G", "T", "P", "E"];
    let mut value = bytes as f64;
    let mut at = 0;
    while value >= 1024.0 && at + 1 < units.len() {
        value /= 1024.0;
        at += 1;
    }
    if value.fract() < 0.05 || value >= 100.0 {
        format!("{value:.0}{}", units[at])
    } else {
        format!("{value:.1}{}", units[at])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(n: u64, offset: u64, kind: AccessKind) -> Access {
        Access { at_ns: n * 1000, space: 1, offset, len: 4096, kind }
    }

    #[test]
    fn a_sequential_trace_is_one_run_used_once() {
        let mut picture = Picture::new();
        (0..1000).for_each(|n| picture.add(&access(n, n * 4096, AccessKind::Read)));
        assert_eq!(picture.reuse()[0].1, 1.0);
        assert_eq!((picture.runs.len(), picture.runs[0].2), (1, 4_096_000));
        let svg = picture.draw("sequential").unwrap().to_svg();
        assert!(svg.contains("1000 accesses, 3.9M read, 0B written, 1 file"), "{}", &svg[..900]);
        assert!(svg.contains("class=\"read\"") && svg.matches("class=\"write\"").count() == 1);
    }

    #[test]
    fn reuse_and_writes_are_seen() {
        let mut picture = Picture::new();
        (0..64).for_each(|n| picture.add(&access(n, (n % 4) * 8192, AccessKind::Write)));
        assert_eq!(picture.reuse()[4], ("9-16".to_owned(), 1.0));
        assert!(picture.draw("hot").unwrap().to_svg().matches("class=\"write\"").count() > 4);
    }

    #[test]
    fn memory_is_bounded_and_extremes_are_drawn() {
        let mut picture = Picture::new();
        let mut offset = 1u64;
        for n in 0..POINTS_MAX as u64 + 1000 {
            offset = offset.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let far =
                Access { at_ns: u64::MAX - n, space: n as u32 % 3, offset, len: 1, kind: AccessKind::Read };
            picture.add(&far);
        }
        assert!(
            picture.points.len() == POINTS_MAX
                && picture.runs.len() <= STREAMS_MAX
                && picture.uses.len() <= BLOCKS_MAX
        );
        let svg = picture.draw("random").unwrap().to_svg();
        assert!(svg.len() < 6 << 20 && !svg.contains("NaN"), "{}", svg.len());
        assert!(Picture::new().draw("nothing").is_none());
    }
}
