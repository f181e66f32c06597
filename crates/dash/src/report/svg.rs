//! Charts as SVG (<https://www.w3.org/TR/SVG2/>). Colours are classes, so that the page around decides on light and dark; a chart that is a
//! file of its own brings their rules.

use std::fmt::Write;

/// What a chart that is a file of its own brings; pages have it in their style.
pub(super) const STYLE: &str = "svg{font:13px system-ui,sans-serif;background:#fff}text{fill:#1b2430}.soft{fill:#5a6675}\
    .bar{fill:#9db4c8}.mark{fill:#0f4c81}.read{fill:#2f6fb3}.write{fill:#d9730d}.grid{stroke:#d9dee5;stroke-width:1}\
    @media(prefers-color-scheme:dark){svg{background:#1b2129}text{fill:#e6eaf0}.soft{fill:#a2adbb}.bar{fill:#4a5a6b}.mark{fill:#7db7ea}\
    .read{fill:#6fa8dc}.write{fill:#f0a050}.grid{stroke:#323b47}}";

/// A chart.
#[derive(Debug, Clone)]
pub struct Chart {
    width: u32,
    height: u32,
    label: String,
    body: String,
}

impl Chart {
    pub(super) fn new(width: u32, height: u32, label: &str) -> Self {
        Self { width, height, label: escape(label), body: String::new() }
    }

    // Writing to a string does not fail.
    pub(super) fn rect(&mut self, class: &str, [x, y, width, height]: [f64; 4], opacity: f64) {
        let fade = if opacity < 1.0 { format!(" opacity=\"{opacity:.2}\"") } else { String::new() };
        _ = write!(
            self.body,
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"{fade}/>"
        );
    }

    pub(super) fn line(&mut self, [x1, y1, x2, y2]: [f64; 4]) {
        _ = write!(
            self.body,
            "<line class=\"grid\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
        );
    }

    pub(super) fn text(&mut self, class: &str, x: f64, y: f64, anchor: &str, text: &str) {
        let text = escape(text);
        _ = write!(
            self.body,
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
        );
    }

    fn element(&self, style: &str) -> String {
        let Self { width, height, label, body } = self;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\" \
             aria-label=\"{label}\">{style}{body}</svg>"
        )
    }

    /// As a part of a page.
    pub(super) fn inline(&self) -> String {
        self.element("")
    }

    /// As a file of its own.
    #[must_use]
    pub fn to_svg(&self) -> String {
        self.element(&format!("<style>{STYLE}</style>"))
    }
}

pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

/// A bar of [`bars`].
#[derive(Debug, Clone)]
pub struct Bar {
    label: String,
    value: f64,
    text: String,
    is_marked: bool,
}

impl Bar {
    /// A bar with its label, its length and the value in words.
    #[must_use]
    pub fn new(label: &str, value: f64, text: &str) -> Self {
        Self { label: label.to_owned(), value, text: text.to_owned(), is_marked: false }
    }

    /// In the colour of what the report is about.
    #[must_use]
    pub fn marked(self) -> Self {
        Self { is_marked: true, ..self }
    }
}

/// Horizontal bars, one below the other, from zero.
#[must_use]
pub fn bars(title: &str, bars: &[Bar]) -> Chart {
    const WIDTH: f64 = 640.0;
    const LEFT: f64 = 150.0;
    const RIGHT: f64 = 110.0;
    const ROW: f64 = 24.0;
    const TOP: f64 = 26.0;
    let longest = bars.iter().map(|bar| bar.value).filter(|value| value.is_finite()).fold(0.0, f64::max);
    let mut chart = Chart::new(WIDTH as u32, (TOP + ROW * bars.len() as f64 + 6.0) as u32, title);
    chart.text("soft", 0.0, 14.0, "start", title);
    for (row, bar) in bars.iter().enumerate() {
        let y = TOP + ROW * row as f64;
        let share =
            if longest > 0.0 && bar.value.is_finite() { (bar.value / longest).clamp(0.0, 1.0) } else { 0.0 };
        let length = share * (WIDTH - LEFT - RIGHT);
        chart.text("", LEFT - 8.0, y + 15.0, "end", &bar.label);
        chart.rect(if bar.is_marked { "mark" } else { "bar" }, [LEFT, y + 3.0, length, ROW - 8.0], 1.0);
        chart.text("soft", LEFT + length + 6.0, y + 15.0, "start", &bar.text);
    }
    chart
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        let chart = bars(
            "<script>alert(1)</script>",
            &[Bar::new("a\"b&\u{1}", f64::NAN, "<b>"), Bar::new("x", f64::INFINITY, "")],
        );
        let svg = chart.to_svg();
        assert!(
            !svg.contains("<script") && !svg.contains("<b>") && !svg.contains("NaN") && !svg.contains("inf"),
            "{svg}"
        );
        assert!(svg.contains("&lt;script&gt;") && svg.contains("a&quot;b&amp; "));
    }
}
