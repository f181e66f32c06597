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

/// Everything that Rio will use, in the order in which an operation meets it. Without a usable directory, what depends on
/// it is left out.
pub(super) fn uses(
    handle: &RuntimeHandle,
    offered: &Offered,
    values: &[ConfigValue],
    place: Option<&Place>,
) -> Vec<Use> {
    let engine = handle.engine().config();
    let rings = handle.capabilities().rings;
    let rings_text = match rings {
        0 => "none".to_owned(),
        count => format!("{count}, each with {} operations in the kernel at most", engine.queue_depth),
    };
    let mut rows = vec![("runtime", runtime(handle, offered, values)), ("rings", rings_text)];
    rows.extend(place.into_iter().flat_map(|place| paths(engine.inline, rings > 0, place)));
    rows.extend([
        ("operations in flight", format!("{} at most, further ones wait", engine.max_concurrent_ops)),
        ("operations of a batch engine", format!("{} at most", handle.config().io_engine_concurrency)),
        ("blocking threads", format!("{} at most, started when needed", engine.blocking_threads_max)),
    ]);
    if rings > 0 {
        rows.push(("kernel workers of a ring", format!("{} at most", engine.ring_workers_max)));
    }
    rows.into_iter().map(|(name, value)| Use { name, value }).collect()
}

/// Which way transfers take in a directory.
fn paths(inline: bool, has_ring: bool, place: &Place) -> [(&'static str, String); 3] {
    let waiting = if has_ring { "the ring" } else { "a blocking thread" };
    let at_once = |answer| inline && (place.is_memory || answer == Some(true));
    let reads = if at_once(place.reads_at_once) {
        format!("on the calling task; others through {waiting}")
    } else {
        format!("through {waiting}")
    };
    let writes = if at_once(place.writes_at_once) {
        "on the calling task where they need not wait"
    } else {
        "through blocking threads"
    };
    let direct = match place.alignment {
        Some(alignment) => format!("through {waiting}, in multiples of {alignment} bytes"),
        None => "none in this directory; the page cache takes their place".to_owned(),
    };
    [("reads of resident data", reads), ("buffered writes", writes.to_owned()), ("direct transfers", direct)]
}

fn runtime(handle: &RuntimeHandle, offered: &Offered, values: &[ConfigValue]) -> String {
    if handle.runtime_type() == RuntimeType::IoUring {
        return "io_uring".to_owned();
    }
    if handle.config().runtime_type == RuntimeType::IoUring || offered.is_err() {
        return "blocking threads, because io_uring is refused".to_owned();
    }
    let setting = values.iter().find(|value| value.name == "runtime.runtime_type");
    match setting.map(|value| value.origin) {
        Some(Origin::Environment(variable)) => {
            format!("blocking threads, because {variable} switches io_uring off")
        }
        _ => "blocking threads".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_of_a_transfer_follows_from_what_the_directory_answers() {
        let disk = Place {
            reads_at_once: Some(true),
            writes_at_once: Some(false),
            alignment: Some(512),
            is_memory: false,
        };
        let texts = |inline, has_ring, place: &Place| paths(inline, has_ring, place).map(|(_, text)| text);
        let [reads, writes, direct] = texts(true, true, &disk);
        assert!(reads.starts_with("on the calling task") && reads.ends_with("the ring"), "{reads}");
        assert!(writes.contains("blocking threads"), "{writes}");
        assert!(direct.contains("512"), "{direct}");
        let [reads, _, direct] = texts(false, false, &Place { alignment: None, ..disk });
        assert_eq!(reads, "through a blocking thread");
        assert!(direct.contains("page cache"), "{direct}");
        let memory = Place { is_memory: true, ..Place::default() };
        assert!(texts(true, true, &memory)[1].starts_with("on the calling task"));
    }
}
