//! A write-ahead log that is filled, dropped without being closed, and recovered, again and again.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use rustfs_rio::{RuntimeHandle, Wal, WalConfig};
use tokio::task::JoinSet;

use crate::random::Random;
use crate::scene::Role;

/// Records of one life of the log at most.
const RECORDS_MAX: u64 = 400;
/// Largest record in bytes.
const RECORD_MAX: u64 = 20_000;
/// Appends under way at once.
const APPENDERS: u64 = 4;

pub(crate) fn start(role: &Arc<Role>, directory: &Path, rio: &RuntimeHandle, tasks: &mut JoinSet<()>) {
    let (role, rio, path) = (Arc::clone(role), rio.clone(), directory.join("log"));
    tasks.spawn(async move {
        let mut life = 0;
        while role.goes_on(0) {
            if let Err(problem) = one_life(&role, &path, &rio, life).await {
                role.fail(problem);
            }
            life += 1;
        }
    });
}

/// The bytes of a record follow from its tag, which stands at its start.
fn record(tag: u64) -> Bytes {
    let mut random = Random::new(tag, 5, 0);
    let len = random.below(RECORD_MAX) as usize;
    let mut bytes = tag.to_le_bytes().to_vec();
    bytes.resize(8 + len, random.next() as u8);
    bytes.into()
}

async fn one_life(role: &Arc<Role>, path: &PathBuf, rio: &RuntimeHandle, life: u64) -> Result<(), String> {
    let config = WalConfig::default();
    let wal =
        Wal::new(path, rio.clone(), config.clone()).await.map_err(|error| format!("creating: {error}"))?;
    let wal = Arc::new(wal);
    let mut appenders = JoinSet::new();
    for appender in 0..APPENDERS {
        let (wal, mut random) = (Arc::clone(&wal), Random::new(role.seed ^ life, 4, appender));
        appenders.spawn(async move {
            let mut acknowledged = Vec::new();
            for _ in 0..random.below(RECORDS_MAX / APPENDERS) {
                let tag = random.next();
                let sequence =
                    wal.append(record(tag)).await.map_err(|error| format!("appending: {error}"))?;
                acknowledged.push((sequence, tag));
            }
            Ok::<_, String>(acknowledged)
        });
    }
    let mut acknowledged = Vec::new();
    while let Some(ended) = appenders.join_next().await {
        acknowledged.extend(ended.map_err(|error| error.to_string())??);
    }
    acknowledged.sort_unstable();
    // Odd lives end as a crash does: without a word to the log.
    if life.is_multiple_of(2) {
        wal.close().await.map_err(|error| format!("closing: {error}"))?;
    }
    drop(wal);
    let wal = Wal::open(path, rio.clone(), config).await.map_err(|error| format!("recovering: {error}"))?;
    let mut reader = wal.read_from(1).map_err(|error| format!("reading: {error}"))?;
    let mut expected = acknowledged.iter();
    let mut bytes = 0;
    while let Some(entry) = reader.next().await.map_err(|error| format!("reading: {error}"))? {
        let Some(&(sequence, tag)) = expected.next() else {
            return Err(format!("record {} was never appended", entry.sequence));
        };
        if entry.sequence != sequence || entry.data != record(tag) {
            return Err(format!("record {sequence} came back wrong, as {}", entry.sequence));
        }
        bytes += entry.data.len() as u64;
    }
    if let Some((sequence, _)) = expected.next() {
        return Err(format!("record {sequence} was acknowledged and is gone"));
    }
    wal.close().await.map_err(|error| format!("closing: {error}"))?;
    drop(wal);
    role.add(|report| {
        report.operations += acknowledged.len() as u64;
        report.verified_bytes += bytes;
    });
    std::fs::remove_dir_all(path).map_err(|error| format!("removing the log: {error}"))
}
