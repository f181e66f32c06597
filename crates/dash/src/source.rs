//! What a dashboard looks at.

use crate::model::{Cache, Decision, Part, Pattern, Prefetch, Recommendation, TunedParameter};
use crate::panel::words::{patterns, tuned};
use crate::sampler::{Tuning, now};
use rustfs_rio::{AdvancedPerformanceMonitor, ConfigValue, EnhancedRioRuntime, RuntimeHandle};
use std::pin::Pin;
use std::sync::Arc;

const NO_OPTIMIZER: &str = "the program runs a plain runtime, without optimizer";
const ADVANCED: &str = "start it with init_runtime_with_advanced_config";

/// An answer that takes a while.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A runtime with what is known about it. The dashboard holds a clone, so the runtime lives at least as long as its server.
pub trait Observed: Send + Sync + 'static {
    /// The runtime.
    fn runtime(&self) -> &RuntimeHandle;

    /// Its monitor; without one most panels say how to get one.
    fn monitor(&self) -> Option<&AdvancedPerformanceMonitor>;

    /// Every setting with its origin. Default: those of the runtime.
    fn config_values(&self) -> Vec<ConfigValue> {
        self.runtime().config().describe()
    }

    /// Access patterns that were recognised. Default: none, and why.
    fn patterns(&self) -> Part<Vec<Pattern>> {
        Part::or_absent(None, NO_OPTIMIZER, ADVANCED)
    }

    /// What was read ahead, without its columns over time. Default: nothing, and why.
    fn prefetch(&self) -> Part<Prefetch> {
        Part::or_absent(None, NO_OPTIMIZER, ADVANCED)
    }

    /// The cache, without its columns over time. Default: none, and why.
    fn cache(&self) -> Part<Cache> {
        Part::or_absent(None, NO_OPTIMIZER, ADVANCED)
    }

    /// Decisions, newest first. Default: none, and why.
    fn decisions(&self) -> Part<Vec<Decision>> {
        Part::or_absent(None, NO_OPTIMIZER, ADVANCED)
    }

    /// The parameters that may be tuned. Default: none, and why.
    fn parameters(&self) -> Part<Vec<TunedParameter>> {
        Part::or_absent(None, NO_OPTIMIZER, ADVANCED)
    }

    /// Counts of cache and prefetching, taken once a second.
    fn tuning(&self) -> Tuning {
        Tuning {
            cache: self.cache().data().map(|cache| (cache.hits, cache.misses)),
            prefetch: self.prefetch().data().map(|ahead| (ahead.issued, ahead.used, ahead.wasted)),
        }
    }

    /// What would help, most urgent first. Default: what the monitor says.
    fn recommendations(&self) -> Answer<'_, Part<Vec<Recommendation>>> {
        Box::pin(async {
            let Some(monitor) = self.monitor() else { return no_monitor() };
            let found = monitor.get_optimization_recommendations().await;
            Part::Data(found.into_iter().map(Recommendation::from).collect())
        })
    }
}

/// What a panel says that needs a monitor.
pub(crate) fn no_monitor<T>() -> Part<T> {
    let remedy = "make an AdvancedPerformanceMonitor and hand its recorder to the runtime, or switch on enable_performance_monitoring";
    Part::or_absent(None, "the runtime has no monitor", remedy)
}

/// A runtime and a monitor that a program made itself.
#[derive(Clone, Debug)]
pub struct Watched {
    runtime: RuntimeHandle,
    monitor: Arc<AdvancedPerformanceMonitor>,
}

impl Watched {
    /// Both together. The runtime should count into the monitor's recorder; the monitor takes the operations in flight from it.
    #[must_use]
    pub fn new(runtime: &RuntimeHandle, monitor: &Arc<AdvancedPerformanceMonitor>) -> Self {
        monitor.attach(runtime);
        Self { runtime: runtime.clone(), monitor: Arc::clone(monitor) }
    }
}

impl Observed for Watched {
    fn runtime(&self) -> &RuntimeHandle {
        &self.runtime
    }

    fn monitor(&self) -> Option<&AdvancedPerformanceMonitor> {
        Some(&self.monitor)
    }
}

impl Observed for RuntimeHandle {
    fn runtime(&self) -> &RuntimeHandle {
        self
    }

    fn monitor(&self) -> Option<&AdvancedPerformanceMonitor> {
        None
    }
}

impl Observed for EnhancedRioRuntime {
    fn runtime(&self) -> &RuntimeHandle {
        self.base_runtime()
    }

    fn monitor(&self) -> Option<&AdvancedPerformanceMonitor> {
        self.performance_monitor()
    }

    fn config_values(&self) -> Vec<ConfigValue> {
        EnhancedRioRuntime::config_values(self)
    }

    fn patterns(&self) -> Part<Vec<Pattern>> {
        let found = self.predictive_optimizer().map(|_| patterns(&self.access_patterns()));
        Part::or_absent(
            found,
            "the optimizer is off",
            "switch on enable_ml_optimizations and enable_pattern_learning",
        )
    }

    fn decisions(&self) -> Part<Vec<Decision>> {
        let decided = self.predictive_optimizer().map(|optimizer| {
            let born = now().saturating_sub(optimizer.age().as_secs());
            let decisions = EnhancedRioRuntime::decisions(self);
            decisions.iter().rev().map(|decision| Decision::of(decision, born)).collect()
        });
        Part::or_absent(
            decided,
            "the optimizer is off",
            "switch on enable_ml_optimizations and enable_auto_tuning",
        )
    }

    fn cache(&self) -> Part<Cache> {
        let cache = self.cache_stats().map(|stats| Cache {
            hits: stats.hit_blocks,
            misses: stats.missed_blocks + stats.joined_blocks + stats.bypassed_blocks,
            bytes: stats.held_bytes,
            bound_bytes: stats.capacity_bytes,
            evicted: stats.evicted_blocks,
            ..Cache::default()
        });
        Part::or_absent(cache, "the runtime has no block cache", "give the setting `cache` a size in bytes")
    }

    fn prefetch(&self) -> Part<Prefetch> {
        let block = self.cache_stats().map_or(0, |stats| stats.block_size as u64);
        let ahead = self.prefetch_stats().map(|stats| Prefetch {
            issued: stats.issued_blocks,
            // Those that somebody waited for were worth it too.
            used: stats.used_blocks + stats.late_blocks,
            wasted: stats.wasted_blocks,
            dropped: stats.dropped_blocks,
            bytes: stats.issued_blocks.saturating_mul(block),
            ..Prefetch::default()
        });
        let remedy = "give the setting `cache` a size in bytes and leave enable_predictive_prefetching on";
        Part::or_absent(ahead, "the runtime reads nothing ahead", remedy)
    }

    fn parameters(&self) -> Part<Vec<TunedParameter>> {
        Part::Data(tuned(self.live_parameters()))
    }

    fn recommendations(&self) -> Answer<'_, Part<Vec<Recommendation>>> {
        Box::pin(async {
            let found = self.get_optimization_recommendations().await;
            Part::Data(found.iter().map(Recommendation::from).collect())
        })
    }
}
