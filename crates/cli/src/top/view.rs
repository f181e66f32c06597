//! What is drawn: a line of state, a page, a line of keys.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Cell, Paragraph, Row, Sparkline, Table, Wrap};
use rustfs_rio_dash::model::{Alert, Decision, History, IoMap, Latency, LatencyHeat, LatencyRow, Part};

use super::feed::Latest;

/// The pages, in the order of their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Page {
    #[default]
    Overview,
    Latency,
    Heat,
    Map,
    Decisions,
    Alerts,
}

impl Page {
    const ALL: [Self; 6] =
        [Self::Overview, Self::Latency, Self::Heat, Self::Map, Self::Decisions, Self::Alerts];

    fn name(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Latency => "Latency",
            Self::Heat => "Heat",
            Self::Map => "Map",
            Self::Decisions => "Decisions",
            Self::Alerts => "Alerts",
        }
    }

    pub(super) fn numbered(digit: char) -> Option<Self> {
        let number = digit.to_digit(10)? as usize;
        Self::ALL.get(number.checked_sub(1)?).copied()
    }

    pub(super) fn next(self) -> Self {
        Self::ALL[(self as usize + 1) % Self::ALL.len()]
    }

    pub(super) fn before(self) -> Self {
        Self::ALL[(self as usize + Self::ALL.len() - 1) % Self::ALL.len()]
    }
}

/// What is shown now.
#[derive(Debug, Default)]
pub(super) struct View {
    pub(super) page: Page,
    pub(super) paused: bool,
    pub(super) latest: Latest,
}

impl View {
    /// Draws into whatever size the terminal has.
    pub(super) fn draw(&self, frame: &mut Frame<'_>) {
        let [head, tabs, body, keys] = Layout::vertical([
            Constraint::Length(1),
            Constraint::Length(1),
            Constraint::Min(0),
            Constraint::Length(1),
        ])
        .areas(frame.area());
        frame.render_widget(self.head(), head);
        frame.render_widget(self.tabs(), tabs);
        match self.page {
            Page::Overview => self.overview(frame, body),
            Page::Latency => self.latency(frame, body),
            Page::Heat => self.heat(frame, body),
            Page::Map => self.map(frame, body),
            Page::Decisions => self.decisions(frame, body),
            Page::Alerts => self.alerts(frame, body),
        }
        let text = " q quit  1-6 Tab page  + - range  p pause ";
        frame.render_widget(Line::from(text).style(Style::new().add_modifier(Modifier::REVERSED)), keys);
    }

    fn head(&self) -> Line<'_> {
        let latest = &self.latest;
        let state = match (&latest.problem, self.paused) {
            (Some(problem), _) => Span::from(problem.as_str()).red().bold(),
            (None, true) => Span::from("paused").yellow(),
            (None, false) if latest.overview.is_none() => Span::from("asking").yellow(),
            (None, false) => Span::from("live").green(),
        };
        let program = latest.overview.as_ref().map_or_else(String::new, |overview| {
            let service = &overview.service;
            format!("{} {} up {} via {}  ", service.program, service.pid, time(service.up_s), service.io_path)
        });
        let range = format!("  range {}", time(latest.range));
        Line::from(vec![" rio top  ".bold(), Span::from(program), state, Span::from(range).dim()])
    }

    fn tabs(&self) -> Line<'_> {
        let tab = |(at, page): (usize, &Page)| {
            let text = format!(" {} {} ", at + 1, page.name());
            if *page == self.page { Span::from(text).bold().reversed() } else { Span::from(text) }
        };
        Line::from(Page::ALL.iter().enumerate().map(tab).collect::<Vec<_>>())
    }

    fn overview(&self, frame: &mut Frame<'_>, area: Rect) {
        let Some(overview) = &self.latest.overview else { return nothing(frame, area, "no data yet") };
        let alerts = (overview.alerts.len().min(4) as u16).max(1) + 2;
        let [numbers, history, below] =
            Layout::vertical([Constraint::Length(3), Constraint::Min(6), Constraint::Length(alerts)])
                .areas(area);
        match &overview.live {
            Part::Absent(absent) => nothing(frame, numbers, &format!("{}: {}", absent.why, absent.remedy)),
            Part::Data(live) => {
                let text = [
                    format!(
                        "{} op/s   {}/s   p50 {}   p95 {}   p99 {}   max {}",
                        count(live.iops),
                        bytes(live.throughput_bps),
                        micros(live.p50_us),
                        micros(live.p95_us),
                        micros(live.p99_us),
                        micros(live.max_us)
                    ),
                    format!(
                        "CPU {:.0} %   RSS {}   in flight {:.0}   errors {:.2} %   cache hits {:.1} %",
                        live.cpu_pct,
                        bytes(live.rss_bytes as f64),
                        live.queue_depth,
                        live.error_pct,
                        live.cache_hit_share * 100.0
                    ),
                ];
                let lines: Vec<Line<'_>> = text.into_iter().map(Line::from).collect();
                frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: true }), numbers);
            }
        }
        match &overview.history {
            Part::Absent(absent) => nothing(frame, history, &format!("{}: {}", absent.why, absent.remedy)),
            Part::Data(data) => sparklines(frame, history, data),
        }
        alert_lines(frame, below, &overview.alerts, " open alerts ");
    }

    fn latency(&self, frame: &mut Frame<'_>, area: Rect) {
        let Some(latency) = &self.latest.latency else { return nothing(frame, area, "no data yet") };
        match &latency.rows {
            Part::Absent(absent) => nothing(frame, area, &format!("{}: {}", absent.why, absent.remedy)),
            Part::Data(rows) => latency_table(frame, area, latency, rows),
        }
    }

    fn heat(&self, frame: &mut Frame<'_>, area: Rect) {
        let heat = self.latest.latency.as_ref().and_then(|latency| latency.heat.data());
        match heat {
            None => nothing(frame, area, "no operation ended in this time"),
            Some(heat) => latency_heat(frame, area, heat),
        }
    }

    fn map(&self, frame: &mut Frame<'_>, area: Rect) {
        match &self.latest.map {
            None => nothing(frame, area, "no data yet"),
            Some(Part::Absent(absent)) => nothing(frame, area, &format!("{}: {}", absent.why, absent.remedy)),
            Some(Part::Data(map)) => io_map(frame, area, map),
        }
    }

    fn decisions(&self, frame: &mut Frame<'_>, area: Rect) {
        match self.latest.decisions.as_ref().map(|decisions| &decisions.decisions) {
            None => nothing(frame, area, "no data yet"),
            Some(Part::Absent(absent)) => nothing(frame, area, &format!("{}: {}", absent.why, absent.remedy)),
            Some(Part::Data(decisions)) if decisions.is_empty() => {
                nothing(frame, area, "nothing was decided yet")
            }
            Some(Part::Data(decisions)) => decision_table(frame, area, decisions),
        }
    }

    fn alerts(&self, frame: &mut Frame<'_>, area: Rect) {
        let Some(alerts) = &self.latest.alerts else { return nothing(frame, area, "no data yet") };
        let [open, past] =
            Layout::vertical([Constraint::Percentage(50), Constraint::Percentage(50)]).areas(area);
        alert_lines(frame, open, &alerts.open, " open ");
        alert_lines(frame, past, &alerts.past, " past ");
    }
}

fn nothing(frame: &mut Frame<'_>, area: Rect, text: &str) {
    frame.render_widget(Paragraph::new(text).dim().wrap(Wrap { trim: true }), area);
}

fn sparklines(frame: &mut Frame<'_>, area: Rect, history: &History) {
    type Part<'a> = (&'a str, &'a [f64], fn(f64) -> String);
    let parts: [Part<'_>; 4] = [
        ("operations/s", &history.iops, count),
        ("bytes/s", &history.throughput_bps, bytes),
        ("p99", &history.p99_us, micros),
        ("in flight", &history.queue_depth, count),
    ];
    // As many as have two lines each.
    let rows = (usize::from(area.height) / 2).clamp(1, parts.len());
    let areas = Layout::vertical(vec![Constraint::Fill(1); rows]).split(area);
    for (area, (name, values, show)) in areas.iter().zip(parts) {
        let top = values.iter().copied().fold(0.0, f64::max);
        let title = format!(" {name}, up to {} ", show(top));
        let width = usize::from(area.width);
        let data: Vec<u64> = resample(values, width).iter().map(|value| scaled(*value, top)).collect();
        let block = Block::new().borders(ratatui::widgets::Borders::TOP).title(title);
        frame.render_widget(Sparkline::default().block(block).data(&data).max(1000).cyan(), *area);
    }
}

fn scaled(value: f64, top: f64) -> u64 {
    if top > 0.0 { (value / top * 1000.0) as u64 } else { 0 }
}

/// As many values as there are columns: means of neighbours, or each value several times.
fn resample(values: &[f64], width: usize) -> Vec<f64> {
    if values.is_empty() || width == 0 {
        return Vec::new();
    }
    let column = |at: usize| {
        let first = at * values.len() / width;
        let end = ((at + 1) * values.len() / width).max(first + 1);
        let part = &values[first..end.min(values.len())];
        part.iter().sum::<f64>() / part.len().max(1) as f64
    };
    (0..width).map(column).collect()
}

fn latency_table(frame: &mut Frame<'_>, area: Rect, latency: &Latency, rows: &[LatencyRow]) {
    let head = ["operation", "path", "per s", "bytes/s", "errors", "p50", "p90", "p99", "p99.9", "max"];
    let cells = |row: &LatencyRow| {
        Row::new(vec![
            Cell::from(row.operation.clone()),
            Cell::from(row.path.clone()),
            Cell::from(count(row.per_s)),
            Cell::from(bytes(row.bps)),
            Cell::from(row.errors.to_string()),
            Cell::from(micros(row.p50_us)),
            Cell::from(micros(row.p90_us)),
            Cell::from(micros(row.p99_us)),
            Cell::from(micros(row.p999_us)),
            Cell::from(micros(row.max_us)),
        ])
    };
    let widths = [10, 9, 8, 9, 7, 7, 7, 7, 7, 7].map(Constraint::Length);
    let title = format!(" the latest {} ", time(latency.covers_s));
    let table = Table::new(rows.iter().map(cells), widths)
        .header(Row::new(head).bold())
        .column_spacing(0)
        .block(Block::new().borders(ratatui::widgets::Borders::TOP).title(title));
    frame.render_widget(table, area);
}

/// From nothing to the most, by logarithm.
fn shade(value: f64, top: f64) -> (char, Color) {
    if value <= 0.0 || top <= 0.0 {
        return (' ', Color::Reset);
    }
    let level = ((1.0 + value).ln() / (1.0 + top).ln() * 4.0).ceil().clamp(1.0, 4.0) as usize;
    [
        ('\u{2591}', Color::Blue),
        ('\u{2592}', Color::Cyan),
        ('\u{2593}', Color::Yellow),
        ('\u{2588}', Color::Red),
    ][level - 1]
}

/// Cells with a label before each row; rows from top to bottom.
fn cells(frame: &mut Frame<'_>, area: Rect, rows: &[(String, Vec<f64>)], title: String) {
    const LABEL: usize = 10;
    let block = Block::new().borders(ratatui::widgets::Borders::TOP).title(title);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let width = usize::from(inner.width).saturating_sub(LABEL);
    let height = usize::from(inner.height).max(1);
    let top = rows.iter().flat_map(|(_, values)| values).copied().fold(0.0, f64::max);
    // Where there are more rows than lines, neighbours share one.
    let shared = rows.len().div_ceil(height).max(1);
    let lines: Vec<Line<'_>> = rows
        .chunks(shared)
        .map(|rows| {
            let columns = rows.iter().map(|(_, values)| values.len()).max().unwrap_or(0);
            let sum = |at: usize| rows.iter().filter_map(|(_, values)| values.get(at)).sum::<f64>();
            let sums: Vec<f64> = (0..columns).map(sum).collect();
            let label = rows.first().map_or("", |(label, _)| label.as_str());
            let mut spans = vec![Span::from(format!("{label:>9} ")).dim()];
            spans.extend(resample(&sums, width).into_iter().map(|value| {
                let (symbol, colour) = shade(value, top);
                Span::styled(symbol.to_string(), Style::new().fg(colour))
            }));
            Line::from(spans)
        })
        .collect();
    frame.render_widget(Paragraph::new(lines), inner);
}

fn latency_heat(frame: &mut Frame<'_>, area: Rect, heat: &LatencyHeat) {
    let rows: Vec<_> = heat
        .up_to_us
        .iter()
        .zip(&heat.per_s)
        .rev()
        .map(|(bound, row)| (micros(*bound), row.clone()))
        .collect();
    cells(frame, area, &rows, " latency over time, operations/s ".to_owned());
}

fn io_map(frame: &mut Frame<'_>, area: Rect, map: &IoMap) {
    let both = |at: usize| -> Vec<f64> {
        let (reads, writes) = (map.reads.get(at), map.writes.get(at));
        let pairs = reads.into_iter().flatten().zip(writes.into_iter().flatten());
        pairs.map(|(read, written)| (read + written) as f64).collect()
    };
    let rows: Vec<_> =
        map.offset.iter().enumerate().rev().map(|(at, offset)| (bytes(*offset as f64), both(at))).collect();
    let file = map.files.iter().find(|file| Some(file.id) == map.file);
    let path = file.map_or("no file", |file| file.path.as_str());
    cells(frame, area, &rows, format!(" offset over time, reads and writes, {path} "));
}

fn decision_table(frame: &mut Frame<'_>, area: Rect, decisions: &[Decision]) {
    let gain = |gain: f64| format!("{:+.1} %", gain * 100.0);
    let row = |one: &Decision| {
        let measured =
            one.measured.map_or_else(|| "not yet".to_owned(), |measured| gain(measured.effect.gain));
        Row::new(vec![
            format!("#{}", one.id),
            one.parameter.clone(),
            format!("{} > {}", one.from, one.to),
            gain(one.expected.gain),
            measured,
            one.state.clone(),
            one.reason.clone(),
        ])
    };
    let widths = [
        Constraint::Length(5),
        Constraint::Length(19),
        Constraint::Length(16),
        Constraint::Length(9),
        Constraint::Length(9),
        Constraint::Length(11),
        Constraint::Min(10),
    ];
    let head = Row::new(["", "parameter", "change", "expected", "measured", "state", "why"]).bold();
    frame.render_widget(Table::new(decisions.iter().map(row), widths).header(head), area);
}

fn alert_lines(frame: &mut Frame<'_>, area: Rect, alerts: &[Alert], title: &str) {
    let line = |alert: &Alert| {
        let colour = match alert.severity.as_str() {
            "critical" => Color::Red,
            "warning" => Color::Yellow,
            _ => Color::Cyan,
        };
        let action = alert.actions.first().map(|action| format!("; {action}")).unwrap_or_default();
        Line::from(vec![
            Span::styled(format!("{:<9}", alert.severity), Style::new().fg(colour).bold()),
            Span::from(format!("{}: {}{action}", alert.metric, alert.evidence)),
        ])
    };
    let lines: Vec<Line<'_>> =
        if alerts.is_empty() { vec![Line::from("none").dim()] } else { alerts.iter().map(line).collect() };
    let block = Block::new().borders(ratatui::widgets::Borders::TOP).title(title.to_owned());
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

fn count(value: f64) -> String {
    match value {
        value if value >= 1e6 => format!("{:.2}M", value / 1e6),
        value if value >= 1e4 => format!("{:.1}k", value / 1e3),
        value => format!("{value:.0}"),
    }
}

fn bytes(value: f64) -> String {
    let units = ["B", "K", "M", "G", "T"];
    let mut value = value;
    let mut at = 0;
    while value >= 1024.0 && at + 1 < units.len() {
        value /= 1024.0;
        at += 1;
    }
    if at == 0 { format!("{value:.0}B") } else { format!("{value:.1}{}", units[at]) }
}

fn micros(value: f64) -> String {
    match value {
        value if value >= 1e6 => format!("{:.1}s", value / 1e6),
        value if value >= 1e4 => format!("{:.0}ms", value / 1e3),
        value if value >= 1e3 => format!("{:.1}ms", value / 1e3),
        value if value >= 100.0 => format!("{value:.0}us"),
        value => format!("{value:.1}us"),
    }
}

fn time(seconds: u64) -> String {
    match seconds {
        seconds @ 0..120 => format!("{seconds}s"),
        seconds @ 120..7200 => format!("{}min", seconds / 60),
        seconds @ 7200..172_800 => format!("{}h", seconds / 3600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    #[test]
    fn every_page_is_drawn_at_any_size_without_data() {
        for (width, height) in [(1, 1), (10, 3), (80, 24), (200, 50)] {
            let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
            for page in Page::ALL {
                let view = View { page, ..View::default() };
                terminal.draw(|frame| view.draw(frame)).unwrap();
            }
        }
    }

    #[test]
    fn columns_are_means_or_repeats() {
        assert_eq!(resample(&[1.0, 3.0, 5.0, 7.0], 2), [2.0, 6.0]);
        assert_eq!(resample(&[1.0, 2.0], 4), [1.0, 1.0, 2.0, 2.0]);
        assert!(resample(&[], 4).is_empty());
    }

    #[test]
    fn pages_follow_each_other() {
        assert_eq!(Page::Alerts.next(), Page::Overview);
        assert_eq!(Page::Overview.before(), Page::Alerts);
        assert_eq!(
            (Page::numbered('3'), Page::numbered('0'), Page::numbered('x')),
            (Some(Page::Heat), None, None)
        );
    }
}
