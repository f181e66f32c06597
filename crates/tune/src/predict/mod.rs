//! What to read ahead, and when that has shown to pay.
//!
//! * `plan`: ranges, proposals, plans, feedback: the words of this module.
//! * `stream`, `stride`, `history`, `temporal`: the predictors. `odds`: how often something came true.
//! * `prefetcher`: asks all predictors, keeps what pays, and bounds it.
//! * `registry`: predictors by name, for comparisons.
//!
//! A new predictor implements [`Predictor`] and is handed to [`Prefetcher::with_predictors`](crate::Prefetcher::with_predictors), or is added to
//! [`registry`](crate::registry) to take part in `rio replay --compare`.

pub(crate) mod history;
pub(crate) mod odds;
pub(crate) mod plan;
pub(crate) mod prefetcher;
pub(crate) mod registry;
pub(crate) mod stream;
pub(crate) mod stride;
pub(crate) mod temporal;

use crate::access::Access;
use plan::{Feedback, PrefetchBounds, Proposals};

/// Guesses what will be read.
///
/// Rules for an implementation: no clock and no I/O, the time is that of the requests; all memory is taken at the start and
/// bounded; the same requests and feedback give the same proposals; no input panics. How good a guess is need not be known: the
/// [`Prefetcher`](crate::Prefetcher) measures each [class](plan::Proposal::class) of guesses on ghosts, which cost
/// no I/O, and issues only classes of which enough was used.
///
/// ```
/// use rustfs_rio_tune::{Access, PrefetchBounds, Predictor, Proposal, Proposals, Range};
///
/// /// After every request, the one behind it.
/// struct NextOne(PrefetchBounds);
///
/// impl Predictor for NextOne {
///     fn name(&self) -> &'static str {
///         "next-one"
///     }
///
///     fn observe(&mut self, access: &Access, proposals: &mut Proposals) {
///         let len = access.len.min(self.0.size_bytes);
///         let range = Range { space: access.space, offset: access.end(), len };
///         proposals.push(Proposal { range, probability: 0.5, class: 0, proven: false });
///     }
///
///     fn set_bounds(&mut self, bounds: PrefetchBounds) {
///         self.0 = bounds;
///     }
/// }
/// ```
pub trait Predictor: Send {
    /// Name for tables: lower case, unique among the predictors used together.
    fn name(&self) -> &'static str;

    /// Takes in one request and proposes what to read because of it. A proposal stays within
    /// [`PrefetchBounds::size_bytes`]; what is longer is cut.
    fn observe(&mut self, access: &Access, proposals: &mut Proposals);

    /// Takes in what became of a range that it had proposed. The prefetcher keeps accounts of its own; this is for predictors that
    /// adapt to it.
    fn feedback(&mut self, _feedback: &Feedback) {}

    /// Sets the limits from now on.
    fn set_bounds(&mut self, bounds: PrefetchBounds);

    /// Bytes of memory taken, for reports; 0 where it is not worth counting.
    fn bytes(&self) -> usize {
        0
    }
}
