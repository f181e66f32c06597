//! compio: completion-based, one runtime per thread.

use std::sync::Arc;

use compio::driver::ProactorBuilder;
use compio::fs::{File, OpenOptions};
use compio::io::{AsyncReadAt, AsyncWriteAt};
use compio::runtime::Runtime;
use rustfs_rio_load::{Job, LoadError, OpKind, Outcome, Run, Target};

use super::{RING_ENTRIES, per_core};
use crate::buffer::Buffer;

/// `compio::fs::File`.
#[derive(Debug, Default)]
pub struct Compio;

impl Target for Compio {
    fn name(&self) -> &str {
        "compio"
    }

    fn run(&self, job: &Job) -> Result<Outcome, LoadError> {
        per_core(job, self.name(), |run, tasks| {
            let mut proactor = ProactorBuilder::new();
            proactor.capacity(RING_ENTRIES);
            let runtime = Runtime::builder().with_proactor(proactor).build()?;
            runtime.block_on(async {
                let handles: Vec<_> =
                    tasks.map(|index| compio::runtime::spawn(run_task(Arc::clone(run), index))).collect();
                for handle in handles {
                    if handle.await.is_err() {
                        run.fail("a task panicked");
                    }
                }
            });
            Ok(())
        })
    }
}

async fn run_task(run: Arc<Run>, index: usize) {
    let job = run.job();
    let mut options = OpenOptions::new();
    options.read(true).write(job.workload.has_writes()).custom_flags(job.open_flags());
    match (options.open(&job.file.path).await, job.buffer()) {
        (Ok(file), Ok(buf)) => carry_out(&run, index, &file, buf.into()).await,
        (Err(error), _) => run.fail(format!("cannot open the file: {error}")),
        (_, Err(error)) => run.fail(error.to_string()),
    }
}

async fn carry_out(run: &Arc<Run>, index: usize, mut file: &File, mut buf: Buffer) {
    let mut task = run.task(index);
    let sync = run.job().workload.sync_each;
    while let Some(op) = task.begin(&mut buf) {
        let (mut result, back) = match op.kind {
            OpKind::Read => file.read_at(buf, op.offset).await.into(),
            OpKind::Write => file.write_at(buf, op.offset).await.into(),
        };
        buf = back;
        if sync && result.is_ok() {
            result = file.sync_data().await.and(result);
        }
        task.finish(op, result, &buf);
    }
}
