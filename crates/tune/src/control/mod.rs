//! The loop that changes parameters: measures a period, decides, and judges what it decided.
//!
//! Modules, in reading order:
//!
//! * `objective`: one number for how well a period went. `space`: the steps each parameter can take.
//! * `tuner`: the trait of methods that suggest the next step, and the methods: coordinate climbing, a bandit over steps, a
//!   Gaussian process, an evolution strategy.
//! * `hint`: steps that follow from the measurements without trying.
//! * `controller`: what may be applied, for how long, and when it is undone; `explore`, `trial`, `shift` are its parts.
//! * `memory`, `learnt`: what worked for which workload, and its bytes.
//! * `surface`, `contest`: measured surfaces to try methods on, and their ranking.

pub(crate) mod config;
pub(crate) mod contest;
pub(crate) mod controller;
pub(crate) mod explore;
pub(crate) mod hint;
pub(crate) mod learnt;
pub(crate) mod memory;
pub(crate) mod objective;
pub(crate) mod random;
pub(crate) mod shift;
pub(crate) mod space;
pub(crate) mod surface;
pub(crate) mod trial;
pub(crate) mod tuner;
