//! Reading an encrypted stream.

use std::fmt;

use aws_lc_rs::aead::{Aad, LessSafeKey};

use super::block::{checksum, parse};
use super::sealed::{
    BLOCK, END, END_FRAME, HEADER_BYTES, LENGTH_EXCESS, SealedError, TAG_BYTES, aead_nonce, block_nonce,
    cipher, legacy_part_nonce, multipart_part_nonce,
};
use crate::key::DataKey;
use crate::varint;

/// How nonces are made, oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rule {
    /// The (legacy) part's nonce for every block: RustFS 0.0.5.
    Constant,
    /// The legacy part's nonce plus the number of the block.
    LegacyPart,
    /// The part's nonce plus the number of the block.
    Current,
}

const RULES: [Rule; 3] = [Rule::Current, Rule::LegacyPart, Rule::Constant];

/// Turns the bytes of an encrypted stream, in pieces of any size, into its content.
///
/// Bytes come out only after their block was authenticated. It holds at most one block, below 16 MiB, and of that only what has come.
/// The nonces of older versions are recognised at the first two blocks of a part and held on to; a later part may follow a newer rule, never
/// an older one. After an error, every call returns that error.
pub struct OpenDecoder {
    key: Option<LessSafeKey>,
    base_nonce: [u8; 12],
    parts: Option<std::vec::IntoIter<usize>>,
    part: usize,
    /// The rules that the part may still follow.
    rules: Vec<Rule>,
    /// The oldest rule that later parts may follow.
    floor: Rule,
    block: u64,
    /// More of the current part must come.
    due: bool,
    held: Vec<u8>,
    plain: u64,
    declared: Option<u64>,
    ended: bool,
    failed: Option<SealedError>,
}

impl OpenDecoder {
    /// A decoder of the stream of one object.
    pub fn new(key: &DataKey, nonce: [u8; 12]) -> Self {
        let key = cipher(key);
        Self {
            failed: key.as_ref().err().copied(),
            key: key.ok(),
            base_nonce: nonce,
            parts: None,
            part: 1,
            rules: RULES.to_vec(),
            floor: Rule::Constant,
            block: 0,
            due: true,
            held: Vec::new(),
            plain: 0,
            declared: None,
            ended: false,
        }
    }

    /// A decoder of the streams of several parts, one behind the other. Without a list, or behind its end, parts are numbered on.
    pub fn parts(key: &DataKey, base_nonce: [u8; 12], parts: Vec<usize>) -> Self {
        let mut parts = parts.into_iter();
        let part = parts.next().unwrap_or(1);
        Self { parts: Some(parts), part, ..Self::new(key, base_nonce) }
    }

    /// The bytes of content that must come, no more and no fewer. Without it, the loss of blocks before an end frame goes unnoticed at
    /// the end of a part.
    pub fn declaring(self, bytes: u64) -> Self {
        Self { declared: Some(bytes), ..self }
    }

    /// Whether the end frame of a single stream was read. What follows it is ignored.
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// Takes the next bytes of the stream and appends the content of the blocks that are whole to `out`: never more than `input.len()`
    /// and one block.
    ///
    /// # Errors
    ///
    /// What is wrong with the stream. The blocks before are in `out` by then, nothing of the wrong one.
    pub fn push(&mut self, mut input: &[u8], out: &mut Vec<u8>) -> Result<(), SealedError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        while !input.is_empty() && !self.ended {
            let length = match self.held.first_chunk::<HEADER_BYTES>() {
                None => HEADER_BYTES,
                Some(header) => frame_bytes(*header),
            };
            let (now, rest) = input.split_at(input.len().min(length - self.held.len()));
            self.held.extend_from_slice(now);
            self.due = true;
            input = rest;
            self.step(out).inspect_err(|error| self.fail(*error))?;
        }
        Ok(())
    }

    /// Says that the input has ended.
    ///
    /// # Errors
    ///
    /// What is missing; the error of an earlier call.
    pub fn finish(&mut self) -> Result<(), SealedError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        self.end().inspect_err(|error| self.fail(*error))
    }

    fn end(&self) -> Result<(), SealedError> {
        let (part, block) = (self.part, self.block);
        match self.held.len() {
            0 => {}
            1..HEADER_BYTES => return Err(SealedError::TruncatedHeader { part, block }),
            _ => return Err(SealedError::TruncatedPayload { part, block }),
        }
        if self.due && !self.ended {
            let unseen = self.parts.is_some() && self.block == 0;
            return Err(if unseen {
                SealedError::MissingPart { part }
            } else {
                SealedError::Truncated { part, blocks: block }
            });
        }
        match self.declared {
            Some(declared) if declared != self.plain => Err(SealedError::Length { declared, more: false }),
            _ => Ok(()),
        }
    }

    fn fail(&mut self, error: SealedError) {
        self.failed = Some(error);
        self.key = None;
        self.held = Vec::new();
    }

    /// Looks at what is held: a header that has just become whole is checked, a block that has is opened.
    fn step(&mut self, out: &mut Vec<u8>) -> Result<(), SealedError> {
        let (part, block) = (self.part, self.block);
        let Some(header) = self.held.first_chunk::<HEADER_BYTES>().copied() else { return Ok(()) };
        if self.held.len() == HEADER_BYTES {
            let (kind, length, _) = parse(header);
            if header == END_FRAME {
                self.held.clear();
                self.end_of_part();
                return Ok(());
            }
            if kind != BLOCK {
                // An end frame has nothing but its type.
                let found = kind;
                return Err(if kind == END {
                    SealedError::BlockLength { part, block, found: length }
                } else {
                    SealedError::Type { part, block, found }
                });
            }
            // A number, one byte of content and the tag are the least.
            if length < LENGTH_EXCESS + 2 + TAG_BYTES {
                return Err(SealedError::BlockLength { part, block, found: length });
            }
        }
        if self.held.len() < frame_bytes(header) {
            return Ok(());
        }
        let mut held = std::mem::take(&mut self.held);
        self.open(header, &mut held, out)?;
        held.clear();
        self.held = held;
        Ok(())
    }

    fn end_of_part(&mut self) {
        let Some(parts) = &mut self.parts else {
            self.ended = true;
            return;
        };
        let next = parts.next();
        // A part that the list does not name may come, and then has to end as well.
        self.due = next.is_some();
        self.part = next.unwrap_or_else(|| self.part.wrapping_add(1));
        self.floor = self.rules.iter().copied().min().unwrap_or(self.floor);
        self.rules = RULES.into_iter().filter(|rule| *rule >= self.floor).collect();
        self.block = 0;
    }

    fn nonce(&self, rule: Rule) -> Option<[u8; 12]> {
        let block = u32::try_from(self.block).ok()?;
        let several = self.parts.is_some();
        let legacy = if several { legacy_part_nonce(self.base_nonce, self.part) } else { self.base_nonce };
        Some(match rule {
            Rule::Constant => legacy,
            Rule::LegacyPart => block_nonce(legacy, block),
            Rule::Current if several => block_nonce(multipart_part_nonce(self.base_nonce, self.part), block),
            Rule::Current => block_nonce(self.base_nonce, block),
        })
    }

    /// Authenticates and decrypts a block whose header was checked.
    fn open(
        &mut self,
        header: [u8; HEADER_BYTES],
        frame: &mut [u8],
        out: &mut Vec<u8>,
    ) -> Result<(), SealedError> {
        let (part, block) = (self.part, self.block);
        let (_, _, expected) = parse(header);
        let mismatch = SealedError::PlainLength { part, block };
        let mut rest = frame.get(HEADER_BYTES..).unwrap_or_default();
        let plain = varint::take(&mut rest).ok_or(mismatch)?;
        // Not trusted, but a length that does not fit cannot become right.
        if plain.checked_add(TAG_BYTES as u64) != Some(rest.len() as u64) {
            return Err(mismatch);
        }
        let total = self.plain.saturating_add(plain);
        if let Some(declared) = self.declared.filter(|declared| total > *declared) {
            return Err(SealedError::Length { declared, more: true });
        }
        let (ciphertext, tag) = rest.split_at(rest.len() - TAG_BYTES);
        let start = out.len();
        let nonce = self.decrypt(ciphertext, tag, out).inspect_err(|_| out.truncate(start))?;
        let found = checksum(out.get(start..).unwrap_or_default());
        if found != expected {
            out.truncate(start);
            return Err(SealedError::Checksum { part, block, expected, found });
        }
        // Only the rules that give this nonce are left.
        let mut rules = std::mem::take(&mut self.rules);
        rules.retain(|rule| self.nonce(*rule) == Some(nonce));
        self.rules = rules;
        self.plain = total;
        self.block += 1;
        Ok(())
    }

    /// Tries the rules that are left, the newest first. Returns the nonce that was right.
    fn decrypt(&self, ciphertext: &[u8], tag: &[u8], out: &mut Vec<u8>) -> Result<[u8; 12], SealedError> {
        let (part, block) = (self.part, self.block);
        let key = self.key.as_ref().ok_or(SealedError::Cryptography)?;
        let start = out.len();
        out.resize(start + ciphertext.len(), 0);
        let (_, plain) = out.split_at_mut(start);
        let mut tried: Vec<[u8; 12]> = Vec::with_capacity(RULES.len());
        for rule in &self.rules {
            let nonce = self.nonce(*rule).ok_or(SealedError::TooLong { part })?;
            if tried.contains(&nonce) {
                continue;
            }
            tried.push(nonce);
            let opened = key.open_separate_gather(aead_nonce(nonce), Aad::empty(), ciphertext, tag, plain);
            if opened.is_ok() {
                return Ok(nonce);
            }
            plain.fill(0);
        }
        Err(SealedError::Authentication { part, block })
    }
}

/// Bytes of the frame with this header; the header itself if its length is too small to be one.
fn frame_bytes(header: [u8; HEADER_BYTES]) -> usize {
    let (_, length, _) = parse(header);
    (HEADER_BYTES + length).saturating_sub(LENGTH_EXCESS).max(HEADER_BYTES)
}

impl fmt::Debug for OpenDecoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenDecoder")
            .field("part", &self.part)
            .field("block", &self.block)
            .field("rules", &self.rules)
            .field("held", &self.held.len())
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}
