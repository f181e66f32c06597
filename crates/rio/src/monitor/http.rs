//! One POST over HTTP/1.1 without TLS, for sinks and exporters: a connection per request, bounded in time.

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use std::io;
use std::time::Duration;
use tokio::net::TcpStream;

/// Where requests go.
#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    host: String,
    port: u16,
    authority: String,
    path: String,
}

/// Why a request was not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum PostError {
    #[error("no connection: {0}")]
    Connect(#[source] io::Error),
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    #[error("the connection failed: {0}")]
    Protocol(#[from] hyper::Error),
    #[error("the request could not be built: {0}")]
    Request(#[from] hyper::http::Error),
    #[error("the answer was {0}")]
    Status(StatusCode),
}

impl PostError {
    /// Whether the same request would be refused again: the receiver has understood it and does not want it.
    pub(super) fn is_permanent(&self) -> bool {
        match self {
            Self::Status(status) => {
                let may_change =
                    matches!(*status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
                status.is_client_error() && !may_change
            }
            Self::Request(_) => true,
            Self::Connect(_) | Self::TimedOut(_) | Self::Protocol(_) => false,
        }
    }
}

impl Endpoint {
    /// Reads `http://host[:port][/path]`. A URL without a path gets `default_path`.
    pub(super) fn parse(url: &str, default_path: &str) -> Result<Self, String> {
        let uri: Uri = url.parse().map_err(|error| format!("it is no URL ({error})"))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => {
                return Err(
                    "https is not built in; send to an agent or proxy on this host by http".to_owned()
                );
            }
            _ => return Err("it does not begin with http://".to_owned()),
        }
        let authority = uri.authority().ok_or("it names no host")?;
        // The brackets of an IPv6 address belong to the URL.
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err("it names no host".to_owned());
        }
        if authority.as_str().contains('@') {
            return Err("it contains a user name; credentials in URLs are not supported".to_owned());
        }
        let path = uri.path_and_query().map_or("/", hyper::http::uri::PathAndQuery::as_str);
        let path = if path == "/" { default_path } else { path };
        Ok(Self {
            host,
            port: authority.port_u16().unwrap_or(80),
            authority: authority.to_string(),
            path: path.to_owned(),
        })
    }

    /// Sends `body` and waits for a status of success, for `limit` at most. Dropping the future closes the connection.
    pub(super) async fn post(
        &self,
        content_type: &'static str,
        body: Bytes,
        limit: Duration,
    ) -> Result<(), PostError> {
        let status = tokio::time::timeout(limit, self.exchange(content_type, body))
            .await
            .map_err(|_| PostError::TimedOut(limit))??;
        if status.is_success() { Ok(()) } else { Err(PostError::Status(status)) }
    }

    async fn exchange(&self, content_type: &'static str, body: Bytes) -> Result<StatusCode, PostError> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(PostError::Connect)?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let request = Request::post(self.path.as_str())
            .header(HOST, self.authority.as_str())
            .header(CONTENT_TYPE, content_type)
            .header(CONNECTION, "close")
            .body(Full::new(body))?;
        let answer = std::pin::pin!(sender.send_request(request));
        let connection = std::pin::pin!(connection);
        let answer = match futures_util::future::select(answer, connection).await {
            futures_util::future::Either::Left((answer, _)) => answer,
            // The server closed the connection; the answer may have come before.
            futures_util::future::Either::Right((_, answer)) => answer.await,
        };
        Ok(answer?.status())
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "http://{}{}", self.authority, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_or_refused_with_a_reason() {
        let full = Endpoint::parse("http://alerts:9093/prefix/api/v2/alerts?x=1", "/api/v2/alerts").unwrap();
        assert_eq!((full.host.as_str(), full.port), ("alerts", 9093));
        assert_eq!(full.to_string(), "http://alerts:9093/prefix/api/v2/alerts?x=1");
        let short = Endpoint::parse("http://[::1]", "/api/v2/alerts").unwrap();
        assert_eq!((short.host.as_str(), short.port, short.path.as_str()), ("::1", 80, "/api/v2/alerts"));
        for (url, reason) in [
            ("https://a", "https is not built in"),
            ("ftp://a", "does not begin"),
            ("alerts:9093/x", "no"),
            ("", "no URL"),
            ("http://a b", "no URL"),
            ("http://user:secret@a", "user name"),
        ] {
            let refused = Endpoint::parse(url, "/").unwrap_err();
            assert!(refused.contains(reason), "{url}: {refused}");
            assert!(!refused.contains("secret"));
        }
    }
}
