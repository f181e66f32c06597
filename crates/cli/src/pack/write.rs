//! Packing.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use rustfs_rio::{DiskFile, RuntimeHandle, Slice};
use rustfs_rio_stream::codec::{Adaptive, CodecPolicy, Fixed, Method};
use rustfs_rio_stream::dare::Cipher;
use rustfs_rio_stream::pack::{PackOptions, Summary};
use rustfs_rio_stream::pipeline::{Packing, PackingStep, Workers};
use serde_json::json;

use super::args::PackArgs;
use super::output::Output;
use super::{Progress, keys, say};
use crate::UsageError;
use crate::bench::interrupt::Interrupt;

/// What is added to the name of a packed file.
pub(super) const ENDING: &str = "rpk";

/// Where content comes from.
enum Source {
    Standard(io::Stdin),
    File(DiskFile, u64),
}

impl Source {
    /// Fills `block` up to `bytes`; fewer only at the end.
    async fn fill(&mut self, block: Vec<u8>, bytes: usize) -> anyhow::Result<Vec<u8>> {
        match self {
            Self::Standard(input) => {
                let mut block = block;
                let limited = input.lock().take(bytes as u64).read_to_end(&mut block);
                limited.context("cannot read standard input")?;
                Ok(block)
            }
            Self::File(file, at) => {
                let (read, block) = file.read_into(Slice::of_capacity(block, 0, bytes), *at).await;
                *at += read? as u64;
                Ok(block.into_inner())
            }
        }
    }
}

pub(super) async fn pack(handle: &RuntimeHandle, args: &PackArgs) -> anyhow::Result<ExitCode> {
    let options = options(args)?;
    let target = target(args)?;
    let interrupt = Interrupt::watch().context("cannot watch for signals")?;
    let mut total = None;
    let mut source = if args.input == Path::new("-") {
        Source::Standard(io::stdin())
    } else {
        let file = DiskFile::open(&args.input, handle.clone()).await?;
        total = Some(file.stat().await?.size);
        Source::File(file, 0)
    };
    let mut output = Output::create(handle, &target, args.force).await?;
    let workers = match args.threads {
        Some(threads) => Workers::new(threads),
        None => Workers::for_all_cores(),
    };
    let workers = workers.context("cannot start threads")?;
    let mut packing = Packing::new(&workers, &options)?;
    let (progress, stop) = (Progress::new(total), interrupt.cancel().flag());
    let summary = loop {
        if stop.load(std::sync::atomic::Ordering::Relaxed) {
            return Ok(interrupt.exit_code());
        }
        match std::future::poll_fn(|cx| packing.poll_step(cx)).await? {
            PackingStep::Fill(block) => {
                let block = source.fill(block, packing.block_bytes()).await?;
                packing.submit(block)?;
            }
            PackingStep::Write(bytes) => {
                packing.recycle(output.write(bytes).await?);
                progress.at(packing.content_bytes());
            }
            PackingStep::Done(summary) => break summary,
        }
    };
    drop(progress);
    output.finish().await?;
    if target != Path::new("-") {
        say(&report(&target, &summary, args.json)?)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn options(args: &PackArgs) -> anyhow::Result<PackOptions> {
    let usage = |error: &dyn std::fmt::Display| UsageError(error.to_string());
    let policy: Arc<dyn CodecPolicy> = match args.codec.as_str() {
        "adaptive" => Arc::new(Adaptive::default()),
        method => Arc::new(Fixed(method.parse::<Method>().map_err(|error| usage(&error))?)),
    };
    let bytes = args.block.saturating_mul(1024);
    let options = PackOptions::new().block_bytes(bytes).map_err(|error| usage(&error))?;
    let options = options.policy(policy).checksums(args.checksum.iter().copied());
    Ok(match keys(args.key_file.as_deref())? {
        Some(keys) if args.chacha => options.encrypt(Cipher::ChaCha20Poly1305, keys),
        Some(keys) => options.encrypt(Cipher::Aes256Gcm, keys),
        None => options,
    })
}

fn target(args: &PackArgs) -> anyhow::Result<PathBuf> {
    match &args.output {
        Some(path) => Ok(path.clone()),
        None if args.input == Path::new("-") => {
            Err(UsageError("standard input has no name; give the pack one with --output".into()).into())
        }
        None => {
            let mut name = args.input.as_os_str().to_owned();
            name.push(".");
            name.push(ENDING);
            Ok(name.into())
        }
    }
}

fn report(path: &Path, summary: &Summary, json: bool) -> anyhow::Result<String> {
    let ratio = summary.pack_bytes as f64 / summary.content_bytes.max(1) as f64;
    if json {
        let value = json!({
            "pack": path.display().to_string(),
            "content_bytes": summary.content_bytes,
            "pack_bytes": summary.pack_bytes,
            "frames": summary.frames,
            "ratio": ratio,
            "checksums": super::inspect::checksums_json(&summary.checksums),
        });
        return Ok(format!("{}\n", serde_json::to_string_pretty(&value)?));
    }
    let mut text = format!(
        "{}: {} bytes in {} frames, {} stored ({:.1} %)\n",
        path.display(),
        summary.content_bytes,
        summary.frames,
        summary.pack_bytes,
        100.0 * ratio
    );
    for checksum in &summary.checksums {
        text += &format!("{:10} {}\n", checksum.algorithm().name(), checksum.to_hex());
    }
    Ok(text)
}
