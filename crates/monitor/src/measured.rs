//! The table of what parts of the service, the process and the machine count, for exports.

use crate::collector::Reading;
use crate::components::{CacheCounters, EngineCounters, PoolCounters};
use crate::system::Disks;

/// One number of a [`Reading`].
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    /// Its name; exports add `_total` to counters.
    pub name: &'static str,
    /// What it is, with its unit.
    pub help: &'static str,
    /// Whether it only grows.
    pub is_counter: bool,
    /// The value; `None` where the part does not exist or the machine does not tell.
    pub value: fn(&Reading) -> Option<f64>,
}

const fn counter(name: &'static str, help: &'static str, value: fn(&Reading) -> Option<f64>) -> Measured {
    Measured { name, help, is_counter: true, value }
}

const fn gauge(name: &'static str, help: &'static str, value: fn(&Reading) -> Option<f64>) -> Measured {
    Measured { name, help, is_counter: false, value }
}

fn pool(reading: &Reading, part: fn(&PoolCounters) -> u64) -> Option<f64> {
    reading.components.pool.as_ref().map(|pool| part(pool) as f64)
}

fn cache(reading: &Reading, part: fn(&CacheCounters) -> u64) -> Option<f64> {
    reading.components.cache.as_ref().map(|cache| part(cache) as f64)
}

fn engine(reading: &Reading, part: fn(&EngineCounters) -> u64) -> Option<f64> {
    reading.components.engine.as_ref().map(|engine| part(engine) as f64)
}

fn disks(reading: &Reading, part: fn(&Disks) -> u64) -> Option<f64> {
    reading.system.disks.as_ref().map(|disks| part(disks) as f64)
}

/// Everything that parts, process and machine count, in the order of exports.
pub const MEASURED: [Measured; 36] = [
    gauge("rio_in_flight", "Operations in flight", |r| Some(r.gauges.in_flight as f64)),
    gauge("rio_connections", "Clients, as the service counts them", |r| {
        Some(r.gauges.active_connections as f64)
    }),
    counter("rio_pool_hits", "Buffers served with memory that was there", |r| pool(r, |p| p.hits)),
    counter("rio_pool_misses", "Buffers for which memory came from the system", |r| pool(r, |p| p.misses)),
    gauge("rio_pool_waiting", "Requests that wait for a buffer", |r| pool(r, |p| p.waiting)),
    gauge("rio_pool_buffers_in_use", "Buffers in use", |r| pool(r, |p| p.buffers_in_use)),
    gauge("rio_pool_in_use_bytes", "Capacity of buffers in use", |r| pool(r, |p| p.bytes_in_use)),
    gauge("rio_pool_idle_bytes", "Capacity of idle buffers", |r| pool(r, |p| p.bytes_idle)),
    gauge("rio_pool_bound_bytes", "Bound on the memory of buffers", |r| pool(r, |p| p.bytes_bound)),
    counter("rio_cache_hits", "Lookups that found their block", |r| cache(r, |c| c.hits)),
    counter("rio_cache_misses", "Lookups that did not", |r| cache(r, |c| c.misses)),
    counter("rio_cache_evictions", "Blocks that made room for others", |r| cache(r, |c| c.evictions)),
    gauge("rio_cache_bytes", "Bytes held by the cache", |r| cache(r, |c| c.bytes)),
    gauge("rio_cache_bound_bytes", "Bound on the bytes of the cache", |r| cache(r, |c| c.bytes_bound)),
    counter("rio_cache_prefetched", "Blocks read ahead", |r| cache(r, |c| c.prefetched)),
    counter("rio_cache_prefetched_used", "Blocks read ahead that were asked for", |r| {
        cache(r, |c| c.prefetched_used)
    }),
    counter("rio_engine_ring_enters", "Calls of io_uring_enter", |r| engine(r, |e| e.ring_enters)),
    counter("rio_engine_ring_completions", "Completions taken from rings", |r| {
        engine(r, |e| e.ring_completions)
    }),
    counter("rio_engine_rerouted", "Operations that the ring failed and the threads carried out", |r| {
        engine(r, |e| e.rerouted)
    }),
    gauge("rio_engine_threads", "Threads of the blocking pool", |r| engine(r, |e| e.threads)),
    counter("rio_process_cpu_seconds", "CPU time of the process", |r| r.system.cpu_seconds),
    gauge("rio_process_resident_bytes", "Resident memory of the process", |r| {
        r.system.resident_bytes.map(|bytes| bytes as f64)
    }),
    counter("rio_process_minor_faults", "Page faults without device access", |r| {
        r.system.page_faults.map(|(minor, _)| minor as f64)
    }),
    counter("rio_process_major_faults", "Page faults with device access", |r| {
        r.system.page_faults.map(|(_, major)| major as f64)
    }),
    gauge("rio_process_threads", "Threads of the process", |r| r.system.threads.map(|count| count as f64)),
    gauge("rio_process_open_files", "Open file descriptors", |r| {
        r.system.open_files.map(|count| count as f64)
    }),
    gauge("rio_process_open_files_max", "The limit on open file descriptors", |r| {
        r.system.open_files_max.map(|count| count as f64)
    }),
    gauge("rio_memory_used_bytes", "Memory used in the control group or the machine", |r| {
        r.system.memory_used.map(|bytes| bytes as f64)
    }),
    gauge("rio_memory_max_bytes", "Memory that the control group or the machine allows", |r| {
        r.system.memory_max.map(|bytes| bytes as f64)
    }),
    counter("rio_disk_read_bytes", "Bytes read from all block devices", |r| disks(r, |d| d.read_bytes)),
    counter("rio_disk_written_bytes", "Bytes written to all block devices", |r| {
        disks(r, |d| d.written_bytes)
    }),
    gauge("rio_disk_in_flight", "Requests in flight at all block devices", |r| disks(r, |d| d.in_flight)),
    counter("rio_disk_busy_milliseconds", "Time with requests in flight, summed over block devices", |r| {
        disks(r, |d| d.busy_millis)
    }),
    gauge("rio_pressure_io_percent", "Time that some task waited for block devices", |r| {
        r.system.pressure.io
    }),
    gauge("rio_pressure_memory_percent", "Time that some task waited for memory", |r| {
        r.system.pressure.memory
    }),
    gauge("rio_pressure_cpu_percent", "Time that some task waited for a CPU", |r| r.system.pressure.cpu),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_what_is_unknown_has_no_value() {
        let reading = Reading::default();
        for one in &MEASURED {
            assert_eq!(MEASURED.iter().filter(|other| other.name == one.name).count(), 1, "{}", one.name);
            let is_always_known = matches!(one.name, "rio_in_flight" | "rio_connections");
            assert_eq!((one.value)(&reading).is_some(), is_always_known, "{}", one.name);
        }
    }
}
