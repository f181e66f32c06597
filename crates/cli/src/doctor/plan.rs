//! What Rio makes of the machine and the settings.

use rustfs_rio::{ConfigValue, Origin, RuntimeHandle, RuntimeType};

use super::directory::Place;
use super::ring::Offered;

/// One thing that Rio will use.
#[derive(Debug)]
pub(super) struct Use {
    pub(super) name: &'static str,
    pub(super) value: String,
}

/// Everything that Rio will use, in the order in which an operation meets it.
pub(super) fn uses(
    handle: &RuntimeHandle,
    offered: &Offered,
    values: &[ConfigValue],
    place: &Place,
) -> Vec<Use> {
    let engine = handle.engine().config();
    let rings = handle.capabilities().rings;
    let rings_text = match rings {
        0 => "none".to_owned(),
        count => format!("{count}, each with {} operations in the kernel at most", engine.queue_depth),
    };
    let waiting = if rings > 0 { "the ring" } else { "a blocking thread" };
    let reads = match (engine.inline, place.is_memory, place.reads_at_once) {
        (true, true, _) | (true, _, Some(true)) => format!("on the calling task; others through {waiting}"),
        _ => format!("through {waiting}"),
    };
    let writes = match (engine.inline, place.is_memory, place.writes_at_once) {
        (true, true, _) | (true, _, Some(true)) => "on the calling task where they need not wait",
        _ => "through blocking threads",
    };
    let direct = match place.alignment {
        Some(alignment) => format!("through {waiting}, in multiples of {alignment} bytes"),
        None => "not in this directory; the page cache takes its place".to_owned(),
    };
    let rows = [
        ("runtime", runtime(handle, offered, values)),
        ("rings", rings_text),
        ("reads of resident data", reads),
        ("buffered writes", writes.to_owned()),
        ("direct transfers", direct),
        ("operations in flight", format!("{} at most, further ones wait", engine.max_concurrent_ops)),
        ("operations of a batch engine", format!("{} at most", handle.config().io_engine_concurrency)),
        ("blocking threads", format!("{} at most, started when needed", engine.blocking_threads_max)),
        ("kernel workers of a ring", format!("{} at most", engine.ring_workers_max)),
    ];
    let uses_ring = |name: &str| rings > 0 || name != "kernel workers of a ring";
    rows.into_iter().filter(|(name, _)| uses_ring(name)).map(|(name, value)| Use { name, value }).collect()
}

fn runtime(handle: &RuntimeHandle, offered: &Offered, values: &[ConfigValue]) -> String {
    if handle.runtime_type() == RuntimeType::IoUring {
        return "io_uring".to_owned();
    }
    if handle.config().runtime_type == RuntimeType::IoUring || offered.is_err() {
        return "blocking threads, because io_uring is refused".to_owned();
    }
    let setting = values.iter().find(|value| value.name == "runtime_type");
    match setting.map(|value| value.origin) {
        Some(Origin::Environment(variable)) => {
            format!("blocking threads, because {variable} switches io_uring off")
        }
        _ => "blocking threads".to_owned(),
    }
}
