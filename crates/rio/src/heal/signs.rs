//! What is looked at.

use crate::runtime::RuntimeHandle;
use rustfs_rio_buf::{Pressure, PressureGauge};
use rustfs_rio_monitor::SystemSample;
use tokio::time::Instant;

/// One look.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Signs {
    /// Operations in flight now, and completed since the engine was made.
    pub(super) in_flight: u64,
    pub(super) completed: u64,
    /// Mean time in the engine of the operations since the last look, by Little's law; `None` without any.
    pub(super) mean_seconds: Option<f64>,
    pub(super) latched_devices: usize,
    pub(super) broken_rings: usize,
    /// Operations refused since the engine was made.
    pub(super) shed: u64,
    /// Files poisoned since the engine was made.
    pub(super) poisoned: u64,
    pub(super) memory_is_short: bool,
    /// Open files as a share of what is allowed.
    pub(super) descriptors_share: Option<f64>,
    /// A nearly full disk, in words.
    pub(super) full_disk: Option<String>,
}

/// Looks.
pub(super) struct Sensors {
    base: RuntimeHandle,
    gauge: PressureGauge,
    before: Option<(Instant, u64, u64)>,
}

impl Sensors {
    pub(super) fn new(base: RuntimeHandle) -> Self {
        Self { base, gauge: PressureGauge::new(), before: None }
    }

    /// Takes a look. What asks a file system is asked on a thread, because a hung device may not answer.
    pub(super) async fn look(&mut self) -> Signs {
        let stats = self.base.stats();
        let completed = stats.delivered + stats.reclaimed;
        let now = Instant::now();
        let before = self.before.replace((now, completed, stats.in_flight));
        let mean_seconds = before.and_then(|(at, done, in_flight)| {
            let (new, seconds) = (completed - done, now.saturating_duration_since(at).as_secs_f64());
            (new > 0).then(|| (stats.in_flight + in_flight) as f64 / 2.0 * seconds / new as f64)
        });
        let system = SystemSample::read();
        self.base.places().look().await;
        Signs {
            in_flight: stats.in_flight,
            completed,
            mean_seconds,
            latched_devices: stats.latched_devices,
            broken_rings: stats.broken_rings,
            shed: stats.shed_ops,
            poisoned: stats.poisoned_files,
            memory_is_short: self.gauge.read() != Pressure::None,
            descriptors_share: system.open_files_share(),
            full_disk: self.base.places().full(),
        }
    }
}
