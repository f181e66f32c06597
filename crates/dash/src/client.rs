//! Asks a dashboard: for `rio top`, and for programs that want its numbers.

use crate::model::Problem;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::header::{AUTHORIZATION, HOST};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use std::time::Duration;
use tokio::net::TcpStream;

/// For a whole exchange.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of an answer at most; panels have some hundred KiB.
const ANSWER_MAX: usize = 8 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The text is no address of a dashboard.
    #[error("`{url}` is no address of a dashboard; expected http://HOST:PORT, such as http://127.0.0.1:9100")]
    Url {
        /// The text.
        url: String,
    },
    /// Nobody listens, or the connection broke.
    #[error("{address} does not answer: {problem}; is the program running with --dashboard?")]
    Unreachable {
        /// The address.
        address: String,
        /// What happened.
        problem: String,
    },
    /// The dashboard refused.
    #[error("{address} answers {status}: {problem}")]
    Refused {
        /// The address.
        address: String,
        /// Status of the answer.
        status: u16,
        /// The dashboard's own words.
        problem: String,
    },
    /// The answer is not of this version of Rio.
    #[error("the answer of {address} cannot be read: {problem}; is it a dashboard of this version of Rio?")]
    Answer {
        /// The address.
        address: String,
        /// What is wrong.
        problem: String,
    },
}

/// Asks one dashboard, by a connection per question.
#[derive(Clone)]
pub struct Client {
    address: String,
    token: Option<String>,
}

impl Client {
    /// For a dashboard at `http://HOST:PORT`, or `HOST:PORT`.
    ///
    /// # Errors
    ///
    /// [`ClientError::Url`], also for `https`: for a dashboard with TLS, forward its port with `ssh -L`.
    pub fn new(url: &str, token: Option<String>) -> Result<Self, ClientError> {
        let address = url.strip_prefix("http://").unwrap_or(url).trim_end_matches('/');
        let port = address.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
        if port.is_none() || address.contains('/') {
            return Err(ClientError::Url { url: url.to_owned() });
        }
        Ok(Self { address: address.to_owned(), token })
    }

    /// The address that is asked.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The answer to `GET path`, a path with its query such as `/api/v1/overview?range=60`.
    ///
    /// # Errors
    ///
    /// [`ClientError`]; after five seconds without a whole answer too.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        let exchange = tokio::time::timeout(TIMEOUT, self.exchange(path));
        let (status, body) =
            exchange.await.map_err(|_| self.unreachable(&"no whole answer within 5 s"))??;
        if status != 200 {
            let problem = serde_json::from_slice::<Problem>(&body).map(|problem| problem.error);
            let problem = problem.unwrap_or_else(|_| "without saying why".to_owned());
            return Err(ClientError::Refused { address: self.address.clone(), status, problem });
        }
        serde_json::from_slice(&body).map_err(|error| ClientError::Answer {
            address: self.address.clone(),
            problem: error.to_string(),
        })
    }

    async fn exchange(&self, path: &str) -> Result<(u16, Bytes), ClientError> {
        let lost = |error: &dyn std::fmt::Display| self.unreachable(error);
        let stream = TcpStream::connect(&self.address).await.map_err(|error| lost(&error))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| lost(&error))?;
        let mut request = hyper::Request::get(path).header(HOST, &self.address);
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(Empty::<Bytes>::new()).map_err(|error| lost(&error))?;
        let answer = async {
            let response = sender.send_request(request).await.map_err(|error| lost(&error))?;
            let status = response.status().as_u16();
            let body = Limited::new(response.into_body(), ANSWER_MAX).collect().await;
            Ok((status, body.map_err(|error| lost(&error))?.to_bytes()))
        };
        // The connection does its part only while it is polled, and ends with the answer.
        let mut answer = std::pin::pin!(answer);
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            answer = &mut answer => answer,
            ended = &mut connection => match ended {
                Ok(()) => answer.await,
                Err(error) => Err(lost(&error)),
            },
        }
    }

    fn unreachable(&self, problem: &dyn std::fmt::Display) -> ClientError {
        ClientError::Unreachable { address: self.address.clone(), problem: problem.to_string() }
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the token.
        f.debug_struct("Client").field("address", &self.address).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked() {
        for good in ["http://127.0.0.1:9100", "http://127.0.0.1:9100/", "localhost:80", "[::1]:80"] {
            assert!(Client::new(good, None).is_ok(), "{good}");
        }
        for bad in ["", "127.0.0.1", "https://127.0.0.1:1", "http://x:1/api", "http://x:y"] {
            assert!(Client::new(bad, None).is_err(), "{bad}");
        }
    }
}
