//! Reading a pack from pieces of any size, on one thread.

use std::fmt;

use super::format::{PREFIX_BYTES, SEGMENT_HEADER_BYTES, TRAILER_BYTES, header_bytes};
use super::walk::Verifier;
use super::{
    Contexts, FrameOpener, PackError, PackHeader, ReadOptions, Segment, SegmentKind, Summary, Walker,
};

/// Turns the bytes of a pack, in pieces of any size, into its content, at most one block per call.
///
/// Bytes come out only after their frame was authenticated. What goes in is held until its segment is whole: at most one block, or a
/// final segment of 8 bytes for each 16384 frames. After an error, every call returns that error.
pub struct Decoder {
    options: ReadOptions,
    state: State,
    contexts: Contexts,
    held: Vec<u8>,
    /// Bytes that were taken.
    length: u64,
    failed: Option<PackError>,
}

enum State {
    Header,
    Segments(Box<Segments>),
    Trailer(Box<Segments>),
    End(Summary),
}

struct Segments {
    opener: FrameOpener,
    walker: Walker,
    verifier: Verifier,
}

impl Decoder {
    /// A decoder with what the reader brings.
    pub fn new(options: ReadOptions) -> Self {
        let state = State::Header;
        Self { options, state, contexts: Contexts::new(), held: Vec::new(), length: 0, failed: None }
    }

    /// The header, once it was read and found authentic.
    pub fn header(&self) -> Option<&PackHeader> {
        match &self.state {
            State::Segments(segments) | State::Trailer(segments) => Some(segments.opener.header()),
            _ => None,
        }
    }

    /// Takes bytes of the pack until a frame is whole, appends its content to `out`, at most one block, and returns how many bytes it
    /// took: at least one if there is one. The caller goes on with the others.
    ///
    /// # Errors
    ///
    /// What is wrong with the pack. The frames before are in `out` by then, nothing of the wrong one.
    pub fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, PackError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.take(input, out).inspect_err(|error| self.fail(error))
    }

    /// Says that the input has ended.
    ///
    /// # Errors
    ///
    /// [`PackError::Truncated`] if something is missing; the error of an earlier call.
    pub fn finish(&mut self) -> Result<Summary, PackError> {
        match (&self.failed, &self.state) {
            (Some(error), _) => Err(error.clone()),
            (None, State::End(summary)) => Ok(summary.clone()),
            (None, _) => {
                let error = PackError::Truncated { length: self.length };
                self.fail(&error);
                Err(error)
            }
        }
    }

    fn fail(&mut self, error: &PackError) {
        self.failed = Some(error.clone());
        // Keys and held bytes are of no use any more.
        self.state = State::Header;
        self.held = Vec::new();
    }

    fn take(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, PackError> {
        let (mut used, before) = (0, out.len());
        while used < input.len() && out.len() == before {
            if matches!(self.state, State::End(_)) {
                return Err(PackError::Surplus { offset: self.length });
            }
            let rest = input.get(used..).unwrap_or_default();
            let wanted = self.wanted()?;
            // A unit that is whole in the input needs no copy.
            if self.held.is_empty()
                && let Some(unit) = self.whole(rest)?
            {
                used += unit;
                self.length += unit as u64;
                self.unit(rest.get(..unit).unwrap_or_default(), out)?;
                continue;
            }
            let now = rest.len().min(wanted.saturating_sub(self.held.len()));
            self.held.extend_from_slice(rest.get(..now).unwrap_or_default());
            used += now;
            self.length += now as u64;
            // Enough of it may be there now to know how long it is.
            if self.held.len() == wanted && self.wanted()? == wanted {
                let mut held = std::mem::take(&mut self.held);
                let result = self.unit(&held, out);
                held.clear();
                self.held = held;
                result?;
            }
        }
        Ok(used)
    }

    /// Bytes of the current unit as far as `held` tells: of its head, then of all of it.
    fn wanted(&self) -> Result<usize, PackError> {
        self.length_of(&self.held).map(|(bytes, _)| bytes)
    }

    /// Length of the unit that begins `input`, if all of it is there.
    fn whole(&self, input: &[u8]) -> Result<Option<usize>, PackError> {
        let (bytes, known) = self.length_of(input)?;
        Ok((known && input.len() >= bytes).then_some(bytes))
    }

    /// Length of the unit that begins with `head`, and whether it is that of the unit or of its head.
    fn length_of(&self, head: &[u8]) -> Result<(usize, bool), PackError> {
        match &self.state {
            State::Header => match head.first_chunk::<PREFIX_BYTES>() {
                Some(prefix) => Ok((header_bytes(prefix)?, true)),
                None => Ok((PREFIX_BYTES, false)),
            },
            State::Segments(segments) => match head.first_chunk::<SEGMENT_HEADER_BYTES>() {
                Some(header) => {
                    let segment = segments.walker.read(header)?;
                    if segment.kind == SegmentKind::Frame {
                        segments.verifier.allows(segment.plain_bytes as u64)?;
                    }
                    Ok((segment.stored_bytes(), true))
                }
                None => Ok((SEGMENT_HEADER_BYTES, false)),
            },
            State::Trailer(_) => Ok((TRAILER_BYTES, true)),
            State::End(_) => Ok((0, false)),
        }
    }

    /// A whole header, segment or trailer.
    fn unit(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), PackError> {
        match &mut self.state {
            State::Header => {
                let opener = FrameOpener::new(bytes, &self.options)?;
                let (walker, verifier) = (Walker::new(&opener), Verifier::new(&opener, self.options.limit));
                self.state = State::Segments(Box::new(Segments { opener, walker, verifier }));
            }
            State::Segments(segments) => {
                segments.take(&mut self.contexts, bytes, out)?;
                if segments.walker.is_done()
                    && let State::Segments(segments) = std::mem::replace(&mut self.state, State::Header)
                {
                    self.state = State::Trailer(segments);
                }
            }
            State::Trailer(segments) => {
                let trailer = bytes.first_chunk().ok_or(PackError::Truncated { length: self.length })?;
                let summary = segments.verifier.trailer(trailer)?;
                self.state = State::End(summary);
            }
            State::End(_) => {}
        }
        Ok(())
    }
}

impl Segments {
    fn take(&mut self, contexts: &mut Contexts, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), PackError> {
        let header = bytes.first_chunk().ok_or(PackError::Truncated { length: self.walker.offset() })?;
        let segment: Segment = self.walker.read(header)?;
        match segment.kind {
            SegmentKind::Frame => {
                let frame = self.opener.open(contexts, &segment, bytes, out)?;
                self.verifier.frame(&frame)?;
            }
            _ => self.verifier.record(&self.opener, contexts, &segment, bytes)?,
        }
        self.walker.pass(&segment);
        Ok(())
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder")
            .field("length", &self.length)
            .field("held", &self.held.len())
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}
