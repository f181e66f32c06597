//! What stands in place of the optimizer in builds without the feature `tune`: nothing that does anything.

use crate::buffers::AdvancedBufferPool;
use crate::config::AdvancedRioConfig;
use crate::enhanced::RioRecommendation;
use crate::error::RuntimeError;
use crate::runtime::RuntimeHandle;
use rustfs_rio_monitor::Recorder;
use std::sync::Arc;
use tokio::time::Instant;

pub(crate) struct Tuning;

impl Tuning {
    pub(crate) fn recorder(_: &AdvancedRioConfig) -> Option<Arc<Recorder>> {
        None
    }

    pub(crate) fn start(
        config: &AdvancedRioConfig,
        _: &RuntimeHandle,
        _: Option<&AdvancedBufferPool>,
    ) -> Result<Self, RuntimeError> {
        if config.enable_ml_optimizations {
            tracing::debug!("the optimizer is switched on and not built in; build with the feature `tune`");
        }
        Ok(Self)
    }

    pub(crate) async fn record_access(&self, _: &str, _: u64, _: usize) {}

    pub(crate) async fn record_performance(&self, _: &str, _: f64, _: f64) {}

    pub(crate) async fn recommendations(&self) -> Vec<RioRecommendation> {
        Vec::new()
    }

    pub(crate) async fn end(&self, _: Instant) -> bool {
        true
    }
}
