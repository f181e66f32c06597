//! Every setting by name: what the file, the environment and `describe` go by.

#[cfg(feature = "tune")]
mod cache;
mod monitor;
mod optimizer;
mod own;
mod runtime;

use super::setting::Setting;

/// All settings, in the order in which they are shown.
pub(crate) fn all() -> impl Iterator<Item = &'static Setting> {
    let first = own::SETTINGS.iter().chain(&runtime::SETTINGS).chain(CACHE);
    first.chain(&monitor::SETTINGS).chain(&optimizer::SETTINGS)
}

/// The setting of this name.
pub(crate) fn find(name: &str) -> Option<&'static Setting> {
    all().find(|setting| setting.name == name)
}

#[cfg(feature = "tune")]
static CACHE: &[Setting] = &cache::SETTINGS;
#[cfg(not(feature = "tune"))]
static CACHE: &[Setting] = &[];

const SWITCH: &str = "true, false, 1, 0, on, off";
