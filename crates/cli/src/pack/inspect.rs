//! What a file is, and the first wrong byte in it.

use std::collections::BTreeMap;
use std::process::ExitCode;

use rustfs_rio::{DiskFile, RuntimeHandle};
use rustfs_rio_stream::checksum::Digest;
use rustfs_rio_stream::dare;
use rustfs_rio_stream::pack::{
    Decoder, MAGIC, PREFIX_BYTES, PackError, PackHeader, SegmentKind, Walker, header_bytes,
};
use rustfs_rio_stream::rustfs;
use rustfs_rio_stream::s2;
use serde_json::{Map, Value, json};

use super::args::InspectArgs;
use super::read::read_options;
use super::{CHUNK_BYTES, EXIT_DATA, Progress, say};
use crate::UsageError;

/// Enough for the head of any frame of a RustFS block stream.
const HEAD_BYTES: u64 = 18;

/// What was found, in the order in which it is shown.
struct Findings {
    lines: Vec<(&'static str, Value)>,
    /// The first damage, and where it is.
    damage: Option<(String, Option<u64>)>,
}

pub(super) async fn inspect(handle: &RuntimeHandle, args: &InspectArgs) -> anyhow::Result<ExitCode> {
    let file = DiskFile::open(&args.file, handle.clone()).await?;
    let size = file.stat().await?.size;
    let head = file.read_range(0, PREFIX_BYTES as u64).await?;
    let mut found = Findings { lines: vec![("bytes", json!(size))], damage: None };
    if head.starts_with(MAGIC) {
        pack(&file, size, args, &mut found).await?;
    } else if head.starts_with(b"\xff\x06\0\0S2sTwO") || head.starts_with(b"\xff\x06\0\0sNaPpY") {
        s2_stream(&file, size, &mut found).await?;
    } else if matches!(head.first_chunk(), Some([dare::VERSION, 0 | 1])) {
        dare_stream(&file, size, &mut found).await?;
    } else if matches!(rustfs::frame_head(&file.read_range(0, HEAD_BYTES).await?, 0), Ok(Some(head)) if head.frame_bytes <= size)
    {
        block_stream(&file, size, &mut found).await?;
    } else {
        let text = "the file is no Rio pack, S2 or Snappy stream, DARE 2.0 stream or RustFS block stream; nothing else is recognised by its first bytes";
        return Err(UsageError(text.into()).into());
    }
    say(&show(&found, args.json)?)?;
    Ok(if found.damage.is_some() { ExitCode::from(EXIT_DATA) } else { ExitCode::SUCCESS })
}

pub(super) fn checksums_json(checksums: &[Digest]) -> Value {
    let pairs =
        checksums.iter().map(|checksum| (checksum.algorithm().name().to_owned(), json!(checksum.to_hex())));
    Value::Object(pairs.collect::<Map<_, _>>())
}

fn show(found: &Findings, as_json: bool) -> anyhow::Result<String> {
    if as_json {
        let mut object: Map<String, Value> =
            found.lines.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        object.insert("sound".into(), json!(found.damage.is_none()));
        if let Some((text, offset)) = &found.damage {
            object.insert("damage".into(), json!(text));
            object.insert("first_bad_byte".into(), json!(offset));
        }
        return Ok(format!("{}\n", serde_json::to_string_pretty(&object)?));
    }
    let mut text = String::new();
    for (name, value) in &found.lines {
        match value {
            Value::Object(pairs) => {
                for (key, value) in pairs {
                    text += &format!("{:18}{key} {}\n", name.replace('_', " "), plain(value));
                }
            }
            value => text += &format!("{:18}{}\n", name.replace('_', " "), plain(value)),
        }
    }
    match &found.damage {
        Some((damage, Some(offset))) => text += &format!("damaged at byte {offset}: {damage}\n"),
        Some((damage, None)) => text += &format!("damaged: {damage}\n"),
        None => {}
    }
    Ok(text)
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

async fn pack(file: &DiskFile, size: u64, args: &InspectArgs, found: &mut Findings) -> anyhow::Result<()> {
    found.lines.push(("format", json!("Rio pack 1")));
    let header = match header(file).await? {
        Ok(header) => header,
        Err(error) => return damaged(found, &error),
    };
    let (header, length) = header;
    found.lines.push(("object", json!(header.object.to_string())));
    found.lines.push(("protection", json!(header.protection.name())));
    found.lines.push(("block_bytes", json!(header.block_bytes)));
    if let Some(key) = &header.key {
        found.lines.push(("key", json!(key.id.to_string())));
    }
    if let Some(dictionary) = &header.dictionary {
        found.lines.push(("dictionary", json!(dictionary.to_string())));
    }
    walk(file, size, Walker::of_header(&header, length), found).await?;
    if header.key.is_some() && args.key_file.is_none() {
        found.lines.push(("checked", json!("no: encrypted; give the key file")));
        return Ok(());
    }
    match verify(file, size, args).await? {
        Ok(decoder_summary) => {
            found.lines.push(("checksums", checksums_json(&decoder_summary.checksums)));
            found.lines.push(("checked", json!("every byte")));
            Ok(())
        }
        Err(error) => damaged(found, &error),
    }
}

fn damaged(found: &mut Findings, error: &PackError) -> anyhow::Result<()> {
    match error {
        // The file may be whole: the reader lacks something.
        PackError::Key(_) | PackError::KeyMissing { .. } | PackError::Dictionary { .. } => {
            Err(error.clone().into())
        }
        _ => {
            found.damage = Some((error.to_string(), error.offset()));
            Ok(())
        }
    }
}

async fn header(file: &DiskFile) -> anyhow::Result<Result<(PackHeader, usize), PackError>> {
    let prefix = file.read_range(0, PREFIX_BYTES as u64).await?;
    let Some(prefix) = prefix.first_chunk() else {
        return Ok(Err(PackError::Truncated { length: prefix.len() as u64 }));
    };
    let length = match header_bytes(prefix) {
        Ok(length) => length,
        Err(error) => return Ok(Err(error)),
    };
    let bytes = file.read_range(0, length as u64).await?;
    Ok(PackHeader::decode(&bytes).map(|(header, _)| (header, length)))
}

/// Counts segments by their headers, as far as they lead.
async fn walk(file: &DiskFile, size: u64, mut walker: Walker, found: &mut Findings) -> anyhow::Result<()> {
    let (mut frames, mut pages, mut plain, mut stored) = (0u64, 0u64, 0u64, 0u64);
    let mut codecs: BTreeMap<&str, u64> = BTreeMap::new();
    while !walker.is_done() && walker.offset() < size {
        let head = file.read_range(walker.offset(), 12).await?;
        let Some(Ok(segment)) = head.first_chunk().map(|head| walker.read(head)) else { break };
        match segment.kind {
            SegmentKind::Frame => {
                frames += 1;
                plain += segment.plain_bytes as u64;
                stored += segment.stored_bytes() as u64;
                *codecs.entry(segment.codec.name()).or_default() += 1;
            }
            SegmentKind::Index => pages += 1,
            SegmentKind::Final => {}
        }
        walker.pass(&segment);
    }
    found.lines.push(("content_bytes", json!(plain)));
    found.lines.push(("frames", json!(frames)));
    found.lines.push(("frames_by_codec", json!(codecs)));
    found.lines.push(("index_pages", json!(pages)));
    let ratio = (1000.0 * stored as f64 / plain.max(1) as f64).round() / 1000.0;
    found.lines.push(("ratio", json!(ratio)));
    Ok(())
}

async fn verify(
    file: &DiskFile,
    size: u64,
    args: &InspectArgs,
) -> anyhow::Result<Result<rustfs_rio_stream::pack::Summary, PackError>> {
    let mut decoder = Decoder::new(read_options(args.key_file.as_deref())?);
    let (progress, mut content, mut at) = (Progress::new(Some(size)), Vec::new(), 0);
    let mut chunk = Vec::with_capacity(CHUNK_BYTES);
    loop {
        chunk.clear();
        let (read, filled) = file.read_into(chunk, at).await;
        at += read? as u64;
        chunk = filled;
        if chunk.is_empty() {
            return Ok(decoder.finish());
        }
        let mut rest = chunk.as_slice();
        while !rest.is_empty() {
            content.clear();
            match decoder.push(rest, &mut content) {
                Ok(used) => rest = rest.get(used..).unwrap_or_default(),
                Err(error) => return Ok(Err(error)),
            }
        }
        progress.at(at);
    }
}

async fn s2_stream(file: &DiskFile, size: u64, found: &mut Findings) -> anyhow::Result<()> {
    found.lines.push(("format", json!("S2 or Snappy stream")));
    let (mut decoder, mut content, mut at) = (s2::Decoder::new(), Vec::new(), 0);
    let (mut plain, mut blocks, progress) = (0u64, 0u64, Progress::new(Some(size)));
    let mut result = Ok(());
    'file: while at < size {
        let chunk = file.read_range(at, CHUNK_BYTES as u64).await?;
        at += chunk.len() as u64;
        let mut rest: &[u8] = &chunk;
        while !rest.is_empty() {
            content.clear();
            match decoder.push(rest, &mut content) {
                Ok(used) => rest = rest.get(used..).unwrap_or_default(),
                Err(error) => {
                    result = Err(error);
                    break 'file;
                }
            }
            plain += content.len() as u64;
            blocks += u64::from(!content.is_empty());
        }
        progress.at(at);
    }
    let result = result.and_then(|()| decoder.finish());
    found.lines.push(("content_bytes", json!(plain)));
    found.lines.push(("blocks", json!(blocks)));
    found.lines.push((
        "checked",
        json!("checksums; the format has no end mark, so a loss between two blocks does not show"),
    ));
    found.damage = result.err().map(|error| (error.to_string(), s2_offset(&error)));
    Ok(())
}

fn s2_offset(error: &s2::S2Error) -> Option<u64> {
    use s2::S2Error as E;
    match error {
        E::Type { offset, .. }
        | E::Identifier { offset }
        | E::ChunkLength { offset, .. }
        | E::BlockLength { offset, .. }
        | E::Block { offset }
        | E::Checksum { offset, .. }
        | E::Truncated { offset } => Some(*offset),
        _ => None,
    }
}

/// Counts packages; without the key nothing more can be said.
async fn dare_stream(file: &DiskFile, size: u64, found: &mut Findings) -> anyhow::Result<()> {
    found.lines.push(("format", json!("DARE 2.0, encrypted")));
    let (mut at, mut packages, mut parts, mut plain, mut open) = (0u64, 0u64, 0u64, 0u64, false);
    while at < size {
        let head = file.read_range(at, dare::HEADER_BYTES as u64).await?;
        let Some(&[version, cipher, low, high, flags]) = head.first_chunk::<5>() else { break };
        let payload = u64::from(u16::from_le_bytes([low, high])) + 1;
        let end = at + payload + (dare::HEADER_BYTES + dare::TAG_BYTES) as u64;
        if version != dare::VERSION || cipher > 1 || end > size {
            break;
        }
        let last = flags & 0x80 != 0;
        (at, packages, plain, open) = (end, packages + 1, plain + payload, !last);
        parts += u64::from(last);
    }
    found.lines.push(("packages", json!(packages)));
    found.lines.push(("parts", json!(parts)));
    found.lines.push(("content_bytes", json!(plain)));
    found.lines.push(("checked", json!("lengths and flags only: the key of the object is not at hand")));
    if at < size {
        found.damage = Some(("no whole package begins here".into(), Some(at)));
    } else if open {
        found.damage = Some(("the stream ends before the last package of a part".into(), Some(size)));
    }
    Ok(())
}

/// Counts frames by their heads. The format does not name its codec, so their content is left to a reader that knows it.
async fn block_stream(file: &DiskFile, size: u64, found: &mut Findings) -> anyhow::Result<()> {
    found.lines.push(("format", json!("RustFS block stream")));
    let (mut at, mut frames, mut raw, mut plain, mut ended) = (0u64, 0u64, 0u64, 0u64, false);
    while at < size && !ended {
        let bytes = file.read_range(at, HEAD_BYTES).await?;
        let head = match rustfs::frame_head(&bytes, at) {
            Ok(Some(head)) if at + head.frame_bytes <= size => head,
            Ok(_) => {
                found.damage = Some(("the stream ends inside a frame".into(), Some(at)));
                break;
            }
            Err(error) => {
                found.damage = Some((error.to_string(), Some(at)));
                break;
            }
        };
        ended = head.end;
        at += head.frame_bytes;
        if !head.end {
            frames += 1;
            raw += u64::from(head.stored);
            plain = plain.saturating_add(head.plain_bytes);
        }
    }
    if ended && at < size {
        found.damage = Some(("bytes follow the end mark".into(), Some(at)));
    }
    found.lines.push(("content_bytes", json!(plain)));
    found.lines.push(("frames", json!(frames)));
    found.lines.push(("frames_stored_raw", json!(raw)));
    found.lines.push(("end_mark", json!(ended)));
    found.lines.push(("checked", json!("lengths only: the object's metadata names the codec")));
    Ok(())
}
