//! What every request has to pass: a host that is meant, no other site behind it, and the token where one is set. And what every answer
//! carries.

use super::App;
use super::login::COOKIE;
use super::routes::problem;
use crate::sampler::now;
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use std::net::IpAddr;
use std::sync::Arc;

/// Open to everybody who can connect: they tell nothing but whether the program lives, and how to log in.
const PUBLIC: [&str; 6] =
    ["/healthz", "/readyz", "/login", "/assets/style.css", "/assets/login.js", "/favicon.svg"];

/// What a page may do: its own scripts and nothing inline. The hash is that of the empty style element that the chart library makes for
/// its rules; it also sets style attributes.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='; \
     style-src-attr 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    // Without a referrer a browser sends a form with the origin `null`.
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// The middleware.
pub(super) async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let mut response = match refusal(&app, &request) {
        Some(refused) => refused,
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        // Pictures that bring scripts of their own have a policy of their own.
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if app.is_tls {
        let value = HeaderValue::from_static("max-age=31536000");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, value);
    }
    response
}

fn refusal(app: &App, request: &Request) -> Option<Response> {
    let headers = request.headers();
    let Some(host) = host(request) else {
        return Some(problem(StatusCode::BAD_REQUEST, "the request names no host; send a Host header"));
    };
    if !is_known(app, &host) {
        let text = format!(
            "the host `{host}` is not known here; expected an address, localhost, or a name given with allow_host"
        );
        return Some(problem(StatusCode::MISDIRECTED_REQUEST, &text));
    }
    if let Some(foreign) = foreign_origin(app, headers, &host) {
        let text =
            format!("requests of another site (`{foreign}`) are not answered; open http(s)://{host}/ itself");
        return Some(problem(StatusCode::FORBIDDEN, &text));
    }
    let path = request.uri().path();
    let token = app.token.as_ref()?;
    if PUBLIC.contains(&path) || is_admitted(token, headers) {
        return None;
    }
    let wants_page = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    if request.method() == Method::GET && wants_page.is_some_and(|accept| accept.contains("text/html")) {
        let next: String =
            request.uri().path_and_query().map(|path| path.as_str().replace('&', "%26")).unwrap_or_default();
        return Some(Redirect::to(&format!("/login?next={next}")).into_response());
    }
    let text = "a token is needed: send `Authorization: Bearer TOKEN`, or log in at /login";
    let mut response = problem(StatusCode::UNAUTHORIZED, text);
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    Some(response)
}

/// The host with port, lower-case.
fn host(request: &Request) -> Option<String> {
    let mut named = request.headers().get_all(header::HOST).iter();
    let first = named.next().and_then(|host| host.to_str().ok());
    // Two different ones are an attack on whoever reads the other.
    if named.next().is_some() {
        return None;
    }
    let authority = request.uri().authority().map(|authority| authority.as_str());
    authority.or(first).filter(|host| !host.is_empty()).map(str::to_ascii_lowercase)
}

fn is_known(app: &App, host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    // A name can be made to mean this machine by whoever owns it; an address cannot.
    name == "localhost" || name.parse::<IpAddr>().is_ok() || app.hosts.iter().any(|known| known == name)
}

/// The origin of a request that another site's page made.
fn foreign_origin(app: &App, headers: &HeaderMap, host: &str) -> Option<String> {
    if let Some(origin) = headers.get(header::ORIGIN) {
        let origin = origin.to_str().unwrap_or("?");
        let scheme = if app.is_tls { "https" } else { "http" };
        if !origin.eq_ignore_ascii_case(&format!("{scheme}://{host}")) {
            return Some(origin.to_owned());
        }
    }
    let site = headers.get("sec-fetch-site").and_then(|site| site.to_str().ok());
    let is_navigation = headers.get("sec-fetch-mode").is_some_and(|mode| mode == "navigate");
    match site {
        // A link from another page is a navigation, and shows nothing to that page.
        Some("cross-site" | "same-site") if !is_navigation => Some("another site".to_owned()),
        _ => None,
    }
}

fn is_admitted(token: &super::Token, headers: &HeaderMap) -> bool {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer = bearer.and_then(|value| value.split_once(' '));
    if bearer
        .is_some_and(|(scheme, given)| scheme.eq_ignore_ascii_case("bearer") && token.matches(given.trim()))
    {
        return true;
    }
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.any(|(name, value)| name == COOKIE && token.admits(value, now()))
}
