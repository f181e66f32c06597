//! The task behind the optimizer: looks at accesses, decides once a period, and keeps what was learnt.

use super::observe::{Files, Observer, Window};
use crate::config::AdvancedRioConfig;
use crate::error::RuntimeError;
use crate::optimizer::{PredictiveOptimizer, load_learnt_state, save_learnt_state};
use crate::owned_task::{Ended, OwnedTask};
use crate::runtime::RuntimeHandle;
use rustfs_rio_tune::{DecisionId, DecisionState};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior};

/// Shortest time between two looks; one with nothing new costs a microsecond.
const LOOK_MIN: Duration = Duration::from_millis(10);
/// How often what was learnt goes to its file.
const SAVE_EACH: Duration = Duration::from_secs(60);
/// Decisions whose fate is still reported.
const WATCHED_MAX: usize = 64;

pub(super) fn start(
    optimizer: PredictiveOptimizer,
    base: &RuntimeHandle,
    config: &AdvancedRioConfig,
) -> Result<OwnedTask, RuntimeError> {
    let Some(recorder) = base.config().recorder.clone() else {
        return Err(RuntimeError::InitializationFailed("the optimizer needs a recorder".to_owned()));
    };
    let period = config.predictive_config.optimization_update_interval.max(LOOK_MIN);
    let control = Loop {
        optimizer,
        base: base.clone(),
        observer: Observer::new(recorder),
        files: config.enable_pattern_learning.then(Files::default),
        period,
        look: config.predictive_config.pattern_analysis_interval.clamp(LOOK_MIN, period),
        state_file: config.predictive_config.state_file.clone(),
    };
    OwnedTask::start("optimizer", move |ended| control.run(ended))
}

struct Loop {
    optimizer: PredictiveOptimizer,
    base: RuntimeHandle,
    observer: Observer,
    /// What follows the files, unless learning is off.
    files: Option<Files>,
    period: Duration,
    look: Duration,
    state_file: Option<PathBuf>,
}

impl Loop {
    async fn run(mut self, mut ended: Ended) {
        self.load().await;
        let mut ticks = tokio::time::interval_at(Instant::now() + self.look, self.look);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut window, mut saved, mut fates) = (Window::default(), Instant::now(), Fates::default());
        loop {
            let is_last = tokio::select! {
                _ = ticks.tick() => false,
                () = ended.wait() => true,
            };
            if let (Some(files), Some(ring)) = (&mut self.files, self.base.access_ring()) {
                files.follow(ring, &self.optimizer, &mut window);
            }
            if !is_last && self.observer.elapsed() >= self.period {
                let snapshot = self.observer.observe(&self.base, &std::mem::take(&mut window));
                let now = self.optimizer.age();
                self.optimizer.turn(now, &snapshot);
                fates.report(&self.optimizer);
            }
            if is_last || saved.elapsed() >= SAVE_EACH {
                self.save().await;
                saved = Instant::now();
            }
            if is_last {
                return;
            }
        }
    }

    async fn load(&self) {
        let Some(path) = self.state_file.clone() else { return };
        match tokio::task::spawn_blocking(move || load_learnt_state(&path)).await {
            Ok(Ok(learnt)) => {
                tracing::info!(settings = learnt.settings.len(), "starting with what was learnt before");
                self.optimizer.restore(&learnt);
            }
            Ok(Err(error)) => tracing::error!(%error, "learning starts anew"),
            Err(error) => tracing::error!(%error, "what was learnt was not read"),
        }
    }

    async fn save(&self) {
        let Some(path) = self.state_file.clone() else { return };
        let learnt = self.optimizer.learnt();
        let saved = tokio::task::spawn_blocking(move || save_learnt_state(&path, &learnt)).await;
        if let Ok(Err(error)) = saved {
            tracing::error!(%error, "what was learnt could not be saved; it will be tried again");
        }
    }
}

/// Tells what became of decisions.
#[derive(Default)]
struct Fates {
    watched: VecDeque<(DecisionId, DecisionState)>,
}

impl Fates {
    fn report(&mut self, optimizer: &PredictiveOptimizer) {
        let latest = optimizer.decisions();
        for decision in latest.iter().skip(latest.len().saturating_sub(WATCHED_MAX)) {
            let before = self.watched.iter_mut().find(|(id, _)| *id == decision.id);
            match before {
                Some((_, state)) if *state == decision.state => continue,
                Some((_, state)) => *state = decision.state,
                None => self.watched.push_back((decision.id, decision.state)),
            }
            match decision.state {
                DecisionState::Kept => tracing::info!(%decision, "a change is kept"),
                DecisionState::RolledBack => tracing::warn!(%decision, "a change was taken back"),
                DecisionState::Refused => tracing::debug!(%decision, "a change was not carried out"),
                _ => {}
            }
        }
        while self.watched.len() > WATCHED_MAX {
            self.watched.pop_front();
        }
    }
}
