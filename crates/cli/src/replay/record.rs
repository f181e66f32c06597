//! The result of one replay, the same for the simulated and the real one: as a table and as JSON.

use std::fmt::Write as _;

use rustfs_rio_tune::SourceStats;
use serde_json::{Value, json};

use crate::bench::machine::bytes;

/// What one replay came to.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) trace: String,
    pub(crate) format: &'static str,
    pub(crate) simulated: bool,
    pub(crate) predictor: String,
    pub(crate) requests: u64,
    pub(crate) cache_bytes: u64,
    pub(crate) policy: String,
    /// Bytes of one block of the counts that follow.
    pub(crate) block_bytes: u64,
    pub(crate) read_blocks: u64,
    /// In the cache, or on their way to it.
    pub(crate) hit_blocks: u64,
    /// Of the hits, on their way.
    pub(crate) late_blocks: u64,
    pub(crate) prefetch_issued_blocks: u64,
    pub(crate) prefetch_used_blocks: u64,
    pub(crate) device_read_bytes: u64,
    pub(crate) device_write_bytes: u64,
    pub(crate) demand_wait_us_total: f64,
    pub(crate) sources: Vec<SourceStats>,
}

impl Record {
    /// Share of the read blocks that were hits, 0 to 1.
    pub(crate) fn hit_ratio(&self) -> f64 {
        self.hit_blocks as f64 / self.read_blocks.max(1) as f64
    }

    /// Share of the blocks read ahead that were used; `None` if there were none.
    pub(crate) fn used_share(&self) -> Option<f64> {
        let issued = self.prefetch_issued_blocks;
        (issued > 0).then(|| self.prefetch_used_blocks as f64 / issued as f64)
    }

    /// Mean wait of a request, microseconds.
    pub(crate) fn wait_us_mean(&self) -> f64 {
        self.demand_wait_us_total / self.requests.max(1) as f64
    }

    /// One object.
    pub(crate) fn json(&self) -> Value {
        let sources: Vec<Value> = self.sources.iter().map(source_json).collect();
        json!({
            "trace": self.trace,
            "format": self.format,
            "simulated": self.simulated,
            "predictor": self.predictor,
            "requests": self.requests,
            "cache_bytes": self.cache_bytes,
            "policy": self.policy,
            "block_bytes": self.block_bytes,
            "read_blocks": self.read_blocks,
            "hit_blocks": self.hit_blocks,
            "hit_ratio": self.hit_ratio(),
            "late_blocks": self.late_blocks,
            "prefetch_issued_blocks": self.prefetch_issued_blocks,
            "prefetch_used_blocks": self.prefetch_used_blocks,
            "prefetch_used_share": self.used_share(),
            "device_read_bytes": self.device_read_bytes,
            "device_write_bytes": self.device_write_bytes,
            "demand_wait_us_total": self.demand_wait_us_total,
            "predictors": sources,
        })
    }

    /// A table for people.
    pub(crate) fn text(&self) -> String {
        let share = self.used_share().map_or_else(|| "-".to_owned(), |share| format!("{share:.3}"));
        let kind = if self.simulated { "simulated" } else { "real device" };
        let rows = [
            ("trace", format!("{} ({}, {} requests)", self.trace, self.format, self.requests)),
            ("cache", format!("{}, {}, {kind}", bytes(self.cache_bytes), self.policy)),
            ("read blocks", format!("{} of {}", self.read_blocks, bytes(self.block_bytes))),
            (
                "hits",
                format!("{} ({:.4}), {} of them late", self.hit_blocks, self.hit_ratio(), self.late_blocks),
            ),
            ("read ahead", format!("{} blocks by {}", self.prefetch_issued_blocks, self.predictor)),
            ("of these used", format!("{} ({share})", self.prefetch_used_blocks)),
            ("device read", bytes(self.device_read_bytes)),
            ("device written", bytes(self.device_write_bytes)),
            (
                "demand wait",
                format!(
                    "{:.1} ms, {:.1} us per request",
                    self.demand_wait_us_total / 1e3,
                    self.wait_us_mean()
                ),
            ),
        ];
        let mut text = String::new();
        for (name, value) in rows {
            _ = writeln!(text, "{name:<15} {value}");
        }
        for source in self.sources.iter().filter(|source| source.issued_bytes > 0) {
            let known = (source.used_bytes + source.wasted_bytes).max(1);
            let share = source.used_bytes as f64 / known as f64;
            let (issued, late) = (bytes(source.issued_bytes), bytes(source.late_bytes));
            _ = writeln!(text, "  {:<13} issued {issued}, used {share:.3}, late {late}", source.name);
        }
        text
    }
}

fn source_json(source: &SourceStats) -> Value {
    json!({
        "name": source.name,
        "issued_bytes": source.issued_bytes,
        "used_bytes": source.used_bytes,
        "late_bytes": source.late_bytes,
        "wasted_bytes": source.wasted_bytes,
        "dropped_bytes": source.dropped_bytes,
        "ghosts": source.ghosts,
        "use_min": source.bar,
    })
}

/// Records side by side, the best first: by time waited, then by bytes read.
pub(crate) fn leaderboard(records: &mut [Record]) -> String {
    rank(records);
    let mut text = format!(
        "{:<4} {:<12} {:>9} {:>11} {:>9} {:>13} {:>12} {:>12}\n",
        "rank", "predictor", "hit ratio", "read ahead", "used", "device read", "extra reads", "wait ms"
    );
    let without = records.iter().find(|record| record.predictor == super::args::NONE);
    let base = without.map_or(0, |record| record.device_read_bytes);
    for (at, record) in records.iter().enumerate() {
        let used = record.used_share().map_or_else(|| "-".to_owned(), |share| format!("{share:.3}"));
        let extra = record.device_read_bytes as f64 / base.max(1) as f64 - 1.0;
        _ = writeln!(
            text,
            "{:<4} {:<12} {:>9.4} {:>11} {:>9} {:>13} {:>11.2}% {:>12.1}",
            at + 1,
            record.predictor,
            record.hit_ratio(),
            record.prefetch_issued_blocks,
            used,
            bytes(record.device_read_bytes),
            extra * 100.0,
            record.demand_wait_us_total / 1e3,
        );
    }
    text
}

/// Orders records as the leaderboard does.
pub(crate) fn rank(records: &mut [Record]) {
    records.sort_by(|one, other| {
        let waits = one.demand_wait_us_total.total_cmp(&other.demand_wait_us_total);
        waits.then(one.device_read_bytes.cmp(&other.device_read_bytes))
    });
}
