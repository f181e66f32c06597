//! One setting as text: how a person writes it, and how it is shown.

use super::AdvancedRioConfig;
use std::time::Duration;

/// A setting of [`AdvancedRioConfig`], by its name in the file.
pub(crate) struct Setting {
    /// Path of the key in the file; parts are joined by dots.
    pub(crate) name: &'static str,
    /// What it may be, for people.
    pub(crate) allowed: &'static str,
    /// Environment variables that set it, the stronger one first.
    pub(crate) variables: &'static [&'static str],
    /// The value in a form that `set` takes.
    pub(crate) get: fn(&AdvancedRioConfig) -> String,
    /// Sets the value; `false` if the text is not allowed.
    pub(crate) set: fn(&mut AdvancedRioConfig, &str) -> bool,
}

/// Stores what was parsed.
pub(super) fn put<T>(place: &mut T, parsed: Option<T>) -> bool {
    match parsed {
        Some(value) => {
            *place = value;
            true
        }
        None => false,
    }
}

pub(crate) fn switch(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "on" => Some(true),
        "false" | "0" | "off" => Some(false),
        _ => None,
    }
}

pub(super) fn whole(text: &str, least: u64, most: u64) -> Option<usize> {
    let value: u64 = text.trim().parse().ok()?;
    (least..=most).contains(&value).then(|| usize::try_from(value).ok())?
}

pub(super) fn number(text: &str, is_allowed: impl Fn(f64) -> bool) -> Option<f64> {
    let value: f64 = text.trim().parse().ok()?;
    (value.is_finite() && is_allowed(value)).then_some(value)
}

/// `none` or what `parse` takes.
pub(super) fn optional<T>(
    text: &str,
    none: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Option<Option<T>> {
    if text.trim().eq_ignore_ascii_case(none) { Some(None) } else { parse(text).map(Some) }
}

/// `512`, `64 KiB`, `1MiB`, `2 GiB`.
pub(super) fn bytes(text: &str, least: u64, most: u64) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let factor: u64 = match text[digits..].trim() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    let value = text[..digits].parse::<u64>().ok()?.checked_mul(factor)?;
    (least..=most).contains(&value).then_some(value)
}

/// `30`, `0.5` (seconds), `250ms`, `10 us`, `5 s`, `2m`, `1h`.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let end = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
    let seconds = match text[end..].trim() {
        "us" => 1e-6,
        "ms" => 1e-3,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(text[..end].parse::<f64>().ok()? * seconds).ok()
}

/// A duration above zero.
pub(super) fn period(text: &str) -> Option<Duration> {
    duration(text).filter(|duration| !duration.is_zero())
}

/// A duration in the largest unit that shows it exactly.
pub(super) fn show_duration(duration: Duration) -> String {
    let micros = duration.as_micros();
    match micros {
        _ if duration.subsec_nanos() == 0 => format!("{}s", duration.as_secs()),
        _ if micros.is_multiple_of(1000) => format!("{}ms", micros / 1000),
        _ => format!("{micros}us"),
    }
}

pub(super) fn show_optional<T: ToString>(value: Option<T>, none: &str) -> String {
    value.map_or_else(|| none.to_owned(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_have_units() {
        assert_eq!(bytes("64 KiB", 0, u64::MAX), Some(65536));
        assert_eq!(bytes("1MiB", 0, u64::MAX), Some(1 << 20));
        assert_eq!(bytes("12", 0, 11), None, "out of range");
        for bad in ["", "KiB", "1 kb", "-1", "99999999999999999999", "99999999999 GiB"] {
            assert_eq!(bytes(bad, 0, u64::MAX), None, "{bad}");
        }
        assert_eq!(duration("0.5"), Some(Duration::from_millis(500)));
        assert_eq!(duration("250 ms"), Some(Duration::from_millis(250)));
        assert_eq!(duration("2m"), Some(Duration::from_secs(120)));
        for bad in ["", "ms", "1 day", "-1", "1.2.3", "1e400h"] {
            assert_eq!(duration(bad), None, "{bad}");
        }
        for shown in ["30s", "20ms", "15us", "1500ms"] {
            assert_eq!(duration(shown).map(show_duration).as_deref(), Some(shown));
        }
    }
}
