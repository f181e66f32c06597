//! tokio-uring: a current-thread tokio runtime with a ring, one per thread.

use std::sync::Arc;

use rustfs_rio_load::{Job, LoadError, OpKind, Outcome, Run, Target, TaskLoop};
use tokio_uring::fs::File;

use super::{RING_ENTRIES, per_core};
use crate::buffer::Buffer;

/// `tokio_uring::fs::File`.
#[derive(Debug, Default)]
pub struct TokioUring;

impl Target for TokioUring {
    fn name(&self) -> &str {
        "tokio-uring"
    }

    fn run(&self, job: &Job) -> Result<Outcome, LoadError> {
        per_core(job, self.name(), |run, tasks| {
            tokio_uring::builder().entries(RING_ENTRIES).start(async {
                let mut handles = Vec::new();
                for index in tasks {
                    let file = File::from_std(run.job().open()?);
                    handles.push(tokio_uring::spawn(carry_out(
                        Arc::clone(run),
                        run.task(index),
                        file,
                        run.job().buffer()?.into(),
                    )));
                }
                for handle in handles {
                    handle.await?;
                }
                Ok(())
            })
        })
    }
}

async fn carry_out(run: Arc<Run>, mut task: TaskLoop, file: File, mut buf: Buffer) {
    let sync = run.job().workload.sync_each;
    while let Some(op) = task.begin(&mut buf) {
        let (mut result, back) = match op.kind {
            OpKind::Read => file.read_at(buf, op.offset).await,
            OpKind::Write => file.write_at(buf, op.offset).submit().await,
        };
        buf = back;
        if sync && result.is_ok() {
            result = file.sync_data().await.and(result);
        }
        task.finish(op, result, &buf);
    }
}
