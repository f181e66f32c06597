//! A source with a schedule: pieces of given sizes, with or without a pause before each, so that any schedule must give the same bytes.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test program uses a part of it and may stop at the first surprise"
)]

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

/// Gives `data` in pieces, and is `Pending` before those that are marked, after having asked to be woken.
pub(crate) struct Source {
    data: Vec<u8>,
    at: usize,
    schedule: Vec<(usize, bool)>,
    turn: usize,
    paused: bool,
}

impl Source {
    pub(crate) fn new(data: &[u8], schedule: &[(usize, bool)]) -> Self {
        Self { data: data.to_vec(), at: 0, schedule: schedule.to_vec(), turn: 0, paused: false }
    }
}

impl AsyncRead for Source {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let (size, pause) =
            this.schedule.get(this.turn % this.schedule.len().max(1)).copied().unwrap_or((usize::MAX, false));
        if pause && !this.paused {
            this.paused = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        (this.paused, this.turn) = (false, this.turn + 1);
        let rest = this.data.get(this.at..).unwrap_or_default();
        let now = rest.len().min(size.max(1)).min(buf.remaining());
        buf.put_slice(rest.get(..now).unwrap_or_default());
        this.at += now;
        Poll::Ready(Ok(()))
    }
}

/// Reads to the end through a buffer of `size` bytes: what came, and how it ended.
pub(crate) fn drain<R: AsyncRead + Unpin>(mut reader: R, size: usize) -> (Vec<u8>, io::Result<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (mut out, mut buffer) = (Vec::new(), vec![0; size.max(1)]);
        loop {
            match reader.read(&mut buffer).await {
                Ok(0) => return (out, Ok(())),
                Ok(read) => out.extend_from_slice(buffer.get(..read).unwrap_or_default()),
                Err(error) => return (out, Err(error)),
            }
        }
    })
}

/// Reads to the end, which must be a good one.
pub(crate) fn all<R: AsyncRead + Unpin>(reader: R) -> Vec<u8> {
    let (out, end) = drain(reader, 8192);
    end.unwrap();
    out
}

/// Bytes that compress neither well nor not at all.
pub(crate) fn mixed(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    (0..len)
        .map(|i| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if i % 7 < 4 { (state >> 24) as u8 } else { b"abcdefg"[i % 7] }
        })
        .collect()
}

pub(crate) fn fixture(path: &str) -> Vec<u8> {
    std::fs::read(format!("{}/../../fixtures/{path}.bin", env!("CARGO_MANIFEST_DIR"))).unwrap()
}
