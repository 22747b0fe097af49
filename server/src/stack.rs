//! The page: what every request passes on its way in, and its answer on the way out, in order.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use hyper::body::{Body as _, Incoming};
use hyper::header::{CONNECTION, HeaderValue};
use hyper::{Request, Response, StatusCode};
use tower::service_fn;

use crate::access_log::AccessLine;
use crate::app::App;
use crate::body::{self, Body};
use crate::call::Peer;
use crate::lifecycle::Phase;
use crate::listen::Answering;
use crate::request_id::Names;
use crate::rescue::rescued;
use crate::route;
use crate::timeout::Alarms;

/// What the requests of one connection share. Their counting of who holds it stays with the
/// connection; that of what all connections share would go from core to core.
struct Visit {
    app: Arc<App>,
    peer: Peer,
    names: Names,
    alarms: Alarms,
}

/// The service of one connection: each request of `peer` goes down the page.
pub fn stack(app: Arc<App>, peer: SocketAddr) -> impl Answering {
    let (names, peer) = (app.namer.names(), Peer::at(peer));
    let visit = Arc::new(Visit { app, peer, names, alarms: Alarms::default() });
    service_fn(move |request| answer(Arc::clone(&visit), request))
}

/// Answers one request.
///
/// One service rather than a layer for each step, with a future around that of the next: a request
/// is looked at where it lies, and nothing is copied for an answer that needs none of it.
async fn answer(
    visit: Arc<Visit>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let Visit { app, peer, names, alarms } = &*visit;
    let (head, mut body) = request.into_parts();
    // Names the request. First, so that all that is logged or answered has the name.
    let name = names.of(&head.headers);
    // Begins the line in the log. Before all that can fail or take long, to report that.
    let line = AccessLine::begin();
    let mut answer = {
        // Finds the route. Who may call is decided at the door of its dialect, hence not here.
        let answer = pin!(route::answer(app, peer, &head, &mut body));
        // Gives up on an answer that takes too long to begin.
        let answer = alarms.within(app.limits.request, answer);
        // Turns what went wrong into an answer, panics included: from here on nothing fails.
        rescued(answer, &name).await
    };
    // Lets the client finish what it is sending, though nobody wants it: else its connection would
    // be cut, and it might never see the answer. Who has kept us waiting for it is told at once.
    let is_stuck = answer.status() == StatusCode::REQUEST_TIMEOUT;
    let finished = body.is_end_stream()
        || !is_stuck && body::finish(&mut body, &head.headers, &app.limits).await;
    if let Some(line) = line {
        line.end(&name, peer.address, &head, &answer);
    }
    // Once the server drains, asks the client to come back on a new connection. Whatever made the
    // answer, since every answer must ask.
    if !finished || app.lifecycle.phase() >= Phase::Draining {
        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    name.tell(&mut answer);
    Ok(answer)
}
