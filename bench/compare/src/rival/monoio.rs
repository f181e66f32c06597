//! monoio: one runtime per thread.

use std::sync::Arc;

use monoio::fs::File;
use monoio::{IoUringDriver, RuntimeBuilder};
use rustfs_rio_load::{Job, LoadError, OpKind, Outcome, Run, Target, TaskLoop};

use super::{RING_ENTRIES, per_core};
use crate::buffer::Buffer;

/// `monoio::fs::File`.
#[derive(Debug, Default)]
pub struct Monoio;

impl Target for Monoio {
    fn name(&self) -> &str {
        "monoio"
    }

    fn run(&self, job: &Job) -> Result<Outcome, LoadError> {
        per_core(job, self.name(), |run, tasks| {
            let mut runtime = RuntimeBuilder::<IoUringDriver>::new().with_entries(RING_ENTRIES).build()?;
            runtime.block_on(async {
                let mut handles = Vec::new();
                for index in tasks {
                    let file = File::from_std(run.job().open()?)?;
                    handles.push(monoio::spawn(carry_out(
                        Arc::clone(run),
                        run.task(index),
                        file,
                        run.job().buffer()?.into(),
                    )));
                }
                for handle in handles {
                    handle.await;
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
            OpKind::Write => file.write_at(buf, op.offset).await,
        };
        buf = back;
        if sync && result.is_ok() {
            result = file.sync_data().await.and(result);
        }
        task.finish(op, result, &buf);
    }
}
