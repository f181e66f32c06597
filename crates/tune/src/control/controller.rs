//! The loop: one call a decision period.

use super::config::{ControlError, ControllerConfig};
use super::learnt::LearntState;
use super::memory::Memory;
use super::objective::Objective;
use super::shift::{Noise, Running, Sight, Whereabouts};
use super::space::{Point, Space};
use super::trial::{Trial, Verdict};
use super::tuner::Tuner;
use super::tuner::gaussian::Gaussian;
use crate::{
    Decision, DecisionId, DecisionLog, DecisionState, Figure, Group, Outcome, Parameter, Parameters, Reason,
    ReverseIf, Snapshot,
};
use std::time::Duration;

/// Memory pressure from which the engine takes less.
pub(crate) const PRESSURE_HIGH: f64 = 0.4;
/// And below which it takes what it had.
pub(crate) const PRESSURE_LOW: f64 = 0.1;

/// Tunes the [`Parameters`] of an engine: every period it takes a [`Snapshot`] and says what to change.
///
/// The life of a decision: [`decide`](Self::decide) returns it as [`Proposed`](DecisionState::Proposed). Whoever called applies it and says so with
/// [`confirm`](Self::confirm), or [`refuse`](Self::refuse)s it. Until the next call it is [`Applied`](DecisionState::Applied); the periods from then on are
/// compared with those before, and it is [`Kept`](DecisionState::Kept), or undone by another decision and then
/// [`RolledBack`](DecisionState::RolledBack). A decision that comes back as [`Recommended`](DecisionState::Recommended) is not to be applied.
///
/// What holds, whatever is fed in: no value leaves its [bounds](crate::BOUNDS); one trial at a time, of one parameter or two; a period that is
/// worse by more than the guard band ends a trial; memory is bounded by the capacities in the configuration; the same seed and the same
/// input give the same decisions.
///
/// ```
/// use rustfs_rio_tune::{Controller, ControllerConfig, DecisionState, Parameters, Snapshot};
/// use std::time::Duration;
///
/// let mut controller = Controller::new(ControllerConfig::default())?;
/// let mut engine = Parameters::default();
/// for second in 0..30 {
///     let iops = 10_000 + 200 * engine.queue_depth as u64; // what an engine would measure
///     let latency = Duration::from_secs_f64(64.0 / iops as f64);
///     let snapshot = Snapshot {
///         period: Duration::from_secs(1), reads: iops, read_bytes: iops * 4096,
///         latency_p50: latency, latency_p99: latency * 3, in_flight_mean: 64.0, queue_depth: engine.queue_depth as f64,
///         ..Snapshot::default()
///     };
///     for decision in controller.decide(Duration::from_secs(second), &snapshot) {
///         if decision.state == DecisionState::Proposed {
///             let applied = engine.set(decision.parameter, decision.to);
///             controller.confirm(decision.id, applied);
///         }
///     }
/// }
/// assert!(engine.queue_depth > 64, "{engine:?}");
/// # Ok::<(), rustfs_rio_tune::ControlError>(())
/// ```
#[derive(Debug)]
pub struct Controller {
    pub(crate) config: ControllerConfig,
    pub(crate) space: Space,
    pub(crate) objective: Objective,
    pub(crate) tuner: Box<dyn Tuner>,
    pub(crate) log: DecisionLog,
    pub(crate) memory: Memory,
    pub(crate) now: Duration,
    pub(crate) next_id: u64,
    pub(crate) next_trial: u64,
    /// What the engine runs with.
    pub(crate) current: Parameters,
    /// Where the controller started.
    pub(crate) home: Point,
    pub(crate) whereabouts: Whereabouts,
    pub(crate) noise: Noise,
    /// Scores of the setting that is in force outside trials, and of the start.
    pub(crate) base: Running,
    pub(crate) home_score: Running,
    /// Periods since the start was measured.
    pub(crate) away: u32,
    pub(crate) last_outcome: Outcome,
    pub(crate) proposal: Option<Proposal>,
    pub(crate) trial: Option<Trial>,
    pub(crate) quiet: u32,
    pub(crate) before_pressure: Option<Parameters>,
    pub(crate) recommended: Vec<Decision>,
    /// Hints that were tried for this workload.
    pub(crate) hinted: [bool; Parameter::COUNT],
}

/// Decisions that were handed out and neither confirmed nor refused in full.
#[derive(Debug, Clone)]
pub(crate) struct Proposal {
    /// Not yet answered.
    pub(crate) open: Vec<(DecisionId, Parameter)>,
    pub(crate) applied: Vec<(DecisionId, Parameter)>,
    pub(crate) refused: bool,
    pub(crate) from: Parameters,
    pub(crate) purpose: Purpose,
}

/// What follows a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// What comes is compared with what was.
    Trial,
    /// What was before a trial is in force again.
    Undo,
    /// Nothing that was measured is about the new setting.
    Move,
}

impl Controller {
    /// With the method that won the comparison of `docs/decisions/0046-tuning-method.md`.
    ///
    /// # Errors
    ///
    /// [`ControlError`] for settings that make no sense.
    pub fn new(config: ControllerConfig) -> Result<Self, ControlError> {
        Self::with_tuner(config, Box::new(Gaussian::new()))
    }

    /// With another method.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with_tuner(mut config: ControllerConfig, tuner: Box<dyn Tuner>) -> Result<Self, ControlError> {
        config.check()?;
        config.start = config.start.clamp();
        let space = Space::new(&config.start, &config.codecs);
        let home = space.nearest(&config.start);
        Ok(Self {
            objective: Objective { weights: config.weights, targets: config.targets },
            log: DecisionLog::new(config.log_capacity),
            memory: Memory::new(config.memory_capacity),
            current: config.start,
            config,
            space,
            tuner,
            home,
            now: Duration::ZERO,
            next_id: 1,
            next_trial: 1,
            whereabouts: Whereabouts::default(),
            noise: Noise::default(),
            base: Running::default(),
            home_score: Running::default(),
            away: 0,
            last_outcome: Outcome::default(),
            proposal: None,
            trial: None,
            quiet: 0,
            before_pressure: None,
            recommended: Vec::new(),
            hinted: [false; Parameter::COUNT],
        })
    }

    /// Takes the measurements of a period in, ended at `now`, and returns what to change. `now` is on any clock that does not jump much;
    /// it only dates the decisions, and one that goes back counts as no time.
    ///
    /// A proposal that was neither confirmed nor refused since the last call counts as refused. A period with fewer operations than
    /// [`operations_min`](ControllerConfig::operations_min) is idle: nothing is judged or proposed.
    pub fn decide(&mut self, now: Duration, snapshot: &Snapshot) -> Vec<Decision> {
        self.now = self.now.max(now);
        self.withdraw();
        if snapshot.operations() < self.config.operations_min.max(1) || snapshot.period.is_zero() {
            self.noise.pause();
            return Vec::new();
        }
        let score = self.objective.score(snapshot);
        let sight = self.whereabouts.observe(&snapshot.signature());
        if sight != Sight::Same {
            return self.arrive(sight, score, snapshot);
        }
        self.account(score, snapshot);
        let mut decisions = match self.under_pressure(snapshot) {
            Some(decisions) => decisions,
            None => match self.trial.take() {
                Some(trial) => self.judge(trial, score, snapshot),
                None => self.explore(score, snapshot),
            },
        };
        decisions.extend(self.recommend(snapshot));
        decisions
    }

    /// Says that a proposal was applied, and the value that is in force now: what the caller's own limits made of it.
    /// Returns false for a decision that is not waiting for an answer.
    pub fn confirm(&mut self, id: DecisionId, applied: f64) -> bool {
        let Some(proposal) = &mut self.proposal else { return false };
        let Some(at) = proposal.open.iter().position(|(open, _)| *open == id) else { return false };
        let (_, parameter) = proposal.open.remove(at);
        proposal.applied.push((id, parameter));
        let value = self.current.set(parameter, applied);
        self.log.correct(id, value);
        self.log.mark(id, DecisionState::Applied, None);
        self.settle_proposal();
        true
    }

    /// Says that a proposal was not applied. Returns false for a decision that is not waiting for an answer.
    pub fn refuse(&mut self, id: DecisionId) -> bool {
        let Some(proposal) = &mut self.proposal else { return false };
        let Some(at) = proposal.open.iter().position(|(open, _)| *open == id) else { return false };
        proposal.open.remove(at);
        proposal.refused = true;
        self.log.mark(id, DecisionState::Refused, None);
        self.settle_proposal();
        true
    }

    /// Proposes changes that somebody asks for: clamped, applied and judged together like any others. Empty if all of it is in force
    /// already.
    ///
    /// # Errors
    ///
    /// [`RequestError`] if a parameter is frozen, or a proposal waits for its answer.
    pub fn request(
        &mut self,
        now: Duration,
        changes: &[(Parameter, f64)],
    ) -> Result<Vec<Decision>, RequestError> {
        self.now = self.now.max(now);
        let frozen = |(parameter, _): &&(Parameter, f64)| self.config.frozen.contains(parameter);
        if let Some((parameter, _)) = changes.iter().find(frozen) {
            return Err(RequestError::Frozen { parameter: *parameter });
        }
        if self.proposal.is_some() {
            return Err(RequestError::Busy);
        }
        let mut to = self.current;
        for (parameter, value) in changes {
            to.set(*parameter, *value);
        }
        if to == self.current {
            return Ok(Vec::new());
        }
        self.end_unjudged(DecisionState::Kept);
        let share = self.config.aggressiveness.guard();
        let draft = Draft {
            reason: Reason::Requested,
            figures: Vec::new(),
            expected: None,
            reverse_if: ReverseIf::WorseBy { share },
        };
        let parameters: Vec<Parameter> = changes.iter().map(|(parameter, _)| *parameter).collect();
        Ok(self.propose(&to, &parameters, &draft, Purpose::Trial))
    }

    /// The values the engine runs with, as confirmed.
    #[must_use]
    pub const fn parameters(&self) -> &Parameters {
        &self.current
    }

    /// The values in force outside trials: those before the trial that is under way.
    #[must_use]
    pub fn settled(&self) -> Parameters {
        let begun = self.proposal.as_ref().filter(|proposal| proposal.purpose == Purpose::Trial);
        let before = self.trial.as_ref().map(|trial| trial.values);
        before.or(begun.map(|proposal| proposal.from)).unwrap_or(self.current)
    }

    /// The settings of the loop.
    #[must_use]
    pub const fn config(&self) -> &ControllerConfig {
        &self.config
    }

    /// The latest decisions.
    #[must_use]
    pub const fn log(&self) -> &DecisionLog {
        &self.log
    }

    /// What it would do now and is not allowed to; at most one for each parameter.
    #[must_use]
    pub fn recommendations(&self) -> &[Decision] {
        &self.recommended
    }

    /// Standard deviation of the score of a period, as measured: 0.02 for two per cent.
    #[must_use]
    pub fn noise(&self) -> f64 {
        self.noise.deviation()
    }

    /// The name of the method.
    #[must_use]
    pub fn tuner_name(&self) -> &'static str {
        self.tuner.name()
    }

    /// Leaves a parameter alone from now on. A trial of it goes on and may be rolled back.
    pub fn freeze(&mut self, parameter: Parameter) {
        if !self.config.frozen.contains(&parameter) {
            self.config.frozen.push(parameter);
        }
    }

    /// Tunes a parameter again.
    pub fn unfreeze(&mut self, parameter: Parameter) {
        self.config.frozen.retain(|frozen| *frozen != parameter);
    }

    /// Switches a group of parameters on or off.
    pub fn switch(&mut self, group: Group, on: bool) {
        self.config.groups.retain(|other| *other != group);
        if on {
            self.config.groups.push(group);
        }
    }

    /// What was learnt, to be kept over a restart. Codec costs are those of a [`CodecChooser`](crate::CodecChooser), and added by whoever has one.
    #[must_use]
    pub fn learnt(&mut self) -> LearntState {
        if self.base.count >= 2.0 {
            self.remember();
        }
        LearntState { settings: self.memory.entries().to_vec(), codecs: Vec::new() }
    }

    /// Starts warm, with what was learnt before. Better before the first [`decide`](Self::decide): what is known of the workload that is under way is
    /// used when it is met again.
    pub fn restore(&mut self, learnt: &LearntState) {
        self.memory.load(&learnt.settings);
    }

    /// The values changed without a decision, because somebody set them: everything measured before is about other values.
    pub fn overridden(&mut self, values: &Parameters) {
        self.withdraw();
        self.end_unjudged(DecisionState::RolledBack);
        self.current = values.clamp();
        self.base = Running::default();
        self.noise.pause();
    }
}

/// What a decision says beside its values.
pub(crate) struct Draft {
    pub(crate) reason: Reason,
    pub(crate) figures: Vec<Figure>,
    pub(crate) expected: Option<super::tuner::Estimate>,
    pub(crate) reverse_if: ReverseIf,
}

/// Why a request was not turned into a proposal.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The parameter was set on purpose.
    #[error("{parameter} is frozen: it was set by configuration; take it out there to have it tuned")]
    Frozen {
        /// Which.
        parameter: Parameter,
    },
    /// Another proposal waits.
    #[error("another proposal has not been confirmed or refused yet; answer it first")]
    Busy,
}

impl Controller {
    /// Adds a period's score to what is known of the setting in force.
    fn account(&mut self, score: f64, snapshot: &Snapshot) {
        let here = self.space.nearest(&self.current);
        self.noise.observe(score);
        self.tuner.observe(&self.space, &here, score, self.noise.deviation());
        self.away = self.away.saturating_add(1);
        if here == self.home {
            self.away = 0;
            self.home_score.add(score, self.config.learning_rate);
        }
        match &mut self.trial {
            Some(trial) => trial.observe(score, snapshot),
            None => {
                self.base.add(score, self.config.learning_rate);
                self.last_outcome = snapshot.into();
            }
        }
    }

    /// Ends a trial, or lets it go on.
    fn judge(&mut self, trial: Trial, score: f64, snapshot: &Snapshot) -> Vec<Decision> {
        let direct = trial.direct(self.noise.deviation());
        let opinion = self.tuner.compare(&self.space, &trial.from, &trial.to);
        let guard = self.config.aggressiveness.guard();
        let verdict = trial.verdict(direct, opinion, guard, self.config.speed.trial_periods());
        if verdict == Verdict::More {
            self.trial = Some(trial);
            return Vec::new();
        }
        let kept = verdict == Verdict::Keep;
        self.tuner.learn(&self.space, &trial.from, &trial.to, direct, kept);
        let state = if kept { DecisionState::Kept } else { DecisionState::RolledBack };
        let measured = trial.measured(direct);
        for (id, _) in &trial.changes {
            self.log.mark(*id, state, Some(measured));
        }
        if kept {
            self.base = trial.after;
            self.last_outcome = measured.after;
            self.remember();
            self.quiet = self.config.aggressiveness.quiet_periods();
            return if self.quiet == 0 { self.explore(score, snapshot) } else { Vec::new() };
        }
        self.quiet = self.config.aggressiveness.quiet_periods();
        self.undo(&trial, verdict, direct.gain)
    }

    /// Proposes the values from before a trial.
    fn undo(&mut self, trial: &Trial, verdict: Verdict, gain: f64) -> Vec<Decision> {
        let Some((of, _)) = trial.changes.first().copied() else { return Vec::new() };
        let reason = if verdict == Verdict::Harm { Reason::RollBack { of } } else { Reason::NoGain { of } };
        let figures = vec![Figure::new("measured gain", gain, "")];
        let mut to = self.current;
        let mut changed: Vec<Parameter> = trial.changes.iter().map(|(_, parameter)| *parameter).collect();
        if changed.contains(&Parameter::Compression) && !changed.contains(&Parameter::CompressionLevel) {
            // The codec took its level along.
            changed.push(Parameter::CompressionLevel);
        }
        for parameter in &changed {
            to.set(*parameter, trial.values.get(*parameter));
        }
        let draft = Draft { reason, figures, expected: None, reverse_if: ReverseIf::Nothing };
        self.propose(&to, &changed, &draft, Purpose::Undo)
    }

    /// The workload is another one, or the first: what worked for it before, or where everything starts.
    fn arrive(&mut self, sight: Sight, score: f64, snapshot: &Snapshot) -> Vec<Decision> {
        self.end_unjudged(DecisionState::RolledBack);
        self.tuner.restart();
        self.noise.pause();
        (self.base, self.home_score) = (Running::default(), Running::default());
        self.hinted = [false; Parameter::COUNT];
        self.quiet = 0;
        self.recommended.clear();
        self.account(score, snapshot);
        let known = self.memory.recall(&snapshot.signature()).copied();
        let (to, draft) = match known {
            Some(known) => {
                let figures = vec![
                    Figure::new("gain then", known.gain, ""),
                    Figure::new("times met", f64::from(known.visits), ""),
                ];
                let expected =
                    Some(super::tuner::Estimate { gain: known.gain, error: self.noise.deviation() });
                let guard = self.config.aggressiveness.guard();
                let reverse_if = ReverseIf::WorseBy { share: guard };
                (known.parameters, Draft { reason: Reason::Remembered, figures, expected, reverse_if })
            }
            None if sight == Sight::Shift => {
                let reverse_if = ReverseIf::Shift;
                (
                    self.config.start,
                    Draft { reason: Reason::Shift, figures: Vec::new(), expected: None, reverse_if },
                )
            }
            None => return self.recommend(snapshot),
        };
        if self.before_pressure.is_some() {
            // Memory is short: it will be taken when there is room.
            self.before_pressure = Some(to);
            return Vec::new();
        }
        let allowed = self.allowed();
        let purpose = if known.is_some() { Purpose::Trial } else { Purpose::Move };
        let mut decisions = self.propose(&to, &allowed, &draft, purpose);
        decisions.extend(self.recommend(snapshot));
        decisions
    }

    /// Notes the setting in force as the best known for the workload.
    pub(crate) fn remember(&mut self) {
        let home = self.home_score;
        let gain = if home.count > 0.0 { (self.base.mean - home.mean).exp_m1() } else { 0.0 };
        let best = match &self.trial {
            Some(trial) => trial.values,
            None => self.current,
        };
        self.memory.remember(self.whereabouts.signature(), best, gain);
    }

    /// Ends a trial whose measurements mean nothing any more.
    pub(crate) fn end_unjudged(&mut self, state: DecisionState) {
        for (id, _) in self.trial.take().into_iter().flat_map(|trial| trial.changes) {
            self.log.mark(id, state, None);
        }
    }

    /// Whether the controller may change a parameter by itself.
    pub(crate) fn is_allowed(&self, parameter: Parameter) -> bool {
        self.config.auto_tune
            && self.config.groups.contains(&parameter.group())
            && !self.config.frozen.contains(&parameter)
    }
}
