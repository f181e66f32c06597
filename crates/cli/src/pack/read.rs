//! Unpacking, and ranges.

use std::io::{self, Read, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use rustfs_rio::{DiskFile, RuntimeHandle};
use rustfs_rio_stream::pack::{
    Contexts, Decoder, Directory, PREFIX_BYTES, PackError, Page, ReadOptions, Summary, TRAILER_BYTES,
    Trailer, header_bytes,
};
use serde_json::json;

use super::args::{CatArgs, UnpackArgs};
use super::output::Output;
use super::write::ENDING;
use super::{CHUNK_BYTES, Progress, keys, say};
use crate::UsageError;
use crate::bench::interrupt::Interrupt;

pub(super) fn read_options(key_file: Option<&Path>) -> anyhow::Result<ReadOptions> {
    let options = ReadOptions::new();
    Ok(match keys(key_file)? {
        Some(keys) => options.keys(keys),
        None => options,
    })
}

pub(super) async fn unpack(handle: &RuntimeHandle, args: &UnpackArgs) -> anyhow::Result<ExitCode> {
    let (options, target) = (read_options(args.key_file.as_deref())?, target(args)?);
    let interrupt = Interrupt::watch().context("cannot watch for signals")?;
    let standard = args.input == Path::new("-");
    let file = if standard { None } else { Some(DiskFile::open(&args.input, handle.clone()).await?) };
    let total = match &file {
        Some(file) => Some(file.stat().await?.size),
        None => None,
    };
    let mut output = Output::create(handle, &target, args.force).await?;
    let (mut decoder, mut content, mut at) = (Decoder::new(options), Vec::new(), 0u64);
    let (progress, stop) = (Progress::new(total), interrupt.cancel().flag());
    let mut chunk = Vec::with_capacity(CHUNK_BYTES);
    let summary = loop {
        chunk.clear();
        match &file {
            Some(file) => {
                let (read, filled) = file.read_into(chunk, at).await;
                read?;
                chunk = filled;
            }
            None => {
                let limited = io::stdin().lock().take(CHUNK_BYTES as u64).read_to_end(&mut chunk);
                limited.context("cannot read standard input")?;
            }
        }
        if chunk.is_empty() {
            break decoder.finish()?;
        }
        at += chunk.len() as u64;
        let mut rest = chunk.as_slice();
        while !rest.is_empty() {
            if stop.load(std::sync::atomic::Ordering::Relaxed) {
                return Ok(interrupt.exit_code());
            }
            let used = decoder.push(rest, &mut content)?;
            rest = rest.get(used..).unwrap_or_default();
            if !content.is_empty() {
                content = output.write(content).await?;
                content.clear();
            }
        }
        progress.at(at);
    };
    drop(progress);
    output.finish().await?;
    if target != Path::new("-") {
        say(&report(&target, &summary, args.json)?)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn report(path: &Path, summary: &Summary, json: bool) -> anyhow::Result<String> {
    if json {
        let value = json!({
            "file": path.display().to_string(),
            "content_bytes": summary.content_bytes,
            "pack_bytes": summary.pack_bytes,
            "frames": summary.frames,
            "checksums": super::inspect::checksums_json(&summary.checksums),
        });
        return Ok(format!("{}\n", serde_json::to_string_pretty(&value)?));
    }
    Ok(format!(
        "{}: {} bytes from {} frames, all checked\n",
        path.display(),
        summary.content_bytes,
        summary.frames
    ))
}

fn target(args: &UnpackArgs) -> anyhow::Result<PathBuf> {
    let ends = args.input.extension().is_some_and(|ending| ending == ENDING);
    match &args.output {
        Some(path) => Ok(path.clone()),
        None if ends => Ok(args.input.with_extension("")),
        None => {
            Err(UsageError("the pack's name does not end in .rpk; name the output with --output".into())
                .into())
        }
    }
}

pub(super) async fn cat(handle: &RuntimeHandle, args: &CatArgs) -> anyhow::Result<ExitCode> {
    let options = read_options(args.key_file.as_deref())?;
    let file = DiskFile::open(&args.input, handle.clone()).await?;
    let directory = open(&file, &options).await?;
    let length = directory.summary().content_bytes;
    let range = match &args.range {
        Some(text) => parse_range(text, length)?,
        None => 0..length,
    };
    let (mut contexts, mut content, mut out) = (Contexts::new(), Vec::new(), io::stdout().lock());
    let mut page: Option<(usize, Page)> = None;
    let frames = directory.frames(&range).map_err(|error| UsageError(error.to_string()))?;
    for frame in frames {
        let number = directory.page_of(frame);
        if page.as_ref().is_none_or(|(held, _)| *held != number) {
            let place = directory.page_place(number).ok_or(PackError::Index { offset: 0 })?;
            let bytes = file.read_range(place.start, place.end - place.start).await?;
            page = Some((number, directory.open_page(number, &bytes)?));
        }
        let place = page.as_ref().and_then(|(_, page)| directory.place(page, frame));
        let place = place.ok_or(PackError::Index { offset: 0 })?;
        let bytes = file.read_range(place.stored.start, place.stored.end - place.stored.start).await?;
        content.clear();
        directory.open_frame(&mut contexts, &place, &bytes, &mut content)?;
        let plain = &place.plain;
        let within =
            |at: u64| usize::try_from(at.clamp(plain.start, plain.end) - plain.start).unwrap_or(usize::MAX);
        out.write_all(content.get(within(range.start)..within(range.end)).unwrap_or_default())?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// Reads header, trailer and final segment.
async fn open(file: &DiskFile, options: &ReadOptions) -> anyhow::Result<Directory> {
    let size = file.stat().await?.size;
    let truncated = || PackError::Truncated { length: size };
    let prefix = file.read_range(0, PREFIX_BYTES as u64).await?;
    let length = header_bytes(prefix.first_chunk().ok_or_else(truncated)?)?;
    let header = file.read_range(0, length as u64).await?;
    let start = size.checked_sub(TRAILER_BYTES as u64).ok_or_else(truncated)?;
    let end = file.read_range(start, TRAILER_BYTES as u64).await?;
    let trailer = end.first_chunk().and_then(Trailer::decode).ok_or_else(truncated)?;
    let place = start.checked_sub(u64::from(trailer.length)).ok_or_else(truncated)?;
    let last = file.read_range(place, u64::from(trailer.length)).await?;
    Ok(Directory::open(&header, trailer, &last, size, options)?)
}

fn parse_range(text: &str, length: u64) -> anyhow::Result<Range<u64>> {
    let wrong = || UsageError(format!("--range {text} is no range; expected A..B, A.. or ..B in bytes"));
    let (start, end) = text.split_once("..").ok_or_else(wrong)?;
    let number =
        |text: &str, default| if text.is_empty() { Ok(default) } else { text.parse().map_err(|_| wrong()) };
    Ok(number(start, 0)?..number(end, length)?)
}
