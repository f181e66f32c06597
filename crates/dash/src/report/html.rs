//! HTML reports of one file.

use super::svg::{Chart, STYLE, escape};
use std::fmt::Write;

const PAGE: &str = "body{margin:0 auto;max-width:1100px;padding:16px;font:15px/1.45 system-ui,sans-serif;background:#fff;color:#1b2430}\
    h1{font-size:22px}h2{font-size:17px;margin:26px 0 6px}p{margin:4px 0}.note{color:#5a6675}svg{max-width:100%;height:auto}\
    .charts{display:flex;flex-wrap:wrap;gap:12px}.scroll{overflow-x:auto}table{border-collapse:collapse;font-size:14px;\
    font-variant-numeric:tabular-nums;margin-top:6px}th,td{padding:3px 12px 3px 0;border-bottom:1px solid #d9dee5;text-align:right}\
    th:first-child,td:first-child{text-align:left}th{color:#5a6675;font-weight:500}\
    @media(prefers-color-scheme:dark){body{background:#1b2129;color:#e6eaf0}.note,th{color:#a2adbb}th,td{border-color:#323b47}}";

/// A report. All text is escaped; nothing in it is fetched.
#[derive(Debug, Clone)]
pub struct Report {
    title: String,
    notes: Vec<String>,
    sections: Vec<Section>,
}

/// A part of a report.
#[derive(Debug, Clone)]
pub struct Section {
    title: String,
    notes: Vec<String>,
    charts: Vec<Chart>,
    table: Option<(Vec<String>, Vec<Vec<String>>)>,
}

impl Report {
    /// An empty report.
    #[must_use]
    pub fn new(title: &str) -> Self {
        Self { title: title.to_owned(), notes: Vec::new(), sections: Vec::new() }
    }

    /// Adds a line below the title.
    #[must_use]
    pub fn note(mut self, text: &str) -> Self {
        self.notes.push(text.to_owned());
        self
    }

    /// Adds a part.
    #[must_use]
    pub fn section(mut self, section: Section) -> Self {
        self.sections.push(section);
        self
    }

    /// The file.
    #[must_use]
    pub fn to_html(&self) -> String {
        let title = escape(&self.title);
        let mut html = format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, \
             initial-scale=1\"><meta name=\"color-scheme\" content=\"light dark\"><title>{title}</title><style>{PAGE}{STYLE}</style></head>\
             <body><h1>{title}</h1>\n"
        );
        notes(&mut html, &self.notes);
        self.sections.iter().for_each(|section| section.write(&mut html));
        html.push_str("</body></html>\n");
        html
    }
}

impl Section {
    /// An empty part.
    #[must_use]
    pub fn new(title: &str) -> Self {
        Self { title: title.to_owned(), notes: Vec::new(), charts: Vec::new(), table: None }
    }

    /// Adds a line below the title.
    #[must_use]
    pub fn note(mut self, text: &str) -> Self {
        self.notes.push(text.to_owned());
        self
    }

    /// Adds a chart.
    #[must_use]
    pub fn chart(mut self, chart: Chart) -> Self {
        self.charts.push(chart);
        self
    }

    /// Sets the table: its heads, and its rows of as many cells.
    #[must_use]
    pub fn table(mut self, heads: &[&str], rows: Vec<Vec<String>>) -> Self {
        self.table = Some((heads.iter().map(|head| (*head).to_owned()).collect(), rows));
        self
    }

    // Writing to a string does not fail.
    fn write(&self, html: &mut String) {
        _ = writeln!(html, "<h2>{}</h2>", escape(&self.title));
        notes(html, &self.notes);
        if !self.charts.is_empty() {
            let charts: String = self.charts.iter().map(Chart::inline).collect();
            _ = writeln!(html, "<div class=\"charts\">{charts}</div>");
        }
        if let Some((heads, rows)) = &self.table {
            let cells = |tag: &str, cells: &[String]| -> String {
                cells.iter().map(|cell| format!("<{tag}>{}</{tag}>", escape(cell))).collect()
            };
            _ = write!(
                html,
                "<div class=\"scroll\"><table><thead><tr>{}</tr></thead><tbody>",
                cells("th", heads)
            );
            rows.iter().for_each(|row| _ = writeln!(html, "<tr>{}</tr>", cells("td", row)));
            html.push_str("</tbody></table></div>\n");
        }
    }
}

fn notes(html: &mut String, notes: &[String]) {
    notes.iter().for_each(|note| _ = writeln!(html, "<p class=\"note\">{}</p>", escape(note)));
}

#[cfg(test)]
mod tests {
    use super::super::{Bar, bars};
    use super::*;

    #[test]
    fn a_report_is_one_file_and_text_stays_text() {
        let section = Section::new("Reads & <writes>")
            .note("of 4 KiB")
            .chart(bars("operations per second", &[Bar::new("rio", 2.0, "2").marked()]))
            .table(&["engine", "op/s"], vec![vec!["<rio>".to_owned(), "2".to_owned()]]);
        let html = Report::new("Bench").note("a machine").section(section).to_html();
        assert!(
            html.contains("Reads &amp; &lt;writes&gt;") && html.contains("<td>&lt;rio&gt;</td>"),
            "{html}"
        );
        for foreign in ["<script", "src=", "url(", "@import", "href="] {
            assert!(!html.contains(foreign), "{foreign}");
        }
    }
}
