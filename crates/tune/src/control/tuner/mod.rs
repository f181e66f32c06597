//! Methods that suggest the next step. Which steps may be taken, and when one is undone, is not theirs to say.

pub(crate) mod bandit;
pub(crate) mod cholesky;
pub(crate) mod climb;
pub(crate) mod evolve;
pub(crate) mod gaussian;

use super::space::{Point, Space};
use crate::Parameter;

/// What a method knows when it is asked.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// The values that there are.
    pub space: &'a Space,
    /// The setting in force.
    pub here: Point,
    /// How much each parameter can matter for this workload, 0 to 1 by [`Parameter::index`]; 0 for one that may not be changed.
    pub relevance: [f64; Parameter::COUNT],
    /// Rungs that one step may take at most.
    pub step_max: u8,
    /// Standard deviation of the score of one period.
    pub noise: f64,
}

impl Situation<'_> {
    /// The parameters that may be changed and can matter.
    pub fn open(&self) -> impl Iterator<Item = Parameter> + '_ {
        Parameter::ALL.into_iter().filter(|parameter| self.relevance[parameter.index()] > 0.0)
    }
}

/// A change of the score, on a logarithmic scale, and its standard error.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// 0.05 for five per cent better.
    pub gain: f64,
    /// Standard error of the gain.
    pub error: f64,
}

/// A setting to try.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Suggestion {
    /// The setting.
    pub to: Point,
    /// What it should bring over the one in force.
    pub expected: Estimate,
}

/// A method of searching for better settings. The controller asks it for one step at a time and tells it what became of each.
///
/// The contract: a suggestion differs from the setting in force in at most two parameters, each open and by at most
/// [`step_max`](Situation::step_max) rungs; the controller ignores any other. A method holds bounded memory, draws randomness only from a
/// seed, and does not panic on any score. Scores are finite.
///
/// Register one by listing it with [`compare_tuners`](crate::compare_tuners), and use it with
/// [`Controller::with_tuner`](crate::Controller::with_tuner).
pub trait Tuner: Send + std::fmt::Debug {
    /// Its name, in rankings.
    fn name(&self) -> &'static str;

    /// Forgets all: the workload is another one.
    fn restart(&mut self);

    /// A period ended with this setting in force and this score; `noise` is the standard deviation of such scores.
    fn observe(&mut self, space: &Space, at: &Point, score: f64, noise: f64);

    /// The next step from the setting in force, or `None` if there is none worth its risk.
    fn suggest(&mut self, situation: &Situation<'_>) -> Option<Suggestion>;

    /// A trial of `to` instead of `from` ended.
    fn learn(&mut self, space: &Space, from: &Point, to: &Point, measured: Estimate, kept: bool);

    /// What the method makes of all observations about `to` instead of `from`, if it has a better view than the two means.
    fn compare(&self, _space: &Space, _from: &Point, _to: &Point) -> Option<Estimate> {
        None
    }
}

/// Makes a method, given a seed.
pub type TunerFactory = fn(u64) -> Box<dyn Tuner>;

/// The methods of this crate by name.
pub const TUNERS: [(&str, TunerFactory); 4] = [
    ("climb", |_| Box::new(climb::Climb::new())),
    ("bandit", |seed| Box::new(bandit::Bandit::new(seed))),
    ("gaussian", |_| Box::new(gaussian::Gaussian::new())),
    ("evolution", |seed| Box::new(evolve::Evolution::new(seed))),
];
