//! C9: what gathering submissions saves.

use rustfs_rio_load::target::Rio;
use rustfs_rio_load::{KIB, Outcome, Target, Workload};

use crate::cell::ratios;
use crate::{Bar, Cell, ClaimError, Raw, Setting};

const ON: &str = "rio-batching";
const OFF: &str = "rio-one-by-one";

/// C9.
pub(crate) fn measure(setting: &Setting, raw: &mut Raw) -> Result<Vec<Cell>, ClaimError> {
    let mut cells = Vec::new();
    for tasks in [32, 256] {
        let workload = Workload::random(4 * KIB, tasks).direct();
        let targets: [Box<dyn Target>; 2] = [Box::new(Rio::sampled(true)), Box::new(Rio::sampled(false))];
        let report = setting.compare(workload.clone(), &targets, raw)?;
        let change = |figure: fn(&Outcome) -> Option<f64>| -> Vec<f64> {
            let found = ratios(&report, &workload, ON, OFF, figure);
            found.into_iter().map(|ratio| (ratio - 1.0) * 100.0).collect()
        };
        let fewer = change(|outcome| outcome.enters_per_op).into_iter().map(|more| -more).collect();
        cells.push(Cell::new(
            format!("{tasks} tasks, fewer system calls per operation"),
            "%",
            Bar::AtLeast(50.0),
            fewer,
        ));
        let queue = "a closed loop keeps every task's operation in flight with and without batches";
        let in_flight = change(|outcome| outcome.mean_in_flight);
        cells.push(
            Cell::new(
                format!("{tasks} tasks, more operations in flight"),
                "%",
                Bar::AtLeast(35.0),
                in_flight.clone(),
            )
            .note(queue),
        );
        cells.push(
            Cell::new(format!("{tasks} tasks, better use of the queue"), "%", Bar::AtLeast(40.0), in_flight)
                .note("mean in flight over the same queue depth"),
        );
        let slower = change(|outcome| Some(outcome.p50_us));
        cells.push(Cell::new(format!("{tasks} tasks, p50 longer"), "%", Bar::AtMost(5.0), slower));
        cells.push(Cell::told(
            format!("{tasks} tasks, more IOPS"),
            "%",
            change(|outcome| Some(outcome.iops)),
        ));
    }
    Ok(cells)
}
