//! Live panels, as server-sent events (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).
//!
//! A stream sends its panel at once and after each sample. Nothing queues: a client that is slow gets the latest state when it is ready for
//! it, and one that does not read at all is dropped with its connection.

use super::App;
use super::listen::Busy;
use super::routes::{make, no_panel, problem};
use crate::panel::{Panel, Range};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Deserialize;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, watch};

/// How long a browser waits before it connects again, in milliseconds.
const RETRY: std::time::Duration = std::time::Duration::from_millis(1000);

/// What a stream is asked for.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wish {
    /// Name of the panel.
    panel: String,
    /// Seconds up to now, 10 to 7776000. Default 300.
    range: Option<u64>,
    /// The file of the I/O map.
    file: Option<u32>,
}

struct Live {
    app: Arc<App>,
    panel: Panel,
    range: Range,
    ticks: watch::Receiver<u64>,
    down: watch::Receiver<bool>,
    is_first: bool,
    _permit: OwnedSemaphorePermit,
    _busy: Option<Busy>,
}

pub(super) async fn stream(
    State(app): State<Arc<App>>,
    busy: Option<Extension<Busy>>,
    wish: Result<Query<Wish>, QueryRejection>,
) -> Response {
    let wish = match wish {
        Ok(Query(wish)) => wish,
        Err(rejected) => {
            let text = format!("{}; expected panel=NAME and range=SECONDS", rejected.body_text());
            return problem(StatusCode::BAD_REQUEST, &text);
        }
    };
    let Some(panel) = Panel::named(&wish.panel) else { return no_panel(&wish.panel) };
    let Ok(permit) = Arc::clone(&app.streams).try_acquire_owned() else {
        let text = "32 live streams are open already; close one, or ask for the panel itself";
        let mut response = problem(StatusCode::TOO_MANY_REQUESTS, text);
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        return response;
    };
    let range = Range { range: wish.range, from: None, to: None, file: wish.file };
    let (ticks, down) = (app.panels.sampler().ticks(), app.down.clone());
    let busy = busy.map(|Extension(busy)| busy);
    let live = Live { app, panel, range, ticks, down, is_first: true, _permit: permit, _busy: busy };
    Sse::new(stream::unfold(live, next)).keep_alive(KeepAlive::default()).into_response()
}

async fn next(mut live: Live) -> Option<(Result<Event, Infallible>, Live)> {
    loop {
        if !std::mem::take(&mut live.is_first) && !wait(&mut live).await {
            return None;
        }
        match make(&live.app, live.panel, live.range).await {
            Ok(bytes) => {
                let text = String::from_utf8_lossy(&bytes);
                return Some((Ok(Event::default().event("panel").retry(RETRY).data(text)), live));
            }
            Err(error) => tracing::warn!(%error, panel = live.panel.name(), "a live panel was left out"),
        }
    }
}

/// `false` when the server or the sampler ends.
async fn wait(live: &mut Live) -> bool {
    // A router of the program's own has no server that could end.
    let is_down = async {
        if live.down.wait_for(|down| *down).await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = is_down => false,
        changed = live.ticks.changed() => changed.is_ok(),
    }
}
