//! What the controller proposes and recommends.

use super::controller::{Controller, Draft, PRESSURE_HIGH, PRESSURE_LOW, Proposal, Purpose};
use super::hint::{hints, relevance};
use super::shift::Running;
use super::space::Point;
use super::trial::Trial;
use super::tuner::{Estimate, Situation, Suggestion};
use crate::snapshot::sane;
use crate::{
    Decision, DecisionId, DecisionState, Evidence, Expected, Figure, Parameter, Parameters, Reason,
    ReverseIf, Snapshot,
};

/// What takes memory, in the order in which it is given back: two rungs, half of it, at a time.
const MEMORY: [Parameter; 4] =
    [Parameter::PrefetchDistance, Parameter::PrefetchSize, Parameter::BufferPoolSize, Parameter::BufferSize];
const MEMORY_RUNGS: i32 = -2;
/// Periods between steps back while memory stays short: what was given back takes a while to show.
const PRESSURE_QUIET: u32 = 2;
/// The setting in force is measured before the first trial until its error is this small, or for so many periods.
const BASE_ERROR: f64 = 0.03;
const BASE_PERIODS: f64 = 4.0;
/// Periods after which the start is measured again, unless what is in force is better beyond doubt: the weather may have been bad
/// when it was measured.
const AWAY_MAX: u32 = 5;
/// Standard errors that are beyond doubt.
const DOUBTLESS: f64 = 2.0;
/// Periods that have to agree before the start is taken for better.
const START_PERIODS: f64 = 2.0;

impl Controller {
    /// The next step, if there is one.
    pub(crate) fn explore(&mut self, score: f64, snapshot: &Snapshot) -> Vec<Decision> {
        if self.whereabouts.jumped(score, self.base.mean, self.noise.deviation()) {
            // The same workload on another machine, so to speak: what was measured holds no more.
            self.tuner.restart();
            self.hinted = [false; Parameter::COUNT];
            (self.base, self.home_score) = (Running::default(), Running::default());
            self.base.add(score, self.config.learning_rate);
            return Vec::new();
        }
        if self.quiet > 0 {
            self.quiet -= 1;
            return Vec::new();
        }
        if let Some(decisions) = self.back_to_start() {
            return decisions;
        }
        if self.base.error(self.noise.deviation()) > BASE_ERROR && self.base.count < BASE_PERIODS {
            return Vec::new();
        }
        if let Some(decisions) = self.look_at_start() {
            return decisions;
        }
        let here = self.space.nearest(&self.current);
        let step_max = self.config.aggressiveness.step_max();
        if let Some((to, figures)) = self.hinted_step(&here, step_max, snapshot) {
            let noise = self.noise.deviation();
            return self.try_step(&here, &to, Reason::Improve, figures, Estimate { gain: 0.0, error: noise });
        }
        let open = self.relevance(snapshot, |parameter| self.is_allowed(parameter));
        let Some(Suggestion { to, expected }) = self.suggestion(&here, open, step_max) else {
            return Vec::new();
        };
        let reason = if expected.gain > expected.error { Reason::Improve } else { Reason::Probe };
        self.try_step(&here, &to, reason, self.figures(snapshot), expected)
    }

    fn try_step(
        &mut self,
        here: &Point,
        to: &Point,
        reason: Reason,
        figures: Vec<Figure>,
        expected: Estimate,
    ) -> Vec<Decision> {
        let mut values = self.current;
        let changed: Vec<Parameter> = here.changes(to).collect();
        for parameter in &changed {
            values.set(*parameter, self.space.value(*parameter, to));
        }
        let reverse_if = ReverseIf::WorseBy { share: self.config.aggressiveness.guard() };
        let draft = Draft { reason, figures, expected: Some(expected), reverse_if };
        self.propose(&values, &changed, &draft, Purpose::Trial)
    }

    /// What the method wants, if it keeps to its contract.
    fn suggestion(
        &mut self,
        here: &Point,
        open: [f64; Parameter::COUNT],
        step_max: u8,
    ) -> Option<Suggestion> {
        let noise = self.noise.deviation();
        let situation = Situation { space: &self.space, here: *here, relevance: open, step_max, noise };
        let suggestion = self.tuner.suggest(&situation)?;
        let changes: Vec<Parameter> = here.changes(&suggestion.to).collect();
        let fits = |parameter: &Parameter| {
            open[parameter.index()] > 0.0
                && suggestion.to.rung(*parameter).abs_diff(here.rung(*parameter)) <= step_max
                && suggestion.to.rung(*parameter) <= self.space.top(*parameter)
        };
        ((1..=2).contains(&changes.len()) && changes.iter().all(fits)).then_some(suggestion)
    }

    fn relevance(&self, snapshot: &Snapshot, open: impl Fn(Parameter) -> bool) -> [f64; Parameter::COUNT] {
        Parameter::ALL.map(|parameter| if open(parameter) { relevance(parameter, snapshot) } else { 0.0 })
    }

    /// A step that follows from the measurements; each parameter once for a workload.
    fn hinted_step(&mut self, here: &Point, rungs: u8, snapshot: &Snapshot) -> Option<(Point, Vec<Figure>)> {
        for hint in hints(snapshot, &self.current) {
            let parameter = hint.parameter;
            if self.hinted[parameter.index()] || !self.is_allowed(parameter) {
                continue;
            }
            self.hinted[parameter.index()] = true;
            let rungs = i32::from(rungs) * if hint.up { 1 } else { -1 };
            if let Some(to) = self.space.step(here, parameter, rungs) {
                return Some((to, hint.figures));
            }
        }
        None
    }

    /// What the period looked like, for the evidence of a decision.
    fn figures(&self, snapshot: &Snapshot) -> Vec<Figure> {
        vec![
            Figure::new("throughput", snapshot.throughput_bps(), "bytes/s"),
            Figure::new("p99", snapshot.latency_p99.as_secs_f64() * 1e6, "us"),
            Figure::new("in flight", sane(snapshot.in_flight_mean, 0.0, 1e9), ""),
            Figure::new("sequential share", sane(snapshot.sequential_share, 0.0, 1.0), ""),
            Figure::new("noise", self.noise.deviation(), ""),
        ]
    }

    /// Back to the start, if what came of all decisions together is worse.
    fn back_to_start(&mut self) -> Option<Vec<Decision>> {
        let noise = self.noise.deviation();
        let (here, home) = (self.base, self.home_score);
        let known = here.count >= START_PERIODS && home.count >= START_PERIODS;
        let margin = self.config.aggressiveness.guard() + here.error(noise).hypot(home.error(noise));
        if !known || self.current == self.config.start || here.mean > home.mean - margin {
            return None;
        }
        let figures = vec![Figure::new("below the start", home.mean - here.mean, "")];
        let draft =
            Draft { reason: Reason::BelowStart, figures, expected: None, reverse_if: ReverseIf::Shift };
        let allowed = self.allowed();
        Some(self.propose(&self.config.start.clone(), &allowed, &draft, Purpose::Move))
    }

    /// A trial of the start, if it was not measured for long and what is in force may be worse.
    fn look_at_start(&mut self) -> Option<Vec<Decision>> {
        let here = self.space.nearest(&self.current);
        if here == self.home || self.away < AWAY_MAX {
            return None;
        }
        let noise = self.noise.deviation();
        let direct = Estimate {
            gain: self.base.mean - self.home_score.mean,
            // The two were measured at different times: what the machine did meanwhile does not average out.
            error: self.base.error(noise).hypot(self.home_score.error(noise)).hypot(noise),
        };
        let known = if self.home_score.count > 0.0 { direct } else { Estimate { gain: 0.0, error: noise } };
        if known.gain > DOUBTLESS * known.error {
            return None;
        }
        self.away = 0;
        let figures = vec![
            Figure::new("gain over the start", known.gain, ""),
            Figure::new("standard error", known.error, ""),
        ];
        let expected = Some(Estimate { gain: -known.gain, error: known.error });
        let reverse_if = ReverseIf::WorseBy { share: self.config.aggressiveness.guard() };
        let draft = Draft { reason: Reason::Probe, figures, expected, reverse_if };
        let allowed = self.allowed();
        let decisions = self.propose(&self.config.start.clone(), &allowed, &draft, Purpose::Trial);
        (!decisions.is_empty()).then_some(decisions)
    }

    pub(crate) fn allowed(&self) -> Vec<Parameter> {
        Parameter::ALL.into_iter().filter(|parameter| self.is_allowed(*parameter)).collect()
    }

    /// Gives memory back while it is short, and takes it again afterwards. `None` while there is nothing of the kind to do.
    pub(crate) fn under_pressure(&mut self, snapshot: &Snapshot) -> Option<Vec<Decision>> {
        let pressure = sane(snapshot.pressure, 0.0, 1.0);
        let figures = vec![
            Figure::new("pressure", pressure, ""),
            Figure::new("memory", snapshot.memory_bytes as f64, "bytes"),
        ];
        let allowed = self.allowed();
        match self.before_pressure {
            None if pressure <= PRESSURE_HIGH => None,
            Some(before) if pressure < PRESSURE_LOW => {
                self.before_pressure = None;
                let reverse_if = ReverseIf::Shift;
                let draft = Draft { reason: Reason::PressureOver, figures, expected: None, reverse_if };
                Some(self.propose(&before, &allowed, &draft, Purpose::Move))
            }
            Some(_) if pressure <= PRESSURE_HIGH || self.quiet > 0 => {
                self.quiet = self.quiet.saturating_sub(1);
                Some(Vec::new())
            }
            before => {
                let kept = self.trial.as_ref().map_or(self.current, |trial| trial.values);
                self.before_pressure = before.or(Some(kept));
                self.end_unjudged(DecisionState::RolledBack);
                self.quiet = PRESSURE_QUIET;
                let here = self.space.nearest(&self.current);
                let mut values = self.current;
                for parameter in MEMORY.into_iter().filter(|parameter| allowed.contains(parameter)) {
                    if let Some(less) = self.space.step(&here, parameter, MEMORY_RUNGS) {
                        values.set(parameter, self.space.value(parameter, &less));
                    }
                }
                let reverse_if = ReverseIf::PressureBelow { pressure: PRESSURE_LOW };
                let draft = Draft { reason: Reason::Pressure, figures, expected: None, reverse_if };
                Some(self.propose(&values, &allowed, &draft, Purpose::Move))
            }
        }
    }

    /// Hands out decisions that lead to `values` in the parameters given.
    pub(crate) fn propose(
        &mut self,
        values: &Parameters,
        parameters: &[Parameter],
        draft: &Draft,
        purpose: Purpose,
    ) -> Vec<Decision> {
        let values = values.clamp();
        let differs = |parameter: &Parameter| values.get(*parameter) != self.current.get(*parameter);
        let changed: Vec<Parameter> = parameters.iter().copied().filter(differs).collect();
        let trial = self.next_trial;
        self.next_trial += u64::from(!changed.is_empty());
        let mut decisions = Vec::with_capacity(changed.len());
        for parameter in changed {
            decisions.push(self.decision(
                parameter,
                values.get(parameter),
                draft,
                trial,
                DecisionState::Proposed,
            ));
        }
        if !decisions.is_empty() {
            let open = decisions.iter().map(|decision| (decision.id, decision.parameter)).collect();
            self.proposal =
                Some(Proposal { open, applied: Vec::new(), refused: false, from: self.current, purpose });
        }
        decisions
    }

    fn decision(
        &mut self,
        parameter: Parameter,
        to: f64,
        draft: &Draft,
        trial: u64,
        state: DecisionState,
    ) -> Decision {
        let id = DecisionId(self.next_id);
        self.next_id += 1;
        let expected = draft.expected.unwrap_or(Estimate { gain: 0.0, error: 0.0 });
        let decision = Decision {
            id,
            trial,
            at: self.now,
            parameter,
            from: self.current.get(parameter),
            to: parameter.bounds().clamp(to),
            evidence: Evidence {
                reason: draft.reason,
                workload: self.whereabouts.signature(),
                figures: draft.figures.clone(),
            },
            expected: Expected { gain: expected.gain.exp_m1(), error: expected.error },
            measured: None,
            reverse_if: draft.reverse_if,
            state,
        };
        self.log.push(decision.clone());
        decision
    }

    /// Takes back what was neither confirmed nor refused.
    pub(crate) fn withdraw(&mut self) {
        let open = self.proposal.iter().flat_map(|proposal| proposal.open.iter().map(|(id, _)| *id));
        let open: Vec<DecisionId> = open.collect();
        for id in open {
            self.refuse(id);
        }
    }

    /// Begins what a proposal is for, once all of it is answered.
    pub(crate) fn settle_proposal(&mut self) {
        if self.proposal.as_ref().is_none_or(|proposal| !proposal.open.is_empty()) {
            return;
        }
        let Some(proposal) = self.proposal.take() else { return };
        if proposal.applied.is_empty() && proposal.purpose != Purpose::Undo {
            return;
        }
        self.noise.pause();
        match proposal.purpose {
            Purpose::Trial => {
                let ends = [self.space.nearest(&proposal.from), self.space.nearest(&self.current)];
                self.trial = Some(Trial::new(&proposal, ends, self.last_outcome, self.base));
            }
            Purpose::Undo | Purpose::Move => {
                for (id, _) in &proposal.applied {
                    self.log.mark(*id, DecisionState::Kept, None);
                }
                if proposal.purpose == Purpose::Move || proposal.refused {
                    self.base = Running::default();
                }
            }
        }
    }

    /// What would be done and is not allowed: what worked before, what the measurements say, and, where nothing at all is allowed,
    /// what the method would try. Returns those that are new.
    pub(crate) fn recommend(&mut self, snapshot: &Snapshot) -> Vec<Decision> {
        let barred =
            |parameter: Parameter| !self.is_allowed(parameter) && !self.config.frozen.contains(&parameter);
        if !Parameter::ALL.into_iter().any(barred) {
            self.recommended.clear();
            return Vec::new();
        }
        let here = self.space.nearest(&self.current);
        let step_max = self.config.aggressiveness.step_max();
        let mut wanted = self.recommended_by_knowledge(&here, snapshot);
        wanted.retain(|(parameter, ..)| barred(*parameter));
        let standing = |reason: Reason| matches!(reason, Reason::Probe);
        let current = self.current;
        self.recommended.retain(|old| {
            let same =
                |(parameter, to, _): &(Parameter, f64, Draft)| *parameter == old.parameter && *to == old.to;
            let still = standing(old.evidence.reason) && current.get(old.parameter) == old.from;
            still && !wanted.iter().any(|(parameter, ..)| *parameter == old.parameter)
                || wanted.iter().any(same)
        });
        if !self.config.auto_tune && !self.recommended.iter().any(|old| standing(old.evidence.reason)) {
            let open = self.relevance(snapshot, |parameter| !self.config.frozen.contains(&parameter));
            if let Some(Suggestion { to, expected }) = self.suggestion(&here, open, step_max) {
                let figures = self.figures(snapshot);
                for parameter in here.changes(&to) {
                    let draft = Draft {
                        reason: Reason::Probe,
                        figures: figures.clone(),
                        expected: Some(expected),
                        reverse_if: ReverseIf::WorseBy { share: self.config.aggressiveness.guard() },
                    };
                    wanted.push((parameter, self.space.value(parameter, &to), draft));
                }
            }
        }
        let mut new = Vec::new();
        for (parameter, to, draft) in wanted {
            if self.recommended.iter().any(|old| old.parameter == parameter) {
                continue;
            }
            let trial = self.next_trial;
            self.next_trial += 1;
            let decision = self.decision(parameter, to, &draft, trial, DecisionState::Recommended);
            self.recommended.push(decision.clone());
            new.push(decision);
        }
        new
    }

    fn recommended_by_knowledge(&self, here: &Point, snapshot: &Snapshot) -> Vec<(Parameter, f64, Draft)> {
        let mut wanted: Vec<(Parameter, f64, Draft)> = Vec::new();
        if let Some(known) = self.memory.recall(&self.whereabouts.signature()) {
            for parameter in Parameter::ALL {
                let to = known.parameters.get(parameter);
                if to != self.current.get(parameter) && relevance(parameter, snapshot) > 0.0 {
                    let figures = vec![Figure::new("gain then", known.gain, "")];
                    let expected = Some(Estimate { gain: known.gain, error: self.noise.deviation() });
                    let draft =
                        Draft { reason: Reason::Remembered, figures, expected, reverse_if: ReverseIf::Shift };
                    wanted.push((parameter, to, draft));
                }
            }
        }
        for hint in hints(snapshot, &self.current) {
            let rungs = i32::from(self.config.aggressiveness.step_max()) * if hint.up { 1 } else { -1 };
            let Some(to) = self.space.step(here, hint.parameter, rungs) else { continue };
            if wanted.iter().all(|(parameter, ..)| *parameter != hint.parameter) {
                let reverse_if = ReverseIf::WorseBy { share: self.config.aggressiveness.guard() };
                let draft =
                    Draft { reason: Reason::Improve, figures: hint.figures, expected: None, reverse_if };
                wanted.push((hint.parameter, self.space.value(hint.parameter, &to), draft));
            }
        }
        wanted
    }
}
