//! What is exported is what was recorded, and Prometheus's own tool accepts it and the rules in `deploy/`.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests stop at the first surprise"
)]
#![allow(clippy::print_stdout, reason = "a skipped test says why")]

use rustfs_rio_monitor::{
    Collector, CollectorConfig, Ended, ErrorClass, FileClass, Key, Operation, Path as Taken, Reading,
    Recorder, Targets, openmetrics,
};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

fn page() -> String {
    let recorder = Arc::new(Recorder::new());
    let interval = Duration::from_secs(1);
    let config = CollectorConfig { interval, targets: Targets::default(), retention: interval * 60 };
    let mut collector = Collector::new(config, Arc::clone(&recorder), Reading::default());
    let read = Key::new(Operation::Read, Taken::Ring, FileClass::Data);
    for micros in [3, 3, 700] {
        recorder.record(read, Ended::well(4096), Duration::from_micros(micros));
    }
    let write = Key::new(Operation::Write, Taken::Blocking, FileClass::Log);
    recorder.record(write, Ended::badly(0, ErrorClass::Device), Duration::from_millis(2));
    // A name that would end the label if it were not escaped.
    collector.record("a \"quoted\\ name\nof two lines", 1.5).unwrap();
    collector.record("x", f64::NAN).unwrap_err();
    collector.collect(Reading { wall: interval, monotonic: interval, ..Reading::default() });
    openmetrics(&collector).unwrap()
}

#[test]
fn the_page_holds_what_was_recorded() {
    let page = page();
    let lines = [
        r#"rio_operations_total{operation="read",path="ring",class="data"} 3"#,
        r#"rio_bytes_total{operation="read",path="ring",class="data"} 12288"#,
        r#"rio_failed_operations_total{operation="write",path="blocking",class="log"} 1"#,
        r#"rio_errors_total{operation="write",error="device"} 1"#,
        r#"rio_operation_duration_seconds_count{operation="read",path="ring"} 3"#,
        r#"rio_operation_duration_seconds_bucket{le="0.000002",operation="read",path="ring"} 0"#,
        r#"rio_operation_duration_seconds_bucket{le="0.000004",operation="read",path="ring"} 2"#,
        r#"rio_operation_duration_seconds_bucket{le="+Inf",operation="read",path="ring"} 3"#,
        r#"rio_live{metric="iops"} 4.0"#,
        r#"rio_application{metric="a \"quoted\\ name\nof two lines"} 1.5"#,
        "rio_refused_values_total 1",
    ];
    for line in lines {
        assert!(page.lines().any(|found| found == line), "no line {line} in\n{page}");
    }
    assert!(page.ends_with("# EOF\n"));
}

/// Runs promtool with `input`; `None`, and a note, where it is not installed.
fn promtool(arguments: &[&str], input: &str) -> Option<Output> {
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy");
    let mut command = Command::new("promtool");
    command.args(arguments).current_dir(deploy);
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    match child {
        Ok(mut child) => {
            child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
            Some(child.wait_with_output().unwrap())
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            skip("promtool is not installed (Debian package prometheus)");
            None
        }
        Err(error) => panic!("promtool: {error}"),
    }
}

fn skip(reason: &str) {
    assert!(std::env::var_os("RIO_REQUIRE_ALL").is_none_or(|value| value != "1"), "{reason}");
    let line = format!("RIO-SKIP: {reason}");
    println!("{line}");
    if let Some(log) = std::env::var_os("RIO_SKIP_LOG") {
        let mut log = std::fs::OpenOptions::new().append(true).create(true).open(log).unwrap();
        writeln!(log, "{line}").unwrap();
    }
}

#[test]
fn promtool_reads_the_page() {
    // promtool checks the older text format, which lacks the last line and the suffix of counters' names.
    let page = page().replace("# EOF\n", "");
    let Some(output) = promtool(&["check", "metrics"], &page) else { return };
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    // Status 3 is style: it wants the suffix in the type's line, where OpenMetrics has none.
    assert!(matches!(output.status.code(), Some(0 | 3)) && !said.contains("error while linting"), "{said}");
    let broken = promtool(&["check", "metrics"], "rio_operations_total{operation=} 3\n").unwrap();
    assert!(!matches!(broken.status.code(), Some(0 | 3)), "promtool accepts anything");
}

#[test]
fn the_alert_rules_fire_when_they_should() {
    let Some(output) = promtool(&["test", "rules", "prometheus-alerts.test.yml"], "") else { return };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&[output.stdout, output.stderr].concat()));
}

#[test]
fn rules_use_only_metrics_that_exist() {
    let rules = std::fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/prometheus-alerts.yml"),
    );
    let page = format!("{}rio_alert ", page());
    let mut seen = 0;
    for line in rules.unwrap().lines().filter(|line| line.trim_start().starts_with("expr:")) {
        for word in line
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .filter(|word| word.starts_with("rio_"))
        {
            seen += 1;
            assert!(
                page.contains(&format!("{word}{{")) || page.contains(&format!("{word} ")),
                "{word} is not exported"
            );
        }
    }
    assert!(seen >= 4);
}
