//! What the measurements say without a trial: which parameters can matter, and which way they should go.

use crate::snapshot::sane;
use crate::{Figure, Parameter, Parameters, Snapshot};

/// A parameter, the way it should go, and why.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Hint {
    pub(crate) parameter: Parameter,
    pub(crate) up: bool,
    pub(crate) figures: Vec<Figure>,
}

/// Share of a limit in use from which the limit is what operations wait for.
const AT_LIMIT: f64 = 0.85;
/// Requests that continue a stream, from which reading ahead is the first thing to try.
const MOSTLY_SEQUENTIAL: f64 = 0.6;
/// Share of the bytes read ahead that has to be used for more to be read, and below which less should be.
const USED_WELL: f64 = 0.75;
const USED_BADLY: f64 = 0.5;
/// Relevance is rounded to this, so that it does not change with every period.
const RELEVANCE_GRAIN: f64 = 0.25;
/// Below this share of its lowest bound in use, a limit cannot be what anything waits for.
const OUT_OF_REACH: f64 = 0.5;

/// How much a parameter can matter for what happened in a period, 0 to 1.
///
/// This is reasoning, not measurement: a limit that nothing comes near is not binding, reads that continue nothing cannot be read ahead,
/// and a codec does not matter where nothing is compressed.
pub(crate) fn relevance(parameter: Parameter, snapshot: &Snapshot) -> f64 {
    let in_flight = sane(snapshot.in_flight_mean, 0.0, 1e9);
    let near = |min: f64| sane(in_flight / (min * OUT_OF_REACH), 0.0, 1.0);
    let lowest = parameter.bounds().min;
    let share = match parameter {
        Parameter::PrefetchDistance | Parameter::PrefetchSize if snapshot.reads == 0 => 0.0,
        Parameter::PrefetchDistance | Parameter::PrefetchSize => {
            sane(snapshot.sequential_share, 0.0, 1.0) * 2.0
        }
        Parameter::BatchSize => near(lowest),
        // Somebody waits for company only where there are two.
        Parameter::BatchTimeout => sane(in_flight - 1.0, 0.0, 1.0),
        Parameter::Compression | Parameter::CompressionLevel => {
            f64::from(u8::from(snapshot.compress_in_bytes > 0))
        }
        Parameter::BufferPoolSize => near(lowest).max(0.25),
        Parameter::BufferSize => 1.0,
        Parameter::MaxConcurrentOps | Parameter::QueueDepth => near(lowest),
    };
    // A limit far out of reach is left alone altogether.
    (share.min(1.0) / RELEVANCE_GRAIN).floor() * RELEVANCE_GRAIN
}

/// The ways the measurements point, most certain first.
pub(crate) fn hints(snapshot: &Snapshot, values: &Parameters) -> Vec<Hint> {
    let mut found = Vec::new();
    let in_flight = sane(snapshot.in_flight_mean, 0.0, 1e9);
    let in_kernel = sane(snapshot.queue_depth, 0.0, 1e9);
    let limit = values.max_concurrent_ops as f64;
    if in_flight >= AT_LIMIT * limit {
        let figures = vec![Figure::new("in flight", in_flight, ""), Figure::new("limit", limit, "")];
        found.push(Hint { parameter: Parameter::MaxConcurrentOps, up: true, figures });
    }
    let depth = values.queue_depth as f64;
    if in_kernel >= AT_LIMIT * depth && in_flight > in_kernel {
        let figures = vec![
            Figure::new("in the kernel", in_kernel, ""),
            Figure::new("in flight", in_flight, ""),
            Figure::new("queue depth", depth, ""),
        ];
        found.push(Hint { parameter: Parameter::QueueDepth, up: true, figures });
    }
    found.extend(prefetch_hint(snapshot, values));
    found
}

fn prefetch_hint(snapshot: &Snapshot, values: &Parameters) -> Option<Hint> {
    let sequential = sane(snapshot.sequential_share, 0.0, 1.0);
    let used = snapshot.prefetch_used_share();
    let parameter = Parameter::PrefetchDistance;
    let mut figures = vec![Figure::new("sequential share", sequential, "")];
    figures.extend(used.map(|used| Figure::new("used of what was read ahead", used, "")));
    if used.is_some_and(|used| used < USED_BADLY) {
        return Some(Hint { parameter, up: false, figures });
    }
    if sequential < MOSTLY_SEQUENTIAL || snapshot.reads == 0 || used.is_some_and(|used| used < USED_WELL) {
        return None;
    }
    // What the device delivers while a read is under way has to be on its way already: bandwidth times delay, twice.
    let delay = snapshot.latency_p99.as_secs_f64();
    let wanted = 2.0 * snapshot.throughput_bps() * delay;
    let ahead = (values.prefetch_distance * values.prefetch_size) as f64;
    if ahead >= wanted {
        return None;
    }
    figures.push(Figure::new("read ahead", ahead, "bytes"));
    figures.push(Figure::new("bandwidth times delay", wanted / 2.0, "bytes"));
    Some(Hint { parameter, up: true, figures })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn busy() -> Snapshot {
        Snapshot {
            period: Duration::from_secs(1),
            reads: 10_000,
            read_bytes: 10_000 << 16,
            latency_p99: Duration::from_millis(2),
            in_flight_mean: 64.0,
            queue_depth: 31.5,
            sequential_share: 0.9,
            ..Snapshot::default()
        }
    }

    #[test]
    fn a_full_queue_and_a_long_pipe_point_upwards() {
        let found = hints(&busy(), &Parameters::default());
        let parameters: Vec<_> = found.iter().map(|hint| (hint.parameter, hint.up)).collect();
        assert_eq!(parameters, [(Parameter::QueueDepth, true), (Parameter::PrefetchDistance, true)]);
    }

    #[test]
    fn waste_points_downwards_and_idleness_nowhere() {
        let wasteful =
            Snapshot { prefetch_used_bytes: 10, prefetch_wasted_bytes: 90, queue_depth: 1.0, ..busy() };
        let found = hints(&wasteful, &Parameters::default());
        assert_eq!(
            found.iter().map(|hint| (hint.parameter, hint.up)).collect::<Vec<_>>(),
            [(Parameter::PrefetchDistance, false)]
        );
        assert_eq!(hints(&Snapshot::default(), &Parameters::default()), []);
    }

    #[test]
    fn what_cannot_matter_is_not_relevant() {
        let random = Snapshot { sequential_share: 0.0, in_flight_mean: 4.0, ..busy() };
        assert_eq!(relevance(Parameter::PrefetchSize, &random), 0.0);
        assert_eq!(relevance(Parameter::MaxConcurrentOps, &random), 0.0);
        assert_eq!(relevance(Parameter::Compression, &random), 0.0);
        assert_eq!(relevance(Parameter::QueueDepth, &busy()), 1.0);
        let odd = Snapshot { sequential_share: f64::NAN, in_flight_mean: f64::INFINITY, ..busy() };
        for parameter in Parameter::ALL {
            assert!((0.0..=1.0).contains(&relevance(parameter, &odd)), "{parameter}");
        }
    }
}
