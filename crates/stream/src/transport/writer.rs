//! The body of a request.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, Method};
use http_body::Body as _;
use reqwest::{Body, RequestBuilder};
use tokio::io::AsyncWrite;

use super::client::client;
use super::error::{InternodeHttpError, InternodeHttpErrorKind, InternodeHttpRequestContext};
use super::queue::{Sender, queue};
use super::reader::parse;

/// Bytes that are gathered before they are handed to the connection.
pub const HTTP_WRITER_BUFFER_SIZE: usize = 1024 * 1024;
/// Bytes of an answer that are read so that its connection can be used again; beyond them it is given up.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

type Request = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;

/// Sends what is written as the body of one request.
///
/// At most 8 pieces of up to 1 MiB wait for the connection, and one is gathered; then writing waits. [`AsyncWrite::poll_shutdown`] waits for
/// the answer: anything but a success is an error there. A writer that is dropped before breaks the connection off, so that the other
/// side does not take a part for the whole.
pub struct HttpWriter {
    url: String,
    method: Method,
    headers: HeaderMap,
    context: InternodeHttpRequestContext,
    sender: Sender,
    gathered: Vec<u8>,
    ended: bool,
    /// Until it has an outcome. The lock is never contended: it makes the writer `Sync`.
    request: Mutex<Option<Request>>,
    outcome: Option<Result<(), Failure>>,
}

/// Why the request failed. It can be reported more than once.
#[derive(Debug, Clone)]
struct Failure {
    kind: io::ErrorKind,
    typed: Option<InternodeHttpErrorKind>,
    text: String,
}

impl Failure {
    fn of(error: &io::Error) -> Self {
        let typed = error.get_ref().and_then(|inner| inner.downcast_ref::<InternodeHttpError>());
        Self { kind: error.kind(), typed: typed.map(|error| *error.kind()), text: error.to_string() }
    }
}

impl HttpWriter {
    /// Prepares one request with `method`; nothing is sent before the first write, flush or shutdown.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidInput`] for a URL that is none; what keeps the client from being made.
    pub async fn new(url: String, method: Method, headers: HeaderMap) -> io::Result<Self> {
        let target = parse(&url)?;
        let context = InternodeHttpRequestContext::new(&method, &target);
        let (sender, receiver) = queue();
        let request = client(&target)?.request(method.clone(), target).headers(headers.clone());
        let request = send(request.body(Body::wrap(receiver)), context.clone());
        let request = Mutex::new(Some(Box::pin(request) as Request));
        let (gathered, ended, outcome) = (Vec::new(), false, None);
        Ok(Self { url, method, headers, context, sender, gathered, ended, request, outcome })
    }

    /// Where the request goes.
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

    /// Lets the request proceed. Ready with its outcome.
    fn poll_request(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        if let Some(outcome) = &self.outcome {
            return Poll::Ready(outcome.clone());
        }
        let slot = self.request.get_mut().unwrap_or_else(PoisonError::into_inner);
        let Some(request) = slot else { return Poll::Pending };
        let outcome = ready!(request.as_mut().poll(cx));
        *slot = None;
        self.outcome = Some(outcome.clone());
        Poll::Ready(outcome)
    }

    fn error(&self, failure: &Failure) -> io::Error {
        match failure.typed {
            Some(kind) => InternodeHttpError::plain(&self.context, kind),
            None => io::Error::new(failure.kind, failure.text.clone()),
        }
    }

    /// Lets the request proceed, and fails if it failed or was answered before its body was whole.
    fn proceed(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.poll_request(cx) {
            Poll::Pending => Ok(()),
            Poll::Ready(Err(failure)) => Err(self.error(&failure)),
            Poll::Ready(Ok(())) => Err(self.early()),
        }
    }

    fn early(&self) -> io::Error {
        let text = "HttpWriter send error: the server answered before the whole body was sent";
        io::Error::new(io::ErrorKind::BrokenPipe, text)
    }

    fn writable(&self) -> io::Result<()> {
        if !self.ended {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::BrokenPipe, "HttpWriter send error: the writer was shut down"))
    }

    /// Hands on what was gathered.
    fn poll_hand_on(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.gathered.is_empty() {
            return Poll::Ready(Ok(()));
        }
        if !ready!(self.sender.poll_room(cx)) {
            // The connection gave up the body; the request tells why.
            return Poll::Ready(Err(match ready!(self.poll_request(cx)) {
                Err(failure) => self.error(&failure),
                Ok(()) => self.early(),
            }));
        }
        self.sender.push(Bytes::from(std::mem::take(&mut self.gathered)));
        Poll::Ready(Ok(()))
    }

    fn gather(&mut self, data: &[u8]) -> usize {
        let now = data.len().min(HTTP_WRITER_BUFFER_SIZE - self.gathered.len());
        self.gathered.extend_from_slice(data.get(..now).unwrap_or_default());
        now
    }

    fn poll_gather(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.writable()?;
        self.proceed(cx)?;
        if self.gathered.len() >= HTTP_WRITER_BUFFER_SIZE {
            ready!(self.poll_hand_on(cx))?;
        }
        let written = slices.iter().map(|slice| self.gather(slice)).sum();
        if self.gathered.len() >= HTTP_WRITER_BUFFER_SIZE
            && let Poll::Ready(Err(error)) = self.poll_hand_on(cx)
        {
            return Poll::Ready(Err(error));
        }
        // What was queued may move on at once.
        self.proceed(cx)?;
        Poll::Ready(Ok(written))
    }
}

/// Sends the request, and reads the answer to its end or to the bound.
async fn send(request: RequestBuilder, context: InternodeHttpRequestContext) -> Result<(), Failure> {
    let failed = |error: reqwest::Error| Failure::of(&InternodeHttpError::request(&context, error));
    let response = request.send().await.map_err(failed)?;
    let status = response.status();
    let mut body = http::Response::<Body>::from(response).into_body();
    let mut read = 0;
    while read < ANSWER_BYTES_MAX
        && let Some(Ok(frame)) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await
    {
        read += frame.data_ref().map_or(0, Bytes::len);
    }
    if status.is_success() { Ok(()) } else { Err(Failure::of(&InternodeHttpError::status(&context, status))) }
}

impl AsyncWrite for HttpWriter {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_gather(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_gather(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Hands what was gathered to the connection; it does not wait for the other side.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.ended {
            return Poll::Ready(Ok(()));
        }
        self.proceed(cx)?;
        ready!(self.poll_hand_on(cx))?;
        self.proceed(cx)?;
        Poll::Ready(Ok(()))
    }

    /// Ends the body and waits for the answer. Every further call has the same result.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.ended {
            self.proceed(cx)?;
            ready!(self.poll_hand_on(cx))?;
            self.sender.end();
            self.ended = true;
        }
        let outcome = ready!(self.poll_request(cx));
        Poll::Ready(outcome.map_err(|failure| self.error(&failure)))
    }
}

impl fmt::Debug for HttpWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpWriter")
            .field("context", &self.context)
            .field("gathered", &self.gathered.len())
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}
