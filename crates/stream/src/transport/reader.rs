//! The body of a response.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::{HeaderMap, Method};
use http_body::Body as _;
use reqwest::{Body, Url};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::client::client;
use super::error::{InternodeHttpError, InternodeHttpRequestContext};
use crate::reader::{EtagResolvable, HashReaderDetector, TryGetIndex};

/// Reads the body of a response while it arrives: what is not read stays with the sender.
pub struct HttpReader {
    url: String,
    method: Method,
    headers: HeaderMap,
    context: InternodeHttpRequestContext,
    /// Gone after the end or an error.
    body: Option<Body>,
    chunk: Bytes,
    stall: Option<Stall>,
}

/// How long no byte may arrive.
struct Stall {
    timeout: Duration,
    timer: Pin<Box<Sleep>>,
}

impl HttpReader {
    /// Sends one request and waits for the head of the answer.
    ///
    /// # Errors
    ///
    /// [`InternodeHttpError`] inside an [`io::Error`] for a failed request and for a status that is not a success;
    /// [`io::ErrorKind::InvalidInput`] for a URL that is none.
    pub async fn new(
        url: String,
        method: Method,
        headers: HeaderMap,
        body: Option<Vec<u8>>,
    ) -> io::Result<Self> {
        Self::new_with_stall_timeout(url, method, headers, body, None).await
    }

    /// As [`HttpReader::new`]. If no byte arrives for `stall_timeout`, reading fails with [`io::ErrorKind::TimedOut`]; the time runs from
    /// the answer's head on, and anew from each byte.
    ///
    /// # Errors
    ///
    /// As [`HttpReader::new`].
    pub async fn new_with_stall_timeout(
        url: String,
        method: Method,
        headers: HeaderMap,
        body: Option<Vec<u8>>,
        stall_timeout: Option<Duration>,
    ) -> io::Result<Self> {
        let target = parse(&url)?;
        let context = InternodeHttpRequestContext::new(&method, &target);
        let mut request = client(&target)?.request(method.clone(), target).headers(headers.clone());
        if let Some(body) = body {
            request = request.body(body);
        }
        let failed = |error| InternodeHttpError::request(&context, error);
        let response = request.send().await.map_err(failed)?;
        if !response.status().is_success() {
            return Err(InternodeHttpError::status(&context, response.status()));
        }
        let stall =
            stall_timeout.map(|timeout| Stall { timeout, timer: Box::pin(tokio::time::sleep(timeout)) });
        let body = http::Response::<Body>::from(response).into_body();
        Ok(Self { url, method, headers, context, body: Some(body), chunk: Bytes::new(), stall })
    }

    /// As [`HttpReader::new`]. The size is not used: the body is handed on in the pieces in which it arrives.
    ///
    /// # Errors
    ///
    /// As [`HttpReader::new`].
    pub async fn with_capacity(
        url: String,
        method: Method,
        headers: HeaderMap,
        body: Option<Vec<u8>>,
        _read_buf_size: usize,
    ) -> io::Result<Self> {
        Self::new(url, method, headers, body).await
    }

    /// Where the request went.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The method of the request.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The headers of the request.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The next bytes of the body; `None` at its end.
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        loop {
            let Some(body) = &mut self.body else { return Poll::Ready(Ok(None)) };
            match Pin::new(body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) if !data.is_empty() => return Poll::Ready(Ok(Some(data))),
                    // Trailers and empty pieces.
                    _ => {}
                },
                Poll::Ready(Some(Err(error))) => {
                    return Poll::Ready(Err(InternodeHttpError::request(&self.context, error)));
                }
                Poll::Ready(None) => {
                    (self.body, self.stall) = (None, None);
                }
                Poll::Pending => {
                    let Some(stall) = &mut self.stall else { return Poll::Pending };
                    ready!(stall.timer.as_mut().poll(cx));
                    let text = "HttpReader stall timeout: no data received before deadline";
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, text)));
                }
            }
        }
    }
}

/// The URL that `url` is.
pub(super) fn parse(url: &str) -> io::Result<Url> {
    let invalid =
        |error| io::Error::new(io::ErrorKind::InvalidInput, format!("`{url}` is not a URL: {error}"));
    Url::parse(url).map_err(invalid)
}

impl AsyncRead for HttpReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        if this.chunk.is_empty() {
            match ready!(this.poll_chunk(cx))? {
                Some(chunk) => this.chunk = chunk,
                None => return Poll::Ready(Ok(())),
            }
        }
        let now = this.chunk.len().min(buf.remaining());
        buf.put_slice(this.chunk.get(..now).unwrap_or_default());
        this.chunk.advance(now);
        if let Some(Stall { timeout, timer }) = &mut this.stall {
            timer.as_mut().reset(Instant::now() + *timeout);
        }
        Poll::Ready(Ok(()))
    }
}

impl EtagResolvable for HttpReader {}
impl HashReaderDetector for HttpReader {}
impl TryGetIndex for HttpReader {}

impl fmt::Debug for HttpReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpReader").field("context", &self.context).finish_non_exhaustive()
    }
}
