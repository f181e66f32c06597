//! A chrome trace of a run: every operation of the engine as a bar, for `chrome://tracing` and Perfetto.
//!
//! The format is the JSON array form of the Trace Event Format; operations are pairs of asynchronous events (`b` and `e`), because those of
//! one thread overlap. Its closing bracket may be absent, so a trace of a killed process opens too.

use parking_lot::Mutex;
use rustfs_rio_engine::TRACE_TARGET;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use tracing::field::{Field, Visit};
use tracing::span;

/// A subscriber of `tracing` that writes the engine's operations to a file and ignores all else. Clones write to the same file.
///
/// Each operation takes a lock and some 200 bytes; install it for a run that is to be looked at, not for a service.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let trace = rustfs_rio::monitor::ChromeTrace::create("run.json".as_ref(), 1_000_000)?;
/// tracing::subscriber::set_global_default(trace.clone())?;
/// // ... the run ...
/// let dropped = trace.finish()?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct ChromeTrace {
    inner: Arc<Inner>,
}

struct Inner {
    out: Mutex<Option<BufWriter<File>>>,
    started: Instant,
    next: AtomicU64,
    operations_max: u64,
    failure: Mutex<Option<io::Error>>,
}

impl ChromeTrace {
    /// Begins a file, replacing what is there. Operations beyond `operations_max` are counted and left out.
    ///
    /// # Errors
    ///
    /// Those of creating and writing the file.
    pub fn create(path: &Path, operations_max: u64) -> io::Result<Self> {
        let mut out = BufWriter::with_capacity(1 << 16, File::create(path)?);
        out.write_all(b"[\n")?;
        let inner = Inner {
            out: Mutex::new(Some(out)),
            started: Instant::now(),
            next: AtomicU64::new(0),
            operations_max,
            failure: Mutex::new(None),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Ends the file and returns how many operations were left out. Later operations are ignored.
    ///
    /// # Errors
    ///
    /// The first error of writing.
    pub fn finish(&self) -> io::Result<u64> {
        let Some(mut out) = self.inner.out.lock().take() else { return Ok(0) };
        if let Some(error) = self.inner.failure.lock().take() {
            return Err(error);
        }
        // Every event before ends with a comma.
        out.write_all(b"{\"name\":\"end\",\"ph\":\"i\",\"ts\":0,\"pid\":1,\"tid\":1,\"s\":\"g\"}\n]\n")?;
        out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        Ok(self.inner.next.load(Ordering::Relaxed).saturating_sub(self.inner.operations_max))
    }

    fn write(&self, operation: &Seen) {
        let id = self.inner.next.fetch_add(1, Ordering::Relaxed);
        if id >= self.inner.operations_max {
            return;
        }
        let end = self.inner.started.elapsed().as_secs_f64() * 1e6;
        let start = (end - operation.latency_us).max(0.0);
        let (name, path) = (operation.name, operation.path);
        let common =
            format!("\"name\":\"{name}\",\"cat\":\"{path}\",\"id\":{id},\"pid\":1,\"tid\":\"{path}\"");
        let (bytes, mbps) = (operation.buffer_size, operation.throughput_mbps);
        let lines = format!(
            "{{{common},\"ph\":\"b\",\"ts\":{start:.3},\"args\":{{\"buffer_size\":{bytes},\"throughput_mbps\":{mbps:.3}}}}},\n\
             {{{common},\"ph\":\"e\",\"ts\":{end:.3}}},\n"
        );
        let mut out = self.inner.out.lock();
        if let Some(file) = out.as_mut()
            && let Err(error) = file.write_all(lines.as_bytes())
        {
            self.inner.failure.lock().get_or_insert(error);
        }
    }
}

/// The fields of an operation's event.
#[derive(Default)]
struct Seen {
    name: &'static str,
    path: &'static str,
    latency_us: f64,
    throughput_mbps: f64,
    buffer_size: u64,
}

impl Visit for Seen {
    fn record_f64(&mut self, field: &Field, value: f64) {
        match field.name() {
            "latency_us" => self.latency_us = value,
            "throughput_mbps" => self.throughput_mbps = value,
            _ => {}
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "buffer_size" {
            self.buffer_size = value;
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        use rustfs_rio_monitor::{Operation, Path};
        match field.name() {
            "operation" => {
                let names = Operation::ALL.iter().map(|operation| operation.name());
                self.name = names.into_iter().find(|name| *name == value).unwrap_or("other");
            }
            "path" => {
                let names = Path::ALL.iter().map(|path| path.name());
                self.path = names.into_iter().find(|name| *name == value).unwrap_or("other");
            }
            _ => {}
        }
    }

    fn record_debug(&mut self, _field: &Field, _value: &dyn std::fmt::Debug) {}
}

impl tracing::Subscriber for ChromeTrace {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target() == TRACE_TARGET
    }

    fn new_span(&self, _attributes: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _span: &span::Id, _values: &span::Record<'_>) {}

    fn record_follows_from(&self, _span: &span::Id, _follows: &span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut seen = Seen::default();
        event.record(&mut seen);
        self.write(&seen);
    }

    fn enter(&self, _span: &span::Id) {}

    fn exit(&self, _span: &span::Id) {}
}

impl std::fmt::Debug for ChromeTrace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChromeTrace").field("operations", &self.inner.next).finish_non_exhaustive()
    }
}
