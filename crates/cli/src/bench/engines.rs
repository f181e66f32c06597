//! What `rio bench` can measure.

use std::sync::Arc;

use rustfs_rio::AdvancedPerformanceMonitor;
use rustfs_rio_load::Target;
use rustfs_rio_load::target::{BareRing, Fio, Rio, SpawnBlocking, Threads, TokioFs};

/// Makes an engine whose operations a monitor counts.
type Watched = fn(Arc<AdvancedPerformanceMonitor>) -> Box<dyn Target>;

/// An engine that can be asked for.
#[derive(Debug)]
pub(super) struct Engine {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    /// Whether it runs without being asked for.
    pub(super) by_default: bool,
    pub(super) make: fn() -> Box<dyn Target>,
    /// The same with its operations counted by a monitor, for the engines that are Rio.
    pub(super) watched: Option<Watched>,
}

impl Engine {
    /// The engine, counted by a monitor if there is one and it can be.
    pub(super) fn target(&self, monitor: Option<&Arc<AdvancedPerformanceMonitor>>) -> Box<dyn Target> {
        match self.watched.zip(monitor) {
            Some((watched, monitor)) => watched(Arc::clone(monitor)),
            None => (self.make)(),
        }
    }
}

/// All engines, in the order of the tables.
pub(super) const ALL: [Engine; 8] = [
    Engine {
        name: "threads",
        what: "one thread per task, pread and pwrite: a floor",
        by_default: true,
        make: || Box::new(Threads),
        watched: None,
    },
    Engine {
        name: "bare-ring",
        what: "an io_uring loop without a runtime: a floor",
        by_default: true,
        make: || Box::new(BareRing),
        watched: None,
    },
    Engine {
        name: "fio",
        what: "the external program, where it is installed; its data is not checked",
        by_default: false,
        make: || Box::new(Fio),
        watched: None,
    },
    Engine {
        name: SUBJECT,
        what: "Rio as it is by default: the best path for each operation",
        by_default: true,
        make: || Box::new(Rio::auto()),
        watched: Some(|monitor| Box::new(Rio::auto().watched_by(monitor))),
    },
    Engine {
        name: "rio-uring",
        what: "Rio with everything through io_uring",
        by_default: true,
        make: || Box::new(Rio::uring()),
        watched: Some(|monitor| Box::new(Rio::uring().watched_by(monitor))),
    },
    Engine {
        name: "rio-blocking",
        what: "Rio with everything on its blocking threads",
        by_default: true,
        make: || Box::new(Rio::blocking()),
        watched: Some(|monitor| Box::new(Rio::blocking().watched_by(monitor))),
    },
    Engine {
        name: "spawn-blocking",
        what: "tokio::task::spawn_blocking, pread and pwrite",
        by_default: true,
        make: || Box::new(SpawnBlocking),
        watched: None,
    },
    Engine {
        name: "tokio-fs",
        what: "tokio::fs::File, seek and read or write",
        by_default: true,
        make: || Box::new(TokioFs),
        watched: None,
    },
];

/// The engine whose losses are pointed out.
pub(super) const SUBJECT: &str = "rio-auto";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_those_of_the_targets() {
        for engine in &ALL {
            assert_eq!((engine.make)().name(), engine.name);
        }
    }
}
