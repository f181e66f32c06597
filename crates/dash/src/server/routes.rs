//! What can be asked.

use super::guard::guard;
use super::login::{COOKIE, SESSION};
use super::{App, debug, events};
use crate::asset::{self, Asset};
use crate::model::{Problem, SilenceRequest, Silenced};
use crate::openapi;
use crate::panel::{Panel, PanelError, Range};
use crate::sampler::now;
use axum::Json;
use axum::Router;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Form, Path, Query, Request, State};
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::http::{StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;

/// Bytes of a request's body.
const BODY_MAX: usize = 4 << 10;
/// For an answer that is no profile, its body included.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Panels of one second that are kept for the next who asks.
const MADE_MAX: usize = 16;
/// A silence lasts at most a day.
const SILENCE_MAX: u64 = 86_400;

/// Everything that is served, in the order of the documentation.
pub(super) fn router(app: Arc<App>) -> Router {
    let quick = Router::new()
        .route("/api/v1/stream", get(events::stream))
        .route("/api/v1/decisions/{id}", get(decision))
        .route("/api/v1/alerts/silence", post(silence))
        .route("/api/v1/openapi.json", get(document))
        .route("/api/v1/{panel}", get(panel))
        .route("/metrics", get(metrics))
        .route("/healthz", get(healthy))
        .route("/readyz", get(ready))
        .route("/login", get(login_page).post(login))
        .route("/logout", post(logout))
        .route("/assets/{name}", get(static_file))
        .route("/favicon.svg", get(|| async { file("favicon.svg", &HeaderMap::new()) }))
        .route("/", get(page))
        .fallback(page_or_nothing)
        .layer(middleware::from_fn(in_time));
    let slow = Router::new()
        .route("/debug/pprof/profile", get(debug::profile))
        .route("/debug/pprof/flamegraph", get(debug::flamegraph))
        .route("/debug/pprof/heap", get(debug::heap))
        .route("/debug/trace", get(debug::trace));
    quick
        .merge(slow)
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), guard))
        .with_state(app)
}

/// An answer that is an error.
pub(super) fn problem(status: StatusCode, text: &str) -> Response {
    (status, Json(Problem { error: text.to_owned() })).into_response()
}

async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(ANSWER_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            problem(StatusCode::REQUEST_TIMEOUT, "the request was not complete within 10 s; send it again")
        }
    }
}

/// Makes a panel, or takes the one of this second.
pub(super) async fn make(app: &Arc<App>, panel: Panel, range: Range) -> Result<Bytes, PanelError> {
    let second = now();
    let key = (panel, range);
    if let Some((of, made)) = app.made.lock().get(&key)
        && *of == second
    {
        return Ok(made.clone());
    }
    let _turn = app.making.acquire().await.map_err(|_| PanelError::Stopped)?;
    let bytes = Bytes::from(app.panels.json(panel, range).await?);
    let mut made = app.made.lock();
    if made.len() >= MADE_MAX {
        made.retain(|_, (of, _)| *of == second);
    }
    if made.len() < MADE_MAX {
        made.insert(key, (second, bytes.clone()));
    }
    Ok(bytes)
}

fn json(bytes: Bytes) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], bytes).into_response()
}

fn bad_query(rejected: &QueryRejection) -> Response {
    let expected = "range=SECONDS, or from=TIME and to=TIME in seconds since 1970; file=NUMBER for io-map";
    problem(StatusCode::BAD_REQUEST, &format!("{}; expected {expected}", rejected.body_text()))
}

async fn panel(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    range: Result<Query<Range>, QueryRejection>,
) -> Response {
    let Some(panel) = Panel::named(&name) else { return no_panel(&name) };
    let range = match range {
        Ok(Query(range)) => range,
        Err(rejected) => return bad_query(&rejected),
    };
    match make(&app, panel, range).await {
        Ok(bytes) => json(bytes),
        Err(error) => problem(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
    }
}

pub(super) fn no_panel(name: &str) -> Response {
    let names: Vec<&str> = Panel::ALL.iter().map(|panel| panel.name()).collect();
    let text = format!("there is no panel `{}`; expected one of {}", name.escape_default(), names.join(", "));
    problem(StatusCode::NOT_FOUND, &text)
}

async fn decision(State(app): State<Arc<App>>, Path(id): Path<String>) -> Response {
    let Ok(id) = id.parse() else {
        return problem(
            StatusCode::BAD_REQUEST,
            "a decision is named by its number, such as /api/v1/decisions/7",
        );
    };
    match app.panels.decision(id) {
        Some(detail) => Json(detail).into_response(),
        None => problem(
            StatusCode::NOT_FOUND,
            &format!("decision {id} is not among those kept; /api/v1/decisions lists them"),
        ),
    }
}

async fn silence(
    State(app): State<Arc<App>>,
    asked: Result<Json<SilenceRequest>, JsonRejection>,
) -> Response {
    if !app.panels.control {
        let text = "this dashboard is read-only; start it with allow_control (--dashboard-control)";
        return problem(StatusCode::FORBIDDEN, text);
    }
    let asked = match asked {
        Ok(Json(asked)) => asked,
        Err(rejected) => return problem(rejected.status(), &rejected.body_text()),
    };
    if asked.metric.is_empty() || asked.metric.len() > 128 || !(1..=SILENCE_MAX).contains(&asked.seconds) {
        let text = "expected a metric's name of 1 to 128 bytes and 1 to 86400 seconds";
        return problem(StatusCode::UNPROCESSABLE_ENTITY, text);
    }
    let Some(monitor) = app.panels.source().monitor() else {
        return problem(StatusCode::CONFLICT, "there is no monitor, so there are no alerts to silence");
    };
    if !monitor.silence(&asked.metric, Duration::from_secs(asked.seconds)) {
        return problem(StatusCode::CONFLICT, "64 metrics are silenced already; wait until one ends");
    }
    app.made.lock().clear();
    Json(Silenced { silences: app.panels.alerts().silences }).into_response()
}

async fn document() -> Response {
    json(openapi::text())
}

async fn metrics(State(app): State<Arc<App>>) -> Response {
    match app.panels.source().monitor() {
        Some(monitor) => ([(header::CONTENT_TYPE, rustfs_rio::monitor::CONTENT_TYPE)], monitor.openmetrics())
            .into_response(),
        None => problem(
            StatusCode::NOT_FOUND,
            "the runtime has no monitor; switch on enable_performance_monitoring",
        ),
    }
}

/// The program lives: it answers.
async fn healthy() -> &'static str {
    "ok\n"
}

/// The engine takes operations.
async fn ready(State(app): State<Arc<App>>) -> Response {
    if app.panels.source().runtime().is_healthy() {
        "ok\n".into_response()
    } else {
        problem(StatusCode::SERVICE_UNAVAILABLE, "the engine is shut down")
    }
}

#[derive(Deserialize)]
struct Credentials {
    token: String,
    #[serde(default)]
    next: String,
}

async fn login_page() -> Response {
    file("login.html", &HeaderMap::new())
}

async fn login(
    State(app): State<Arc<App>>,
    form: Result<Form<Credentials>, axum::extract::rejection::FormRejection>,
) -> Response {
    let Some(token) = &app.token else { return Redirect::to("/").into_response() };
    let given = match form {
        Ok(Form(given)) => given,
        Err(rejected) => return problem(rejected.status(), &rejected.body_text()),
    };
    if !token.matches(given.token.trim()) {
        tracing::warn!("a login to the dashboard was refused");
        // Enough that nobody tries a dictionary; a token has 96 bits anyway.
        tokio::time::sleep(Duration::from_secs(1)).await;
        return Redirect::to("/login?failed=1").into_response();
    }
    let cookie = token.cookie(now() + SESSION.as_secs());
    let place = if given.next.starts_with('/') && !given.next.starts_with("//") && !given.next.contains('\\')
    {
        given.next.as_str()
    } else {
        "/"
    };
    let mut response = Redirect::to(place).into_response();
    set_cookie(&mut response, &cookie, SESSION.as_secs(), app.is_tls);
    response
}

async fn logout(State(app): State<Arc<App>>) -> Response {
    let mut response = Redirect::to("/login").into_response();
    set_cookie(&mut response, "", 0, app.is_tls);
    response
}

fn set_cookie(response: &mut Response, value: &str, seconds: u64, is_tls: bool) {
    let secure = if is_tls { "; Secure" } else { "" };
    let text = format!("{COOKIE}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    if let Ok(value) = HeaderValue::from_str(&text) {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
}

async fn page(headers: HeaderMap) -> Response {
    file("index.html", &headers)
}

/// Every page of the dashboard is the same document; its script shows what the address says.
async fn page_or_nothing(uri: Uri, headers: HeaderMap) -> Response {
    match Panel::named(uri.path().trim_start_matches('/')) {
        Some(_) => file("index.html", &headers),
        None => problem(
            StatusCode::NOT_FOUND,
            "there is nothing here; the dashboard begins at /, its API at /api/v1/openapi.json",
        ),
    }
}

async fn static_file(Path(name): Path<String>, headers: HeaderMap) -> Response {
    file(&name, &headers)
}

fn file(name: &str, headers: &HeaderMap) -> Response {
    let Some(Asset { kind, bytes, is_gzip, tag }) = asset::find(name) else {
        return problem(StatusCode::NOT_FOUND, "there is no such file in this program");
    };
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    // Checked each time, so that a new program is not shown with an old script; an answer without a body is all that costs.
    let common = [(header::ETAG, tag.clone()), (header::CACHE_CONTROL, "no-cache".to_owned())];
    if known == Some(tag.as_str()) {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    let mut response = (common, [(header::CONTENT_TYPE, kind)], Bytes::from_static(bytes)).into_response();
    if is_gzip {
        // Every browser takes it; what does not has no use for a chart library.
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}
