//! Reports of one file, and pictures of access patterns: text with charts in it, which need neither scripts nor a network.
//!
//! * [`Report`], [`Section`]: HTML with tables and charts, light and dark, that also prints.
//! * [`bars`]: a chart for a section.
//! * [`Picture`]: offset over time, sequential runs and reuse of a trace.
//!
//! ```
//! use rustfs_rio_dash::report::{Bar, Report, Section, bars};
//!
//! let chart = bars("operations per second", &[Bar::new("rio", 1000.0, "1,000").marked(), Bar::new("other", 250.0, "250")]);
//! let report = Report::new("A comparison").note("made on one machine").section(Section::new("Reads").chart(chart));
//! assert!(report.to_html().contains("<svg"));
//! ```

mod html;
mod picture;
mod svg;

pub use html::{Report, Section};
pub use picture::Picture;
pub use svg::{Bar, Chart, bars};
