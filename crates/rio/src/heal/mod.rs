//! Self-healing: what can go wrong around the engine, what is done about it at once, and how it ends.
//!
//! | trouble | seen by | reaction | recovery |
//! |---|---|---|---|
//! | ring fails | latched devices, broken rings | the engine serves the device by threads and probes back | no latch, no broken ring |
//! | slow device | mean latency ten times the usual and above 100 ms, for 3 looks | operations in flight halved, down to 32 | 5 looks below three times the usual; the bound is restored |
//! | hung device | operations in flight and none completed for 5 s | as for a slow device | completions |
//! | overload | operations refused at admission | the engine sheds load with [`Refusal::Overloaded`](crate::Refusal) | 5 looks without a refusal |
//! | memory pressure | PSI, control group | idle buffers and the block cache go | pressure is over for 5 looks |
//! | descriptors run out | 90 % of the limit in use | the soft limit is raised to the hard one | below 80 % |
//! | disk nearly full | less than 2 % and 1 GiB free where files were created | files are not created there any more ([`StorageFull`](std::io::ErrorKind::StorageFull)) | 3 % or 1.5 GiB free |
//! | poisoned file | a failed sync | the engine refuses writes and syncs of the file | 60 s without another |
//!
//! The switch is [`AdvancedRioConfig::enable_self_healing`](crate::AdvancedRioConfig::enable_self_healing); the engine's own reactions (threads
//! for a ring that fails, refusals at admission and of poisoned files) are not behind it.
//!
//! A callback that panics is not called again (`monitor`). Each begin and end is an event, an alert to the monitor's callbacks and
//! sinks, and visible through [`EnhancedRioRuntime::troubles`](crate::EnhancedRioRuntime::troubles).
//!
//! Modules: `signs`, what is looked at; `diagnosis`, when trouble begins and ends, without clock or I/O; `reaction`, what is done;
//! `places`, directories that files were created in.

mod diagnosis;
mod places;
mod reaction;
mod signs;
#[cfg(test)]
mod tests;

pub use diagnosis::{Ailment, Trouble};
pub(crate) use places::Places;

use crate::buffers::AdvancedBufferPool;
use crate::error::RuntimeError;
use crate::monitor::AlertSender;
use crate::owned_task::{Ended, OwnedTask};
use crate::runtime::RuntimeHandle;
use diagnosis::Diagnosis;
use parking_lot::Mutex;
use reaction::Reaction;
use signs::Sensors;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior};

/// Time between two looks. One costs some 100 us, most of it for `/proc`.
const LOOK: Duration = Duration::from_secs(1);

/// Looks and reacts until it is ended.
pub(crate) struct Healer {
    task: OwnedTask,
    open: Arc<Mutex<Vec<Trouble>>>,
}

impl Healer {
    pub(crate) fn start(
        base: &RuntimeHandle,
        pool: Option<&AdvancedBufferPool>,
        alerts: Option<AlertSender>,
        look: Option<Duration>,
    ) -> Result<Self, RuntimeError> {
        let open = Arc::new(Mutex::new(Vec::new()));
        let ward = Ward {
            sensors: Sensors::new(base.clone()),
            diagnosis: Diagnosis::default(),
            reaction: Reaction::new(base.clone(), pool.cloned()),
            alerts,
            open: Arc::clone(&open),
            base: base.clone(),
        };
        base.places().watch(true);
        let look = look.unwrap_or(LOOK);
        let task = OwnedTask::start("healer", move |ended| ward.run(look, ended))?;
        Ok(Self { task, open })
    }

    pub(crate) fn troubles(&self) -> Vec<Trouble> {
        self.open.lock().clone()
    }

    pub(crate) async fn end(&self, deadline: Instant) -> bool {
        self.task.end(deadline).await
    }
}

struct Ward {
    sensors: Sensors,
    diagnosis: Diagnosis,
    reaction: Reaction,
    alerts: Option<AlertSender>,
    open: Arc<Mutex<Vec<Trouble>>>,
    base: RuntimeHandle,
}

impl Drop for Ward {
    /// However the task ended: what only lasts as long as somebody looks is over.
    fn drop(&mut self) {
        self.reaction.undo();
        self.base.places().watch(false);
        self.open.lock().clear();
    }
}

impl Ward {
    async fn run(mut self, look: Duration, mut ended: Ended) {
        let started = Instant::now();
        let mut ticks = tokio::time::interval_at(started + look, look);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = ended.wait() => return,
            }
            let signs = self.sensors.look().await;
            let changes = self.diagnosis.examine(started.elapsed(), &signs);
            *self.open.lock() = self.diagnosis.open();
            self.reaction.act(&self.diagnosis.open(), &changes);
            for change in &changes {
                report(change);
                if let Some(alerts) = &self.alerts {
                    alerts.send(&change.as_alert());
                }
            }
        }
    }
}

fn report(change: &diagnosis::Change) {
    let trouble = change.trouble();
    let (ailment, evidence, reaction) =
        (trouble.ailment.name(), &trouble.evidence, trouble.ailment.reaction());
    match change {
        diagnosis::Change::Began(_) => tracing::warn!(ailment, %evidence, reaction, "trouble began"),
        diagnosis::Change::Ended(_) => tracing::info!(ailment, "trouble is over"),
    }
}
