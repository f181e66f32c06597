//! Drives a format without I/O from a byte source.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustfs_rio_monitor::{Operation, Recorder};
use tokio::io::{AsyncRead, ReadBuf};

use crate::recording::UnitRecording;

/// Bytes that are asked of the source at once: large enough that the calls do not count, small enough for the second-level cache.
const INPUT_BYTES: usize = 64 << 10;
/// What the output may keep between objects of work; a larger block is given back when it was served.
const OUTPUT_BYTES_KEPT: usize = 2 << 20;

/// A format that turns bytes into other bytes. After an error it returns the same error again.
pub(crate) trait Stage {
    /// Takes bytes, at least one, appends what follows from them, and returns how many were taken.
    fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> io::Result<usize>;

    /// Says that the input has ended and appends what is left.
    fn finish(&mut self, out: &mut Vec<u8>) -> io::Result<()>;

    /// Whether the stream has ended by itself, so that no more input matters.
    fn ended(&self) -> bool {
        false
    }
}

/// A stage with what is between it and the two sides: at most [`INPUT_BYTES`] before it, and behind it what one call of it gives.
pub(crate) struct Pump<S> {
    stage: S,
    input: Vec<u8>,
    start: usize,
    end: usize,
    out: Vec<u8>,
    served: usize,
    done: bool,
    recording: Option<Box<UnitRecording>>,
}

impl<S: Stage> Pump<S> {
    /// Takes no memory before the first read.
    pub(crate) fn new(stage: S) -> Self {
        let (input, out) = (Vec::new(), Vec::new());
        Self { stage, input, start: 0, end: 0, out, served: 0, done: false, recording: None }
    }

    /// Counts what the stage does from now on.
    pub(crate) fn record(&mut self, recorder: &Arc<Recorder>, operation: Operation) {
        self.recording = Some(Box::new(UnitRecording::new(recorder, operation)));
    }

    pub(crate) fn stage(&self) -> &S {
        &self.stage
    }

    pub(crate) fn poll_read<R: AsyncRead + Unpin>(
        &mut self,
        inner: &mut R,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            if buf.remaining() == 0 || self.serve(buf) || self.done {
                return Poll::Ready(Ok(()));
            }
            if self.start == self.end && !self.stage.ended() {
                if self.input.is_empty() {
                    self.input = vec![0; INPUT_BYTES];
                }
                let mut read = ReadBuf::new(&mut self.input);
                ready!(Pin::new(&mut *inner).poll_read(cx, &mut read))?;
                (self.start, self.end) = (0, read.filled().len());
            }
            let result = match self.recording.take() {
                None => self.advance(),
                Some(mut recording) => {
                    let (timer, had, left) = (recording.start(), self.out.len(), self.end - self.start);
                    let result = self.advance();
                    let took = left - (self.end - self.start);
                    recording.note(timer, took, self.out.len() > had, &result);
                    self.recording = Some(recording);
                    result
                }
            };
            // What came before the error goes out first; the stage repeats it when it is asked again.
            if let Err(error) = result
                && self.out.is_empty()
            {
                return Poll::Ready(Err(error));
            }
        }
    }

    /// One call of the stage: what is left of the input, or its end.
    fn advance(&mut self) -> io::Result<()> {
        match self.input.get(self.start..self.end) {
            Some(input) if !input.is_empty() && !self.stage.ended() => {
                self.stage.push(input, &mut self.out).map(|taken| self.start += taken)
            }
            _ => self.stage.finish(&mut self.out).map(|()| {
                self.done = true;
                self.input = Vec::new();
                (self.start, self.end) = (0, 0);
            }),
        }
    }

    /// Hands out what is there. Returns whether there was something.
    fn serve(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let left = self.out.get(self.served..).unwrap_or_default();
        if left.is_empty() {
            return false;
        }
        let now = left.len().min(buf.remaining());
        buf.put_slice(left.get(..now).unwrap_or_default());
        self.served += now;
        if self.served == self.out.len() {
            self.served = 0;
            if self.done || self.out.capacity() > OUTPUT_BYTES_KEPT {
                self.out = Vec::new();
            } else {
                self.out.clear();
            }
        }
        true
    }
}

/// Passes questions on to the field `inner`.
macro_rules! delegate {
    ([$generic:ident] $name:ty: $what:ident $(, $more:ident)*) => {
        delegate!(@$what [$generic] $name);
        delegate!([$generic] $name: $($more),*);
    };
    ([$generic:ident] $name:ty:) => {};
    (@etag [$generic:ident] $name:ty) => {
        impl<$generic: $crate::reader::EtagResolvable> $crate::reader::EtagResolvable for $name {
            fn try_resolve_etag(&mut self) -> Option<String> {
                self.inner.try_resolve_etag()
            }
        }
    };
    (@hash [$generic:ident] $name:ty) => {
        delegate!(@detector [$generic] $name,);
    };
    // Its own method `record_own` says what of its own work is counted.
    (@recorded [$generic:ident] $name:ty) => {
        impl<$generic> $name {
            /// Counts what this reader itself does, not those below it, for a monitor, from now on.
            #[must_use]
            pub fn recorded(mut self, recorder: &std::sync::Arc<rustfs_rio_monitor::Recorder>) -> Self {
                self.record_own(recorder);
                self
            }
        }

        delegate!(@detector [$generic] $name, record_own);
    };
    (@detector [$generic:ident] $name:ty, $($own:ident)?) => {
        impl<$generic: $crate::reader::HashReaderDetector> $crate::reader::HashReaderDetector for $name {
            fn is_hash_reader(&self) -> bool {
                self.inner.is_hash_reader()
            }

            fn as_hash_reader_mut(&mut self) -> Option<&mut dyn $crate::reader::HashReaderMut> {
                self.inner.as_hash_reader_mut()
            }

            fn record_to(&mut self, recorder: &std::sync::Arc<rustfs_rio_monitor::Recorder>) {
                $(self.$own(recorder);)?
                self.inner.record_to(recorder);
            }
        }
    };
    (@index [$generic:ident] $name:ty) => {
        impl<$generic: $crate::reader::TryGetIndex> $crate::reader::TryGetIndex for $name {
            fn try_get_index(&self) -> Option<&$crate::rustfs::Index> {
                self.inner.try_get_index()
            }
        }
    };
}

/// A reader with a pump that counts what its stage does, per unit of its format, and passes questions for a `HashReader` on.
macro_rules! staged {
    ([$generic:ident] $name:ty: $operation:ident) => {
        impl<$generic> $name {
            fn record_own(&mut self, recorder: &std::sync::Arc<rustfs_rio_monitor::Recorder>) {
                self.pump.record(recorder, rustfs_rio_monitor::Operation::$operation);
            }
        }

        $crate::reader::delegate!([$generic] $name: recorded);
    };
}

pub(crate) use {delegate, staged};
