//! Coordinate climbing: one parameter at a time, on as long as it pays, with a longer stride after each success.

use super::{Estimate, Situation, Suggestion, Tuner};
use crate::Parameter;
use crate::control::space::{Point, Space};

/// Rounds over all parameters without a gain after which climbing rests.
const BARREN_ROUNDS: u32 = 1;

/// Climbs each parameter in turn. A parameter that was worse one way is tried the other way; one that was worse both ways is left
/// for the rest of the round.
#[derive(Debug, Clone, Default)]
pub struct Climb {
    /// By parameter: the way to go next, and whether each way is known not to pay from here.
    ways: [Way; Parameter::COUNT],
    turn: usize,
    barren: u32,
    gained: bool,
}

#[derive(Debug, Clone, Copy)]
struct Way {
    up: bool,
    stride: u8,
    barred: [bool; 2],
}

impl Default for Way {
    fn default() -> Self {
        Self { up: true, stride: 1, barred: [false; 2] }
    }
}

impl Way {
    fn bar(&mut self) {
        self.barred[usize::from(self.up)] = true;
        self.up = !self.up;
        self.stride = 1;
    }
}

impl Climb {
    /// Starts upwards: the defaults are at the low end of most ranges.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn next_turn(&mut self) {
        self.turn += 1;
        if self.turn == Parameter::COUNT {
            self.turn = 0;
            self.barren = if self.gained { 0 } else { self.barren + 1 };
            self.gained = false;
            self.ways.iter_mut().for_each(|way| way.barred = [false; 2]);
        }
    }
}

impl Tuner for Climb {
    fn name(&self) -> &'static str {
        "climb"
    }

    fn restart(&mut self) {
        *self = Self::new();
    }

    fn observe(&mut self, _: &Space, _: &Point, _: f64, _: f64) {}

    fn suggest(&mut self, situation: &Situation<'_>) -> Option<Suggestion> {
        // Every parameter twice each way is more than a round.
        for _ in 0..4 * Parameter::COUNT {
            if self.barren > BARREN_ROUNDS {
                return None;
            }
            let parameter = Parameter::ALL[self.turn];
            let way = &mut self.ways[self.turn];
            if situation.relevance[self.turn] <= 0.0 || way.barred == [true; 2] {
                self.next_turn();
                continue;
            }
            if way.barred[usize::from(way.up)] {
                way.up = !way.up;
            }
            let rungs = i32::from(way.stride.min(situation.step_max)) * if way.up { 1 } else { -1 };
            match situation.space.step(&situation.here, parameter, rungs) {
                Some(to) => {
                    let expected = Estimate { gain: 0.0, error: situation.noise };
                    return Some(Suggestion { to, expected });
                }
                None => way.bar(),
            }
        }
        None
    }

    fn learn(&mut self, _: &Space, from: &Point, to: &Point, _: Estimate, kept: bool) {
        let Some(parameter) = from.changes(to).next() else { return };
        let way = &mut self.ways[parameter.index()];
        if kept {
            way.stride = way.stride.saturating_mul(2).min(8);
            // Where it came from is worse.
            way.barred[usize::from(!way.up)] = true;
            self.gained = true;
        } else {
            way.bar();
        }
    }
}
