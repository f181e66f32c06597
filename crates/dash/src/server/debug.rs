//! Profiles and traces.

use super::App;
use super::routes::problem;
use crate::profile::{FLAMEGRAPH_TYPE, ProfileError};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::http::header::{self, HeaderValue};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;

/// A flame graph brings its own script. In a sandbox it has an origin of its own and cannot ask for anything.
const FLAMEGRAPH_POLICY: &str =
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; sandbox allow-scripts";

/// What a profile is asked for.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wish {
    /// How long to sample, 1 to 60 seconds. Default 5.
    seconds: Option<u64>,
    /// Samples per second of CPU time, 1 to 999. Default 99.
    frequency: Option<i32>,
}

type Asked = Result<Query<Wish>, QueryRejection>;

fn read(asked: Asked) -> Result<(Duration, i32), Box<Response>> {
    let expected = "expected seconds=1..60 and frequency=1..999";
    let bad = |text: String| Box::new(problem(StatusCode::BAD_REQUEST, &format!("{text}; {expected}")));
    let Query(wish) = asked.map_err(|rejected| bad(rejected.body_text()))?;
    let (seconds, frequency) = (wish.seconds.unwrap_or(5), wish.frequency.unwrap_or(99));
    if !(1..=60).contains(&seconds) || !(1..=999).contains(&frequency) {
        return Err(bad(format!("seconds is {seconds} and frequency {frequency}")));
    }
    Ok((Duration::from_secs(seconds), frequency))
}

fn failed(error: &ProfileError) -> Response {
    let status = match error {
        ProfileError::Busy => StatusCode::CONFLICT,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    problem(status, &error.to_string())
}

pub(super) async fn profile(State(app): State<Arc<App>>, asked: Asked) -> Response {
    let (time, frequency) = match read(asked) {
        Ok(wish) => wish,
        Err(response) => return *response,
    };
    match app.profiler.sample(time, frequency).await {
        Ok(profile) => match profile.pprof() {
            Ok(bytes) => download(bytes, "application/octet-stream", "profile.pb.gz"),
            Err(error) => failed(&error),
        },
        Err(error) => failed(&error),
    }
}

pub(super) async fn flamegraph(State(app): State<Arc<App>>, asked: Asked) -> Response {
    let (time, frequency) = match read(asked) {
        Ok(wish) => wish,
        Err(response) => return *response,
    };
    match app.profiler.sample(time, frequency).await.and_then(|profile| profile.flamegraph("CPU")) {
        Ok(svg) => {
            let policy = HeaderValue::from_static(FLAMEGRAPH_POLICY);
            (
                [
                    (header::CONTENT_TYPE, HeaderValue::from_static(FLAMEGRAPH_TYPE)),
                    (header::CONTENT_SECURITY_POLICY, policy),
                ],
                svg,
            )
                .into_response()
        }
        Err(error) => failed(&error),
    }
}

pub(super) async fn heap(State(app): State<Arc<App>>) -> Response {
    let Some(heap) = app.heap.clone() else {
        let text = "this program does not profile its heap; the rio command does when MALLOC_CONF=prof:true is set, other programs \
             hand over a function with heap_profile";
        return problem(StatusCode::NOT_FOUND, text);
    };
    match tokio::task::spawn_blocking(move || heap()).await {
        Ok(Ok(bytes)) => download(bytes, "application/octet-stream", "heap.pb.gz"),
        Ok(Err(why)) => problem(StatusCode::CONFLICT, &why),
        Err(_) => problem(StatusCode::SERVICE_UNAVAILABLE, "the program is ending"),
    }
}

pub(super) async fn trace(State(app): State<Arc<App>>) -> Response {
    match &app.trace {
        Some(ring) => download(ring.chrome_json().into_bytes(), "application/json", "trace.json"),
        None => {
            let text = "this program keeps no trace; add a TraceRing to its tracing subscriber and hand it to the dashboard";
            problem(StatusCode::NOT_FOUND, text)
        }
    }
}

fn download(bytes: Vec<u8>, kind: &'static str, name: &str) -> Response {
    let disposition = format!("attachment; filename=\"{name}\"");
    ([(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, disposition)], bytes)
        .into_response()
}
