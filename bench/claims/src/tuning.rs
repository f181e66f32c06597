//! C12: what tuning reaches, on surfaces that were measured with the engine over a grid of settings.

use rustfs_rio_tune::{ControllerConfig, Scenario, Standing, Surface, TUNERS, compare_tuners};
use serde_json::json;

use crate::{Bar, Cell, ClaimError, Raw, Setting};

/// Performance of the engine on six workloads over a grid of settings, on two CPUs and one virtual disk.
const SURFACES: &str = include_str!("../../../fixtures/tuning-surfaces/v1/engine.txt");
/// The method that is the default.
const METHOD: &str = "gaussian";
/// Decision periods in which the best setting has to be found.
const PERIODS: u32 = 60;
/// Periods after a shift.
const RECOVERY: u32 = 20;

/// C12.
pub(crate) fn measure(setting: &Setting, raw: &mut Raw) -> Result<Vec<Cell>, ClaimError> {
    let surfaces = Surface::parse(SURFACES).map_err(ClaimError::setup("the recorded surfaces"))?;
    let alone = |surface: &Surface| Scenario {
        name: surface.name().to_owned(),
        phases: vec![(surface.clone(), PERIODS)],
    };
    let mut scenarios: Vec<Scenario> = surfaces.iter().map(alone).collect();
    if let [first, second, ..] = &surfaces[..] {
        let phases = [first, second, first].map(|surface| (surface.clone(), PERIODS)).to_vec();
        scenarios.push(Scenario { name: "shifting".to_owned(), phases });
    }
    setting.check()?;
    // The one that runs in a service unless told otherwise (docs/decisions/0046).
    let chosen: Vec<_> = TUNERS.into_iter().filter(|(name, _)| *name == METHOD).collect();
    let standings =
        compare_tuners(&scenarios, &chosen, &ControllerConfig::default(), setting.repeats.max(3) as u64);
    let standings = standings.map_err(ClaimError::setup("the controller"))?;
    raw.add(json!({ "claim": "C12", "runs": standings }));
    let mut cells = Vec::new();
    for scenario in &scenarios {
        let own: Vec<&Standing> =
            standings.iter().filter(|standing| standing.scenario == scenario.name).collect();
        let finals = own.iter().flat_map(|run| run.final_shares.iter().map(|share| share * 100.0)).collect();
        let name = format!("{}, of the best static setting after {PERIODS} periods", scenario.name);
        cells.push(Cell::new(name, "%", Bar::AtLeast(95.0), finals));
        let worst = own.iter().map(|run| f64::from(run.worst_run)).fold(0.0, f64::max);
        let name = format!("{}, periods in a row over 5 % below the defaults", scenario.name);
        cells.push(Cell::new(name, "", Bar::AtMost(1.0), vec![worst]));
    }
    let shifted = standings.iter().filter(|standing| standing.scenario == "shifting");
    let back = shifted.flat_map(|run| run.periods_to_95.iter().skip(1));
    let back = back.map(|periods| periods.map_or(f64::from(PERIODS), f64::from)).collect();
    cells.push(Cell::new("periods to the best after a shift", "", Bar::AtMost(f64::from(RECOVERY)), back));
    Ok(cells)
}
