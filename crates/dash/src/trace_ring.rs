//! Spans and events of the last seconds, for `chrome://tracing` and <https://ui.perfetto.dev>.
//!
//! A layer for a `tracing` subscriber. It keeps a bounded number of records and forgets the oldest, so it can stay on; what it costs is a
//! short lock and a line of text per span or event that the subscriber lets through.

use parking_lot::Mutex;
use serde::Serialize;
use std::collections::VecDeque;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Instant;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// Records kept: some 4 MiB at most.
const RECORDS_MAX: usize = 16_384;
/// Bytes of a record's fields; the rest is cut off.
const FIELDS_MAX: usize = 256;

/// One entry of the trace event format.
#[derive(Debug, Clone, Serialize)]
struct Record {
    name: &'static str,
    cat: &'static str,
    /// `X` is a span that is complete, `i` an event.
    ph: char,
    /// Microseconds since the ring was made.
    ts: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    dur: Option<u64>,
    pid: u32,
    tid: u64,
    args: Args,
}

#[derive(Debug, Clone, Serialize)]
struct Args {
    #[serde(skip_serializing_if = "String::is_empty")]
    fields: String,
}

#[derive(Debug)]
struct Inner {
    records: Mutex<VecDeque<Record>>,
    started: Instant,
}

/// The ring. Clones are the same one: one goes into the subscriber, one to the dashboard.
#[derive(Debug, Clone)]
pub struct TraceRing {
    inner: Arc<Inner>,
}

impl Default for TraceRing {
    fn default() -> Self {
        Self::new()
    }
}

impl TraceRing {
    /// An empty ring.
    #[must_use]
    pub fn new() -> Self {
        Self { inner: Arc::new(Inner { records: Mutex::default(), started: Instant::now() }) }
    }

    /// What it holds, in the trace event format.
    #[must_use]
    pub fn chrome_json(&self) -> String {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Trace<'a> {
            trace_events: &'a [Record],
            display_time_unit: &'static str,
        }
        let records: Vec<Record> = self.inner.records.lock().iter().cloned().collect();
        let trace = Trace { trace_events: &records, display_time_unit: "ms" };
        serde_json::to_string(&trace).unwrap_or_default()
    }

    /// Spans and events in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner.records.lock().len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn micros(&self) -> u64 {
        u64::try_from(self.inner.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn push(&self, metadata: &tracing::Metadata<'static>, began: u64, span: bool, fields: String) {
        let record = Record {
            name: metadata.name(),
            cat: metadata.target(),
            ph: if span { 'X' } else { 'i' },
            ts: began,
            dur: span.then(|| self.micros().saturating_sub(began)),
            pid: std::process::id(),
            tid: thread_number(),
            args: Args { fields },
        };
        let mut records = self.inner.records.lock();
        if records.len() >= RECORDS_MAX {
            records.pop_front();
        }
        records.push_back(record);
    }
}

/// A small number per thread; the standard library does not tell its own.
fn thread_number() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(1);
    thread_local! {
        static NUMBER: u64 = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    NUMBER.with(|number| *number)
}

/// Kept in a span from its beginning to its end.
struct Begun {
    at: u64,
    fields: String,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for TraceRing {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields(String::new());
            attributes.record(&mut fields);
            span.extensions_mut().insert(Begun { at: self.micros(), fields: fields.0 });
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        if let Some(span) = context.span(&id)
            && let Some(begun) = span.extensions_mut().remove::<Begun>()
        {
            self.push(span.metadata(), begun.at, true, begun.fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields(String::new());
        event.record(&mut fields);
        self.push(event.metadata(), self.micros(), false, fields.0);
    }
}

struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if self.0.len() < FIELDS_MAX {
            let gap = if self.0.is_empty() { "" } else { " " };
            // Writing to a string does not fail.
            _ = write!(self.0, "{gap}{}={value:?}", field.name());
            let mut end = self.0.len().min(FIELDS_MAX);
            while !self.0.is_char_boundary(end) {
                end -= 1;
            }
            self.0.truncate(end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::layer::SubscriberExt;

    #[test]
    fn spans_and_events_become_a_chrome_trace() {
        let ring = TraceRing::new();
        let subscriber = tracing_subscriber::registry().with(ring.clone());
        tracing::subscriber::with_default(subscriber, || {
            let span = tracing::info_span!("read", offset = 4096);
            span.in_scope(|| tracing::info!(bytes = 7, "done"));
        });
        let trace: serde_json::Value = serde_json::from_str(&ring.chrome_json()).unwrap();
        let events = trace["traceEvents"].as_array().unwrap();
        assert_eq!(
            (events.len(), events[0]["ph"].as_str(), events[1]["ph"].as_str()),
            (2, Some("i"), Some("X"))
        );
        assert_eq!(events[1]["args"]["fields"], "offset=4096");
        assert!(events[1]["dur"].is_u64() && events[0]["ts"].as_u64() >= events[1]["ts"].as_u64());
    }

    #[test]
    fn memory_is_bounded() {
        let ring = TraceRing::new();
        let subscriber = tracing_subscriber::registry().with(ring.clone());
        tracing::subscriber::with_default(subscriber, || {
            (0..RECORDS_MAX + 10).for_each(|n| tracing::info!(n, text = "é".repeat(1000), "event"));
        });
        assert_eq!(ring.len(), RECORDS_MAX);
        assert!(ring.inner.records.lock().iter().all(|record| record.args.fields.len() <= FIELDS_MAX));
    }
}
