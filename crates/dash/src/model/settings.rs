//! The configuration in force.

use super::Part;
use super::TunedParameter;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The configuration in force.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Configuration {
    /// The time on the server.
    pub now: u64,
    /// Every setting.
    pub settings: Vec<Setting>,
    /// The parameters that the optimizer may change, as they are now.
    pub parameters: Part<Vec<TunedParameter>>,
}

/// A setting.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Setting {
    /// Name of the field.
    pub name: String,
    /// The value in force.
    pub value: String,
    /// Where it came from.
    pub origin: String,
    /// Whether it is the built-in default.
    pub is_default: bool,
    /// Environment variables that can set it, the stronger one first.
    pub variables: Vec<String>,
    /// What it may be.
    pub allowed: String,
    /// Bad values that do not count.
    pub problems: Vec<SettingProblem>,
}

/// A bad value that does not count.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SettingProblem {
    /// Where it stands, what it is and what was expected.
    pub text: String,
}
