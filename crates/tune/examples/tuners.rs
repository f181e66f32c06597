//! Ranks the methods of tuning on recorded surfaces: `tuners FILE [--seeds N] [--periods N] [--json]`.
//!
//! Every surface of the file is a scenario, and the first two also alternate. See `docs/decisions/0046-tuning-method.md`.
#![allow(clippy::print_stdout, reason = "an example shows its results")]

use rustfs_rio_tune::{
    Controller, ControllerConfig, Scenario, Standing, Surface, TUNERS, compare_tuners, rank,
};
use std::error::Error;
use std::time::{Duration, Instant};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().ok_or("usage: tuners FILE [--seeds N] [--periods N] [--json]")?;
    let (mut seeds, mut periods, mut json) = (5, 60, false);
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next().and_then(|value| value.parse::<u32>().ok());
        match argument.as_str() {
            "--seeds" => seeds = number().ok_or("--seeds takes a number")?,
            "--periods" => periods = number().ok_or("--periods takes a number")?,
            "--json" => json = true,
            other => return Err(format!("unknown option '{other}'").into()),
        }
    }
    let surfaces = Surface::parse(&std::fs::read_to_string(&file)?)?;
    let alone = surfaces.iter().map(|surface| Scenario {
        name: surface.name().to_owned(),
        phases: vec![(surface.clone(), periods)],
    });
    let mut scenarios: Vec<Scenario> = alone.collect();
    if let [first, second, ..] = &surfaces[..] {
        let phases = [first, second, first, second].map(|surface| (surface.clone(), periods)).to_vec();
        scenarios.push(Scenario { name: "shifting".into(), phases });
    }
    let standings = compare_tuners(&scenarios, &TUNERS, &ControllerConfig::default(), seeds.into())?;
    if json {
        println!("{}", serde_json::to_string_pretty(&standings)?);
        return Ok(());
    }
    println!(
        "{:<12} {:<16} {:>6} {:>6} {:>6} {:>9} {:>6} {:>10}",
        "method", "workload", "start", "final", "min", "to 95 %", "mean", "worst run"
    );
    for (tuner, _) in TUNERS {
        for scenario in &scenarios {
            let own = |standing: &&Standing| standing.tuner == tuner && standing.scenario == scenario.name;
            print(&standings.iter().filter(own).collect::<Vec<_>>());
        }
    }
    println!("\n{:<12} {:>8} {:>8} {:>8} {:>8} {:>8}", "rank", "mean", "final", "min", ">= 95 %", "harmful");
    for rank in rank(&standings) {
        println!(
            "{:<12} {:>8.4} {:>8.4} {:>8.4} {:>8.3} {:>8.3}",
            rank.tuner,
            rank.mean_share,
            rank.final_share,
            rank.final_share_min,
            rank.reached_95,
            rank.harmful
        );
    }
    for (name, make) in TUNERS {
        let cost = cost(&surfaces[0], Controller::with_tuner(ControllerConfig::default(), make(0))?);
        println!("{name:<12} {:>8.1} us a decision", cost.as_secs_f64() * 1e6);
    }
    Ok(())
}

/// Mean time of a decision over 400 periods.
fn cost(surface: &Surface, mut controller: Controller) -> Duration {
    const PERIODS: u32 = 400;
    let mut total = Duration::ZERO;
    for period in 0..PERIODS {
        let wobble = f64::from(period % 7) * 0.004;
        let snapshot = surface.snapshot(controller.parameters(), [wobble, -wobble, wobble]);
        let begun = Instant::now();
        let decisions = controller.decide(Duration::from_secs(period.into()), &snapshot);
        total += begun.elapsed();
        for decision in decisions {
            controller.confirm(decision.id, decision.to);
        }
    }
    total / PERIODS
}

fn print(runs: &[&Standing]) {
    let Some(first) = runs.first() else { return };
    let finals: Vec<f64> = runs.iter().flat_map(|run| run.final_shares.iter().copied()).collect();
    let mut reached: Vec<u32> = runs
        .iter()
        .flat_map(|run| run.periods_to_95.iter().map(|periods| periods.unwrap_or(u32::MAX)))
        .collect();
    reached.sort_unstable();
    let middle = match reached[reached.len() / 2] {
        u32::MAX => "never".to_owned(),
        periods => periods.to_string(),
    };
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    println!(
        "{:<12} {:<16} {:>6.3} {:>6.3} {:>6.3} {:>9} {:>6.3} {:>10}",
        first.tuner,
        first.scenario,
        first.start_share,
        mean(&finals),
        finals.iter().copied().fold(f64::INFINITY, f64::min),
        middle,
        mean(&runs.iter().map(|run| run.mean_share).collect::<Vec<_>>()),
        runs.iter().map(|run| run.worst_run).max().unwrap_or(0)
    );
}
