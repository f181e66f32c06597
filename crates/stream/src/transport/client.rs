//! The clients that all readers and writers share, so that connections are used again.

use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use reqwest::{Certificate, Client, ClientBuilder, Url};

/// A node that takes longer to accept is down or unreachable.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const TCP_KEEPALIVE: Duration = Duration::from_secs(10);
const HTTP2_PING_INTERVAL: Duration = Duration::from_secs(5);
const HTTP2_PING_TIMEOUT: Duration = Duration::from_secs(3);
/// Directory with `ca.crt`, certificates that are trusted besides those of the system.
const TLS_PATH_VARIABLE: &str = "RUSTFS_TLS_PATH";
const CA_FILE: &str = "ca.crt";

/// The client for `url`: loopback addresses are never reached through a proxy.
///
/// # Errors
///
/// What kept the client from being made, such as a `ca.crt` that cannot be read; it is tried again the next time.
pub(super) fn client(url: &Url) -> io::Result<Client> {
    static DIRECT: OnceLock<Client> = OnceLock::new();
    static COMMON: OnceLock<Client> = OnceLock::new();
    let direct = is_loopback(url);
    let place = if direct { &DIRECT } else { &COMMON };
    if let Some(client) = place.get() {
        return Ok(client.clone());
    }
    let extra = extra_certificates()?;
    let build = |system: bool| {
        let mut builder = if direct { settings().no_proxy() } else { settings() };
        builder = if system {
            builder.tls_certs_merge(extra.clone())
        } else {
            builder.tls_certs_only(extra.clone())
        };
        builder.build()
    };
    // Without certificates of the system there is still plain HTTP, and what `ca.crt` names.
    let client = build(true).or_else(|_| build(false)).map_err(io::Error::other)?;
    Ok(place.get_or_init(|| client).clone())
}

/// No limit on the whole duration: objects may be large. A reader has a stall timeout instead.
fn settings() -> ClientBuilder {
    Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_keepalive(TCP_KEEPALIVE)
        .http2_keep_alive_interval(HTTP2_PING_INTERVAL)
        .http2_keep_alive_timeout(HTTP2_PING_TIMEOUT)
        .http2_keep_alive_while_idle(true)
}

fn extra_certificates() -> io::Result<Vec<Certificate>> {
    let Some(directory) = std::env::var_os(TLS_PATH_VARIABLE) else { return Ok(Vec::new()) };
    let path = Path::new(&directory).join(CA_FILE);
    let context = |error: &dyn std::fmt::Display| {
        format!("{TLS_PATH_VARIABLE}: cannot use {}: {error}; expected certificates in PEM", path.display())
    };
    let pem = match std::fs::read(&path) {
        Ok(pem) => pem,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io::Error::new(error.kind(), context(&error))),
    };
    let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, context(&error));
    Certificate::from_pem_bundle(&pem).map_err(invalid)
}

/// Whether the host is this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || address.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_recognised() {
        for (url, expected) in [
            ("http://127.0.0.1:9000/a", true),
            ("http://127.8.0.1/a", true),
            ("http://localhost/a", true),
            ("https://[::1]:9000/a", true),
            ("http://10.0.0.1/a", false),
            ("http://localhost.example/a", false),
        ] {
            assert_eq!(is_loopback(&Url::parse(url).unwrap()), expected, "{url}");
        }
    }
}
