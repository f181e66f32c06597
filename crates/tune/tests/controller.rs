//! The life of decisions, and what never happens whatever is fed in.

use proptest::prelude::*;
use rustfs_rio_tune::{
    Controller, ControllerConfig, Decision, DecisionState, Group, Parameter, Parameters, Reason,
    RequestError, Snapshot,
};
use std::time::Duration;

const MIB: u64 = 1 << 20;

/// A closed loop of 64 tasks at this many operations a second.
fn period(iops: f64, values: &Parameters) -> Snapshot {
    let latency = Duration::from_secs_f64(64.0 / iops);
    Snapshot {
        period: Duration::from_secs(1),
        reads: iops as u64,
        read_bytes: iops as u64 * 4096,
        latency_p50: latency,
        latency_p99: latency * 3,
        cpu: Duration::from_micros(8 * iops as u64),
        memory_bytes: 64 * MIB,
        in_flight_mean: 64.0,
        queue_depth: values.queue_depth.min(64) as f64,
        burstiness: 1.0,
        ..Snapshot::default()
    }
}

/// An engine that does what it is told.
struct Engine {
    controller: Controller,
    values: Parameters,
    second: u64,
}

impl Engine {
    fn new(config: ControllerConfig) -> Self {
        let values = config.start;
        Self { controller: Controller::new(config).expect("settings that make sense"), values, second: 0 }
    }

    fn turn(&mut self, snapshot: &Snapshot) -> Vec<Decision> {
        self.second += 1;
        let decisions = self.controller.decide(Duration::from_secs(self.second), snapshot);
        for decision in &decisions {
            if decision.state == DecisionState::Proposed {
                let applied = self.values.set(decision.parameter, decision.to);
                assert!(self.controller.confirm(decision.id, applied));
            }
        }
        assert_eq!(self.controller.parameters(), &self.values);
        decisions
    }

    fn run(&mut self, periods: u32, iops: impl Fn(&Parameters) -> f64) {
        for _ in 0..periods {
            let snapshot = period(iops(&self.values), &self.values);
            self.turn(&snapshot);
        }
    }

    fn reasons(&self) -> Vec<Reason> {
        self.controller.log().iter().map(|decision| decision.evidence.reason).collect()
    }
}

fn deep(values: &Parameters) -> f64 {
    20_000.0 + 300.0 * values.queue_depth as f64
}

fn shallow(values: &Parameters) -> f64 {
    40_000.0 - 150.0 * values.queue_depth as f64
}

#[test]
fn what_pays_is_kept_and_says_what_it_brought() {
    let mut engine = Engine::new(ControllerConfig::default());
    engine.run(40, deep);
    assert!(engine.values.queue_depth >= 91, "{:?}", engine.values);
    let kept = engine.controller.log().iter().find(|decision| {
        decision.parameter == Parameter::QueueDepth
            && decision.state == DecisionState::Kept
            && decision.measured.is_some()
    });
    let kept = kept.expect("a step that was kept");
    let measured = kept.measured.expect("its effect");
    assert!(measured.gain > 0.02 && measured.after.iops > measured.before.iops, "{kept}");
    assert!(!kept.evidence.figures.is_empty() && kept.to_string().contains("reversed if"), "{kept}");
}

#[test]
fn what_harms_is_undone_after_one_period() {
    let mut engine = Engine::new(ControllerConfig::default());
    let mut below = 0;
    for _ in 0..60 {
        let iops = shallow(&engine.values);
        below = if iops < 0.95 * shallow(&Parameters::default()) { below + 1 } else { 0 };
        assert!(below <= 1, "two periods below the start: {:?}", engine.values);
        let snapshot = period(iops, &engine.values);
        engine.turn(&snapshot);
    }
    assert!(engine.values.queue_depth < 32, "{:?}", engine.values);
    assert!(engine.reasons().iter().any(|reason| matches!(reason, Reason::RollBack { .. })));
}

#[test]
fn what_makes_no_difference_returns_to_where_it_was() {
    let mut engine = Engine::new(ControllerConfig::default());
    engine.run(120, |_| 30_000.0);
    assert_eq!(engine.controller.settled(), Parameters::default());
    let last = engine.controller.log().iter().next_back().map(|decision| decision.at);
    assert!(
        last < Some(Duration::from_secs(115)),
        "still trying at {last:?}: the quiet engine is not left alone"
    );
}

#[test]
fn frozen_parameters_and_groups_that_are_off_are_left_alone() {
    let config = ControllerConfig {
        frozen: vec![Parameter::QueueDepth],
        groups: vec![Group::Concurrency, Group::Batching],
        ..ControllerConfig::default()
    };
    let mut engine = Engine::new(config);
    engine.run(60, deep);
    for decision in
        engine.controller.log().iter().filter(|decision| decision.state != DecisionState::Recommended)
    {
        assert!(matches!(decision.parameter.group(), Group::Concurrency | Group::Batching), "{decision}");
        assert_ne!(decision.parameter, Parameter::QueueDepth, "{decision}");
    }
    let refused = engine.controller.request(Duration::ZERO, &[(Parameter::QueueDepth, 64.0)]);
    assert_eq!(refused, Err(RequestError::Frozen { parameter: Parameter::QueueDepth }));
    engine.controller.unfreeze(Parameter::QueueDepth);
    engine.controller.switch(Group::Batching, false);
    engine.run(60, deep);
    assert!(engine.values.queue_depth > 32);
}

#[test]
fn without_permission_everything_is_a_recommendation() {
    let mut engine = Engine::new(ControllerConfig { auto_tune: false, ..ControllerConfig::default() });
    engine.run(50, deep);
    assert_eq!(engine.values, Parameters::default());
    let log = engine.controller.log();
    assert!(!log.is_empty() && log.iter().all(|decision| decision.state == DecisionState::Recommended));
    assert!(log.len() <= Parameter::COUNT, "the same recommendation is not given every period");
    let depth = engine
        .controller
        .recommendations()
        .iter()
        .find(|decision| decision.parameter == Parameter::QueueDepth);
    assert!(depth.is_some_and(|decision| decision.to > 32.0), "the queue is full");
}

#[test]
fn a_workload_met_again_gets_what_worked_for_it() {
    let small = |values: &Parameters| period(deep(values), values);
    let large =
        |values: &Parameters| Snapshot { read_bytes: 1000 * MIB, reads: 1000, ..period(1000.0, values) };
    let mut engine = Engine::new(ControllerConfig::default());
    for _ in 0..40 {
        let snapshot = small(&engine.values);
        engine.turn(&snapshot);
    }
    let learnt = engine.controller.settled();
    for _ in 0..3 {
        let snapshot = large(&engine.values);
        engine.turn(&snapshot);
    }
    assert!(
        engine.reasons().contains(&Reason::Shift),
        "a shift to something unknown leads back to the start"
    );
    let snapshot = small(&engine.values);
    engine.turn(&snapshot);
    assert_eq!(engine.values, learnt, "after one period");
    assert!(engine.reasons().contains(&Reason::Remembered));
}

#[test]
fn what_was_learnt_survives_a_restart() {
    let mut before = Engine::new(ControllerConfig::default());
    before.run(40, deep);
    let learnt = before.controller.learnt();
    let mut after = Engine::new(ControllerConfig::default());
    after.controller.restore(&learnt);
    after.run(1, deep);
    assert_eq!(after.values, before.controller.settled());
    after.run(10, |values| if *values == Parameters::default() { 40_000.0 } else { 20_000.0 });
    let gone_wrong = after
        .controller
        .log()
        .iter()
        .any(|decision| matches!(decision.evidence.reason, Reason::RollBack { .. }));
    assert!(gone_wrong, "what worked before is judged like anything else");
}

#[test]
fn short_memory_is_given_back_and_taken_again() {
    let start = Parameters { buffer_pool_size: 4096, prefetch_distance: 32, ..Parameters::default() };
    let mut engine = Engine::new(ControllerConfig { start, ..ControllerConfig::default() });
    engine.run(2, |_| 30_000.0);
    let settled = engine.controller.settled();
    for _ in 0..4 {
        let snapshot = Snapshot { pressure: 0.8, ..period(30_000.0, &engine.values) };
        engine.turn(&snapshot);
    }
    assert!(
        engine.values.buffer_pool_size <= 2048 && engine.values.prefetch_distance <= 16,
        "{:?}",
        engine.values
    );
    engine.run(1, |_| 30_000.0);
    assert_eq!(engine.values, settled);
    assert!(engine.reasons().contains(&Reason::PressureOver));
}

#[test]
fn a_request_is_clamped_applied_and_measured() {
    let mut engine = Engine::new(ControllerConfig { auto_tune: false, ..ControllerConfig::default() });
    engine.run(5, deep);
    let depth = (Parameter::QueueDepth, 1e9);
    let decision = engine.controller.request(Duration::from_secs(6), &[depth]).unwrap().remove(0);
    assert_eq!((decision.to, decision.state), (128.0, DecisionState::Proposed));
    assert_eq!(
        engine.controller.request(Duration::ZERO, &[(Parameter::BatchSize, 32.0)]),
        Err(RequestError::Busy)
    );
    engine.values.set(decision.parameter, decision.to);
    engine.controller.confirm(decision.id, decision.to);
    engine.run(3, deep);
    let decision = engine.controller.log().get(decision.id).unwrap();
    assert_eq!(decision.state, DecisionState::Kept);
    assert!(decision.measured.is_some_and(|measured| measured.gain > 0.1), "{decision}");
    assert_eq!(engine.controller.request(Duration::ZERO, &[depth]), Ok(Vec::new()), "in force already");
}

#[test]
fn a_proposal_that_nobody_answers_changes_nothing() {
    let mut controller = Controller::new(ControllerConfig::default()).unwrap();
    let values = Parameters::default();
    let mut proposed = 0;
    for second in 0..30 {
        let decisions = controller.decide(Duration::from_secs(second), &period(30_000.0, &values));
        proposed += decisions.len();
        assert_eq!(controller.parameters(), &values);
    }
    assert!(proposed > 0);
    let mut old = controller.log().iter().filter(|decision| decision.at < Duration::from_secs(29));
    assert!(old.all(|decision| decision.state == DecisionState::Refused));
}

#[test]
fn idle_periods_say_nothing() {
    let mut engine = Engine::new(ControllerConfig::default());
    for _ in 0..50 {
        let decisions =
            engine.turn(&Snapshot { reads: 5, period: Duration::from_secs(1), ..Snapshot::default() });
        assert_eq!(decisions, []);
    }
}

#[test]
fn settings_that_make_no_sense_are_refused_with_the_reason() {
    for rate in [0.0, -1.0, 1.1, f64::NAN, f64::INFINITY] {
        let error = Controller::new(ControllerConfig { learning_rate: rate, ..ControllerConfig::default() });
        let error = error.unwrap_err().to_string();
        assert!(error.contains("above 0 and at most 1"), "{error}");
    }
    let mut config = ControllerConfig::default();
    config.targets.iops = Some(-3.0);
    assert!(Controller::new(config).unwrap_err().to_string().contains("'iops' is -3"));
    let mut config = ControllerConfig::default();
    config.weights.cpu = f64::NAN;
    assert!(Controller::new(config).is_err());
    let config = ControllerConfig { codecs: Vec::new(), ..ControllerConfig::default() };
    assert!(Controller::new(config).is_err());
}

fn any_number() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>(),
        Just(f64::NAN),
        Just(f64::INFINITY),
        Just(-1.0),
        Just(0.0),
        0.0..1000.0,
        0.0..1.0
    ]
}

prop_compose! {
    fn any_snapshot()(
        counts in prop::array::uniform8(prop_oneof![Just(0), 0..100_000_u64, any::<u64>()]),
        times in prop::array::uniform4(prop_oneof![Just(0), 0..10_000_000_u64, any::<u64>()]),
        numbers in prop::array::uniform5(any_number()),
    ) -> Snapshot {
        let [reads, writes, syncs, errors, read_bytes, write_bytes, memory_bytes, compress_in_bytes] = counts;
        let [period, p50, p99, cpu] = times.map(Duration::from_micros);
        let [in_flight_mean, queue_depth, sequential_share, burstiness, pressure] = numbers;
        Snapshot {
            period, reads, writes, syncs, errors, read_bytes, write_bytes, memory_bytes, compress_in_bytes,
            latency_p50: p50, latency_p99: p99, cpu, in_flight_mean, queue_depth, sequential_share, burstiness, pressure,
            compress_out_bytes: reads, prefetch_used_bytes: writes, prefetch_wasted_bytes: syncs,
            ..Snapshot::default()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Any measurements, clocks that jump, answers of all kinds: values stay in bounds, steps stay small, the same input decides the same.
    #[test]
    fn nothing_leaves_its_bounds(
        periods in prop::collection::vec((any_snapshot(), any::<u64>(), 0..4_u8, any_number()), 1..60),
        seed in any::<u64>(),
        tuner in 0..4_usize,
    ) {
        let config = ControllerConfig { seed, log_capacity: 7, memory_capacity: 3, operations_min: 1, ..ControllerConfig::default() };
        let make = rustfs_rio_tune::TUNERS[tuner].1;
        let mut pair = [0, 1].map(|_| Controller::with_tuner(config.clone(), make(seed)).unwrap());
        for (snapshot, at, answer, applied) in &periods {
            let [first, second] = pair.each_mut().map(|controller| controller.decide(Duration::from_millis(*at), snapshot));
            prop_assert_eq!(&first, &second);
            for decision in &first {
                prop_assert!(decision.parameter.bounds().contains(decision.to), "{}", decision);
                prop_assert!(decision.expected.gain.is_finite());
                for controller in &mut pair {
                    match answer {
                        0 => { controller.refuse(decision.id); }
                        1 => { controller.confirm(decision.id, *applied); }
                        2 => { controller.confirm(decision.id, decision.to); }
                        _ => {}
                    }
                }
            }
            for controller in &mut pair {
                prop_assert!(controller.parameters().is_within_bounds());
                prop_assert!(controller.log().len() <= 7);
                prop_assert!(controller.recommendations().len() <= Parameter::COUNT);
                let learnt = controller.learnt();
                prop_assert!(learnt.settings.len() <= 3);
                prop_assert!(learnt.settings.iter().all(|setting| setting.parameters.is_within_bounds()));
                prop_assert_eq!(rustfs_rio_tune::LearntState::decode(&learnt.encode()).map(|state| state.settings.len()), Ok(learnt.settings.len()));
            }
        }
    }
}
