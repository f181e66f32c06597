//! Ranks methods by what they make of measured surfaces.

use super::config::{ControlError, ControllerConfig};
use super::controller::Controller;
use super::objective::Objective;
use super::space::Space;
use super::surface::{Surface, Weather};
use super::tuner::TunerFactory;
use crate::{DecisionState, Parameters};
use serde::Serialize;
use std::time::Duration;

/// A workload that may change on the way.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// What is met, and for how many periods.
    pub phases: Vec<(Surface, u32)>,
}

/// What a method made of a scenario with one seed. Shares are of the score, as [`Decision`](crate::Decision)s measure it, without the noise: 1 is the best setting
/// there is, found by trying all.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Standing {
    /// The method.
    pub tuner: String,
    /// The scenario.
    pub scenario: String,
    /// Seed of noise and method.
    pub seed: u64,
    /// What the setting to start with comes to.
    pub start_share: f64,
    /// What the setting that was in force outside trials came to at the end of each phase.
    pub final_shares: Vec<f64>,
    /// Periods in each phase until that setting was within five per cent of the best, and stayed so for the rest of the phase; `None` if it did not.
    pub periods_to_95: Vec<Option<u32>>,
    /// Most periods in a row that were more than five per cent below the setting to start with, trials included.
    pub worst_run: u32,
    /// Mean over all periods, trials included.
    pub mean_share: f64,
    /// Decisions proposed.
    pub decisions: u64,
}

/// How methods compare over all scenarios and seeds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rank {
    /// The method.
    pub tuner: String,
    /// Share of the phases that ended within five per cent of the best.
    pub reached_95: f64,
    /// Mean of the final shares.
    pub final_share: f64,
    /// The worst of them.
    pub final_share_min: f64,
    /// Mean over all periods: what whoever waits for the I/O got.
    pub mean_share: f64,
    /// Share of the runs with more than one period in a row that was five per cent below the start.
    pub harmful: f64,
}

/// Runs each method on each scenario with each of `seeds` seeds.
///
/// # Errors
///
/// [`ControlError`] for a configuration that makes no sense.
pub fn compare_tuners(
    scenarios: &[Scenario],
    tuners: &[(&str, TunerFactory)],
    config: &ControllerConfig,
    seeds: u64,
) -> Result<Vec<Standing>, ControlError> {
    let mut standings = Vec::new();
    for (name, make) in tuners {
        for scenario in scenarios {
            for seed in 0..seeds {
                let controller = Controller::with_tuner(config.clone(), make(seed))?;
                standings.push(run(name, scenario, controller, config, seed));
            }
        }
    }
    Ok(standings)
}

/// Puts methods into an order, the best first: by the mean over all periods, which counts the end, the way there and every trial.
#[must_use]
pub fn rank(standings: &[Standing]) -> Vec<Rank> {
    let mut names: Vec<&str> = Vec::new();
    for standing in standings {
        if !names.contains(&standing.tuner.as_str()) {
            names.push(&standing.tuner);
        }
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
    let of = |name: &&str| {
        let own: Vec<&Standing> = standings.iter().filter(|standing| standing.tuner == **name).collect();
        let finals: Vec<f64> =
            own.iter().flat_map(|standing| standing.final_shares.iter().copied()).collect();
        let flag = |holds: bool| f64::from(u8::from(holds));
        Rank {
            tuner: (*name).to_owned(),
            reached_95: mean(&finals.iter().map(|share| flag(*share >= 0.95)).collect::<Vec<_>>()),
            final_share: mean(&finals),
            final_share_min: finals.iter().copied().fold(f64::INFINITY, f64::min),
            mean_share: mean(&own.iter().map(|standing| standing.mean_share).collect::<Vec<_>>()),
            harmful: mean(&own.iter().map(|standing| flag(standing.worst_run > 1)).collect::<Vec<_>>()),
        }
    };
    let mut ranks: Vec<Rank> = names.iter().map(of).collect();
    ranks.sort_by(|a, b| b.mean_share.total_cmp(&a.mean_share));
    ranks
}

fn run(
    tuner: &str,
    scenario: &Scenario,
    mut controller: Controller,
    config: &ControllerConfig,
    seed: u64,
) -> Standing {
    let objective = Objective { weights: config.weights, targets: config.targets };
    let start = config.start.clamp();
    let space = Space::new(&start, &config.codecs);
    let home = space.nearest(&start);
    let mut weather = Weather::new(seed ^ 0xA5A5);
    let mut engine: Parameters = start;
    let (mut period, mut run, mut total, mut periods) = (0_u64, 0, 0.0, 0.0);
    let mut standing = Standing {
        tuner: tuner.to_owned(),
        scenario: scenario.name.clone(),
        seed,
        start_share: 0.0,
        final_shares: Vec::new(),
        periods_to_95: Vec::new(),
        worst_run: 0,
        mean_share: 0.0,
        decisions: 0,
    };
    for (surface, length) in &scenario.phases {
        let (_, best) = surface.best(&space, &home, &objective);
        let of_start = (surface.score(&start, &objective) - best).exp();
        if standing.final_shares.is_empty() {
            standing.start_share = of_start;
        }
        let (mut within, mut settled) = (None, of_start);
        for n in 0..*length {
            let share = (surface.score(&engine, &objective) - best).exp();
            total += share;
            periods += 1.0;
            run = if share < 0.95 * of_start { run + 1 } else { 0 };
            standing.worst_run = standing.worst_run.max(run);
            let snapshot = surface.snapshot(&engine, weather.next(surface.noise()));
            period += 1;
            for decision in controller.decide(Duration::from_secs(period), &snapshot) {
                if decision.state == DecisionState::Proposed {
                    standing.decisions += 1;
                    let applied = engine.set(decision.parameter, decision.to);
                    controller.confirm(decision.id, applied);
                }
            }
            settled = (surface.score(&controller.settled(), &objective) - best).exp();
            within = if settled >= 0.95 { within.or(Some(n + 1)) } else { None };
        }
        standing.final_shares.push(settled);
        standing.periods_to_95.push(within);
    }
    standing.mean_share = total / f64::max(periods, 1.0);
    standing
}
