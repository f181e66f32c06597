//! What would help, in words.

use crate::monitor::OptimizationRecommendation;
use std::fmt;

/// Something that a person, or a service's operator, can do.
#[derive(Debug, Clone, PartialEq)]
pub struct RioRecommendation {
    /// What it is about, such as an alert's category or a parameter.
    pub subject: String,
    /// What to do.
    pub action: String,
    /// What to expect of it.
    pub expected: String,
    /// 1 to 10, 10 first.
    pub priority: u8,
    /// 0 to 1.
    pub confidence: f64,
}

impl From<OptimizationRecommendation> for RioRecommendation {
    fn from(found: OptimizationRecommendation) -> Self {
        Self {
            subject: found.category,
            action: found.action,
            expected: found.expected_impact,
            priority: found.priority,
            confidence: found.confidence,
        }
    }
}

impl fmt::Display for RioRecommendation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subject, action, expected, priority, confidence } = self;
        write!(f, "{subject}: {action} ({expected}; priority {priority}, confidence {confidence:.2})")
    }
}
