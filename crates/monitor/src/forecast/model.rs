//! The models, from simple to costly.

use augurs_core::{Fit, Predict};
use augurs_ets::AutoETS;
use augurs_mstl::MSTLModel;
use serde::{Deserialize, Serialize};

/// Error additive, trend chosen by information criterion, no season.
const ETS: &str = "AZN";

/// A way to foretell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ForecastModel {
    /// What was last.
    LastValue,
    /// What was one period before.
    SeasonalNaive,
    /// Exponential smoothing, with a trend if there is one.
    Ets,
    /// Seasons by repeated smoothing, exponential smoothing for the rest.
    MstlEts,
}

impl ForecastModel {
    /// From simple to costly.
    pub(super) const ALL: [Self; 4] = [Self::LastValue, Self::SeasonalNaive, Self::Ets, Self::MstlEts];

    /// The next values; `None` if the model does not apply or its fit fails.
    pub(super) fn forecast(self, values: &[f64], horizon: usize, period: Option<usize>) -> Option<Vec<f64>> {
        let points = match self {
            Self::LastValue => super::last_value(values, horizon),
            Self::SeasonalNaive => {
                let last = values.get(values.len().checked_sub(period?)?..)?;
                last.iter().copied().cycle().take(horizon).collect()
            }
            Self::Ets => AutoETS::new(1, ETS).ok()?.fit(values).ok()?.predict(horizon, None).ok()?.point,
            Self::MstlEts => {
                let rest = AutoETS::new(1, ETS).ok()?.into_trend_model();
                let fitted = MSTLModel::new(vec![period?], rest).fit(values).ok()?;
                fitted.predict(horizon, None).ok()?.point
            }
        };
        let is_sound = points.len() == horizon && points.iter().all(|point| point.is_finite());
        is_sound.then_some(points)
    }
}
