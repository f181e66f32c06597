//! A short run of everything, and a run on data that somebody else changes.
#![allow(clippy::unwrap_used, reason = "a failed step ends the test")]

use std::io::{Seek, SeekFrom, Write};
use std::time::Duration;

use rustfs_rio_load::Cancel;
use rustfs_rio_stress::{Plan, run};

fn plan(directory: &std::path::Path) -> Plan {
    Plan {
        directory: directory.to_owned(),
        duration: Duration::from_millis(1500),
        tasks: 3,
        file_bytes: 8 << 20,
        seed: 5,
        faults: true,
        workers: 2,
        cancel: Cancel::new(),
    }
}

#[test]
fn a_short_run_finds_nothing_and_leaves_nothing() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let report = run(&plan(directory.path()), &mut |_| {}).unwrap();
    assert_eq!(report.problems(), Vec::<String>::new(), "{report:#?}");
    assert_eq!(report.roles.len(), 6);
    for role in &report.roles {
        assert!(role.operations > 0 && role.verified_bytes > 0, "{role:?}");
    }
    let of = |name| report.roles.iter().find(|role| role.role == name).unwrap();
    assert!(of("dropped futures").dropped > 0 && of("faulty device").injected_errors > 0, "{report:#?}");
    assert!(report.books.0 > 0);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    assert!(serde_json::to_value(&report).unwrap()["roles"][0]["problem"].is_null());
}

#[test]
fn a_byte_that_somebody_changes_is_found() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut changed = false;
    let plan = Plan { duration: Duration::from_secs(20), ..plan(directory.path()) };
    let cancelled = plan.cancel.clone();
    let report = run(&plan, &mut |at| {
        // All of the first cached file, so that it is found by the next read of any block.
        let file = std::fs::read_dir(directory.path()).unwrap().flatten().find_map(|entry| {
            let path = entry.path().join("data");
            path.exists().then_some(path)
        });
        if let (Some(path), false) = (file, changed) {
            let mut file = std::fs::File::options().write(true).open(path).unwrap();
            file.seek(SeekFrom::Start(0)).unwrap();
            file.write_all(&vec![0xA5; 8 << 20]).unwrap();
            changed = true;
        }
        if at > Duration::from_secs(60) {
            cancelled.set();
        }
    })
    .unwrap();
    assert!(report.problems().iter().any(|problem| problem.contains("blocks")), "{report:#?}");
}
