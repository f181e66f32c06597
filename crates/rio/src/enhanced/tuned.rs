//! What a runtime with an optimizer can be asked and told.

use super::EnhancedRioRuntime;
use crate::optimizer::{AccessPattern, OptimizerError, PredictiveOptimizer};
use rustfs_rio_tune::{Decision, Parameter, Parameters, RequestError};
use std::collections::HashMap;

impl EnhancedRioRuntime {
    /// The optimizer, if [`enable_ml_optimizations`](crate::AdvancedRioConfig::enable_ml_optimizations) is on.
    #[must_use]
    pub fn predictive_optimizer(&self) -> Option<&PredictiveOptimizer> {
        self.parts.tuning.optimizer()
    }

    /// The tuned parameters as the parts that use them have them, or their defaults without an optimizer.
    #[must_use]
    pub fn parameters(&self) -> Parameters {
        self.predictive_optimizer().map(PredictiveOptimizer::parameters).unwrap_or_default()
    }

    /// The latest decisions of the optimizer, oldest first, with reason, expected and measured effect.
    #[must_use]
    pub fn decisions(&self) -> Vec<Decision> {
        self.predictive_optimizer().map(PredictiveOptimizer::decisions).unwrap_or_default()
    }

    /// What accesses look like, by name of the operation or path of the file.
    #[must_use]
    pub fn access_patterns(&self) -> HashMap<String, AccessPattern> {
        self.predictive_optimizer().map(PredictiveOptimizer::access_patterns).unwrap_or_default()
    }

    /// Changes a parameter while the runtime works, in the parameter's unit; see [`PredictiveOptimizer::set_parameter`].
    ///
    /// # Errors
    ///
    /// [`OptimizerError::Request`], also without an optimizer, which counts as a parameter that may not be changed.
    pub fn set_parameter(&self, parameter: Parameter, value: f64) -> Result<f64, OptimizerError> {
        match self.predictive_optimizer() {
            Some(optimizer) => optimizer.set_parameter(parameter, value),
            None => Err(RequestError::Frozen { parameter }.into()),
        }
    }
}
