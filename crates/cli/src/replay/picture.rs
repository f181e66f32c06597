//! `rio replay --picture FILE`: what a trace looks like.

use std::path::Path;

use anyhow::{Context, bail};
use rustfs_rio_dash::report::Picture;

use super::args::ReplayArgs;
use super::input::TraceReader;

/// Draws the trace into `path`, in a pass of its own.
pub(super) fn draw(args: &ReplayArgs, path: &Path) -> anyhow::Result<()> {
    let name = || format!("cannot draw {}", args.trace.display());
    let trace = TraceReader::open(&args.trace, args.format, args.unit_bytes)?;
    let requests = usize::try_from(args.requests.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
    let mut picture = Picture::new();
    for access in trace.take(requests) {
        picture.add(&access.with_context(name)?);
    }
    let title = args
        .trace
        .file_name()
        .map_or_else(|| args.trace.display().to_string(), |name| name.to_string_lossy().into_owned());
    let Some(chart) = picture.draw(&title) else {
        bail!("{} holds no request, so there is nothing to draw", args.trace.display())
    };
    std::fs::write(path, chart.to_svg()).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: ReplayArgs,
    }

    #[test]
    fn a_trace_becomes_a_picture_and_an_empty_one_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let (trace, svg) = (directory.path().join("a.keys"), directory.path().join("a.svg"));
        let line = ["replay", "--simulate", "--format", "keys", trace.to_str().unwrap()];
        let args = Line::parse_from(line).args;
        std::fs::write(&trace, "1\n2\n3\n1\n").unwrap();
        draw(&args, &svg).unwrap();
        assert!(std::fs::read_to_string(&svg).unwrap().contains("4 accesses, 16K read"));
        std::fs::write(&trace, "\n").unwrap();
        assert!(draw(&args, &svg).is_err());
        std::fs::write(&trace, "1\nx\n").unwrap();
        assert!(format!("{:#}", draw(&args, &svg).unwrap_err()).contains("line 2"));
    }
}
