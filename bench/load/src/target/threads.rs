//! One thread per task and plain system calls: nothing between the task and the kernel.

use std::fs::File;
use std::thread;

use rustfs_rio_buf::AlignedBuf;

use super::{Target, parts};
use crate::{Job, LoadError, Notes, OpKind, Outcome, TaskLoop, read_full_at, write_full_at};

/// `pread` and `pwrite` on one thread per task.
#[derive(Debug, Default)]
pub struct Threads;

impl Target for Threads {
    fn name(&self) -> &str {
        "threads"
    }

    fn run(&self, job: &Job) -> Result<Outcome, LoadError> {
        job.measure(self.name(), |run| {
            let parts = parts(job)?;
            let sync = job.workload.sync_each;
            thread::scope(|scope| {
                for (index, (file, buf)) in parts.into_iter().enumerate() {
                    let task = run.task(index);
                    let spawned =
                        thread::Builder::new().spawn_scoped(scope, move || run_task(task, &file, buf, sync));
                    if let Err(error) = spawned {
                        run.fail(format!("cannot start thread {index}: {error}"));
                        break;
                    }
                }
            });
            Ok(Notes::default())
        })
    }
}

fn run_task(mut task: TaskLoop, file: &File, mut buf: AlignedBuf, sync: bool) {
    while let Some(op) = task.begin(&mut buf) {
        let result = match op.kind {
            OpKind::Read => read_full_at(file, &mut buf, op.offset),
            OpKind::Write => write_full_at(file, &buf, op.offset, sync),
        };
        task.finish(op, result, &buf);
    }
}
