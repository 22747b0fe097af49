//! What operators, load balancers and Prometheus ask: is it up, is it ready, and how is it doing?

use std::sync::Arc;

use hyper::{HeaderMap, Response, StatusCode};

use crate::app::{App, BUILD, VERSION};
use crate::auth::{Credential, Door, Forbidden, Scope};
use crate::body::{self, Body};
use crate::dialect::Dialect;
use crate::lifecycle::Phase;
use crate::metrics;

/// `GET /health`: the process answers, and which build it is.
pub(crate) fn health(app: &App) -> Response<Body> {
    let uptime = app.uptime.elapsed();
    let uptime = format_args!("{}.{:06}", uptime.as_secs(), uptime.subsec_micros());
    // Clients of Houmao talk to nobody else; the operator has decided to answer them.
    let service = match app.doors.of(Dialect::Houmao) {
        Door::Off => "",
        _ => r#","houmao_service":"houmao-passive-server""#,
    };
    let text = format!(
        r#"{{"status":"ok","uptime":{uptime},"version":"{VERSION}","build":"{BUILD}"{service}}}"#
    );
    body::json(StatusCode::OK, text)
}

/// `GET /readyz`: 200 while requests should be sent here, 503 before and after.
pub(crate) fn ready(app: &App) -> Response<Body> {
    let (status, text) = match app.lifecycle.phase() {
        Phase::Starting => (StatusCode::SERVICE_UNAVAILABLE, r#"{"status":"starting"}"#),
        Phase::Ready => (StatusCode::OK, r#"{"status":"ready"}"#),
        Phase::Draining | Phase::Over => {
            (StatusCode::SERVICE_UNAVAILABLE, r#"{"status":"draining"}"#)
        }
    };
    body::json(status, text)
}

/// `GET /metrics`: for whoever may read everywhere, or whom its door lets in.
pub(crate) async fn metrics(app: &Arc<App>, headers: &HeaderMap) -> Response<Body> {
    let door = app.doors.metrics;
    if door == Door::Off {
        return body::not_found();
    }
    let caller = app.auth.caller(door, Credential::Bearer, headers);
    if let Err(refused) = caller.demand_everywhere(Scope::Read) {
        app.auth.log(refused);
        let status = match refused {
            Forbidden::Unknown(_) => StatusCode::UNAUTHORIZED,
            Forbidden::Insufficient => StatusCode::FORBIDDEN,
        };
        let message = "send `Authorization: Bearer` and a token that may read everywhere";
        return body::error(status, message);
    }
    // Very many stale records take a moment to count, which must not hold up other requests.
    let shared = Arc::clone(app);
    match tokio::task::spawn_blocking(move || metrics::page(&shared)).await {
        Ok(page) => body::text(StatusCode::OK, "text/plain; version=0.0.4", page),
        Err(_) => body::error(StatusCode::INTERNAL_SERVER_ERROR, "the metrics could not be read"),
    }
}
