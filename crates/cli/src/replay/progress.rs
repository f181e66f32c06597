//! A bar for replays that take longer than two seconds, where standard error is a terminal.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::input::TraceReader;

/// A shorter run needs no bar.
const PATIENCE: Duration = Duration::from_secs(2);
/// Requests between two looks at the clock.
const EVERY: u64 = 4096;

/// Shows how far a trace has been read.
pub(crate) struct Progress {
    bar: ProgressBar,
    began: Instant,
    seen: u64,
    shown: bool,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self { bar: ProgressBar::hidden(), began: Instant::now(), seen: 0, shown: false }
    }

    /// One more request was carried out.
    pub(crate) fn step(&mut self, trace: &TraceReader) {
        self.seen += 1;
        if !self.seen.is_multiple_of(EVERY) || self.began.elapsed() < PATIENCE {
            return;
        }
        let Some((position, bytes)) = trace.progress() else { return };
        if !self.shown {
            self.shown = true;
            self.bar = ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template("{bar:40} {percent}% of the trace, {eta} left") {
                self.bar.set_style(style);
            }
        }
        self.bar.set_position(position);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// A bar for the making of a file of so many bytes.
pub(super) fn preparing(bytes: u64) -> ProgressBar {
    styled(bytes, "{bar:40} {percent}% of the file, {eta} left")
}

/// A bar for so many requests on the device.
pub(super) fn playing(requests: u64) -> ProgressBar {
    styled(requests, "{bar:40} {percent}% of the requests, {eta} left")
}

fn styled(length: u64, template: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr());
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
