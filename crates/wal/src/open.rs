//! Creating a log, and opening one: recovery.

use crate::config::WalConfig;
use crate::directory::{CONTROL_NAME, Directory, Found};
use crate::error::{Damage, WalError};
use crate::examine::{self, Report};
use crate::format::LogId;
use crate::format::control::{CONTROL_BYTES, Control, ControlRead};
use crate::log::{Active, LiveSegment, Log, Published, Writer, open_for_writing, write_control};
use crate::survey;
use rustfs_rio_engine::{DirectMode, Engine, File, OpenOptions};
use std::io;

/// Makes an empty log whose first record will have the sequence `first_sequence`.
pub(crate) async fn create(
    engine: Engine,
    directory: Directory,
    config: WalConfig,
    (log, first_sequence): (LogId, u64),
) -> Result<(Log, Report), WalError> {
    config.check()?;
    let path = directory.path().to_owned();
    match directory.look().await? {
        Found::Nothing => directory.create().await?,
        Found::Directory => {}
        Found::Other => return Err(WalError::NotALog { path, reason: "it is no directory" }),
    }
    if directory.list().await?.iter().all(|name| name != CONTROL_NAME)
        && !survey::read_headers(&engine, &directory).await?.is_empty()
    {
        return Err(WalError::damaged(&path, Damage::Control));
    }
    let options = OpenOptions::new().read(true).write(true).create(true).mode(0o600);
    let file = engine.open(directory.join(CONTROL_NAME), &options).await?;
    if !directory.lock(&file)? {
        return Err(WalError::Locked { path });
    }
    // A log that has no segment is one whose creation was interrupted.
    let has_segments = !survey::read_headers(&engine, &directory).await?.is_empty();
    match survey::read_control(&engine, &directory).await? {
        ControlRead::Valid(control) if control.last_segment > 0 => return Err(WalError::Exists { path }),
        ControlRead::Damaged => return Err(WalError::damaged(&path, Damage::Control)),
        _ if has_segments => return Err(WalError::damaged(&path, Damage::Control)),
        _ => {}
    }
    let (result, _) = file.write_at(vec![0; CONTROL_BYTES], 0).await;
    result?;
    file.sync_all().await?;
    directory.sync().await?;
    let mut control = Control::new(log);
    control.truncated_before = first_sequence;
    write_control(&file, &mut control).await?;
    drop(file);
    let (log, report) = open(engine, directory, config).await?;
    log.prepare().await?;
    Ok((log, report))
}

/// Opens a log for writing and recovers what is durable in it.
pub(crate) async fn open(
    engine: Engine,
    directory: Directory,
    config: WalConfig,
) -> Result<(Log, Report), WalError> {
    config.check()?;
    let path = directory.path().to_owned();
    // Before the control file is opened for writing: what is no log is left alone.
    examine::find(&engine, &directory).await?;
    let options = OpenOptions::new().read(true).write(true);
    let control_file = engine.open(directory.join(CONTROL_NAME), &options).await?;
    if !directory.lock(&control_file)? {
        return Err(WalError::Locked { path });
    }
    // Once more, as nobody else writes from here on.
    let mut control = examine::find(&engine, &directory).await?;
    let plan = survey::plan(&control, survey::read_headers(&engine, &directory).await?);
    let last = match plan.live.last() {
        Some(segment) => {
            let block = segment.header.block_bytes;
            let opened = open_for_writing(&engine, &directory, &segment.name, false, (&config, block));
            Some(opened.await?)
        }
        None => None,
    };
    if let Some(file) = &last
        && !directory.lock(file)?
    {
        // An operation of a writer that is gone has not completed.
        return Err(WalError::Locked { path });
    }
    // Past the page cache: after a failed sync it may show what is not on the device.
    let probe = match plan.live.last() {
        Some(segment) => {
            let options = OpenOptions::new().read(true).direct(DirectMode::Auto);
            Some(engine.open(directory.join(&segment.name), &options).await?)
        }
        None => None,
    };
    let examined =
        examine::examine(&engine, &directory, &control, &plan, probe.as_ref(), |_, _, _| {}).await?;
    if let Some(damage) = examined.report.damage.first() {
        return Err(WalError::damaged(&path, damage.clone()));
    }
    // What was found is durable from here on, also if the machine stopped before it was synced.
    if let Some(file) = &last {
        file.sync_data().await?;
    }
    for file in &plan.headless {
        remove_unused(&directory, file).await;
    }
    let mut live: Vec<LiveSegment> = Vec::new();
    let infos = examined.report.segments.iter().skip(plan.spare.len());
    for (segment, info) in plan.live.iter().zip(infos) {
        live.push(LiveSegment {
            name: segment.name.clone(),
            number: segment.number,
            header: segment.header,
            end: info.used_bytes,
            next_sequence: info.next_sequence,
        });
    }
    control.epoch =
        control.epoch.checked_add(1).ok_or_else(|| io::Error::other("the log was opened 2^32 times"))?;
    control.closed = false;
    control.last_segment = live.last().map_or(0, |segment| segment.header.segment);
    let writer = writer(control, control_file, &plan, last, &examined).await?;
    let published = Published {
        segments: live.into(),
        spares: writer.spares.len(),
        next_sequence: writer.sequence,
        truncated_before: writer.control.truncated_before,
        checkpoint: writer.control.checkpoint,
        position: writer.position,
        unsynced: false,
    };
    Ok((Log::new(engine, directory, config, published, writer), examined.report))
}

async fn writer(
    control: Control,
    control_file: File,
    plan: &survey::Plan,
    last: Option<File>,
    examined: &examine::Examined,
) -> Result<Writer, WalError> {
    let mut writer = Writer::new(control, control_file);
    let numbers = plan.live.iter().chain(&plan.spare).map(|segment| segment.number);
    let headless = plan.headless.iter().map(|file| file.number);
    writer.next_file = numbers.chain(headless).max().unwrap_or(0) + 1;
    writer.spares = plan.spare.iter().cloned().collect();
    writer.commit = examined.expect.commit - 1;
    writer.durable_commit = writer.commit;
    if let (Some(file), Some(segment)) = (last, plan.live.last()) {
        let header = segment.header;
        writer.sequence = examined.expect.sequence;
        writer.chain = examined.expect.chain;
        writer.position = header.first_position + (examined.end - header.data_start());
        writer.active = Some(Active { file, header, offset: examined.end });
    }
    // The new epoch is durable before anything is written in it.
    writer.control.durable_commit = writer.durable_commit;
    write_control(&writer.control_file, &mut writer.control).await?;
    Ok(writer)
}

/// A file of zeros is one whose making was interrupted. Whatever else it is stays where it is.
async fn remove_unused(directory: &Directory, file: &survey::SegmentFile) {
    if file.header != crate::format::header::HeaderRead::Zero && file.bytes > 0 {
        tracing::warn!(file = file.name, "a file among the segments is none; it is left alone");
        return;
    }
    if let Err(error) = directory.remove(&file.name).await {
        tracing::warn!(file = file.name, %error, "an unfinished segment file could not be removed");
    }
}
