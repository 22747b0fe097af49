//! What an operator and a load balancer ask: is it up, and is it ready? Open to everybody.

use hyper::{Response, StatusCode};

use crate::app::{App, BUILD, VERSION};
use crate::body::{self, Body};
use crate::lifecycle::Phase;

/// `GET /health`: the process answers, and which build it is.
pub(crate) fn health(app: &App) -> Response<Body> {
    let uptime = app.uptime.elapsed().as_secs_f64();
    let text = format!(
        r#"{{"status":"ok","uptime":{uptime:.6},"version":"{VERSION}","build":"{BUILD}"}}"#
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
