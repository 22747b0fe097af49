//! The page: what every request passes on its way in, and its answer on the way out, in order.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::{Request, Response};
use tower::{Service, ServiceBuilder};

use crate::access_log::AccessLog;
use crate::app::App;
use crate::body::Body;
use crate::lifecycle::Phase;
use crate::request_id::NameRequest;
use crate::rescue::Rescue;
use crate::route;
use crate::timeout::Timeout;

/// The service of one connection: each request of `peer` goes down this list, its answer up.
pub fn stack(
    app: Arc<App>,
    peer: SocketAddr,
) -> impl Service<Request<Incoming>, Response = Response<Body>, Error = Infallible, Future: Send>
+ Clone
+ Send {
    let draining = Arc::clone(&app);
    let time_max = app.limits.request;
    ServiceBuilder::new()
        // Names the request. Above everything, so that all that is logged or answered has the name.
        .layer_fn(NameRequest::new)
        // Reports the request in the log. Above all that can fail or take long, to report that.
        .layer_fn(|inner| AccessLog::new(inner, peer))
        // Once the server drains, asks the client to come back on a new connection. Above whatever
        // makes an answer, since every answer must ask.
        .map_response(move |answer| leaving(&draining, answer))
        // Turns what went wrong into an answer, panics included: from here up nothing fails.
        .layer_fn(Rescue::new)
        // Gives up on an answer that takes too long to begin. Below the rescue, which words it.
        .layer_fn(|inner| Timeout::new(inner, time_max))
        // Finds the route. Who may call is decided at the door of the route's dialect, hence
        // no layer here.
        .service_fn(move |request| route::answer(Arc::clone(&app), peer, request))
}

/// The answer, which closes its connection if the server drains.
fn leaving(app: &App, mut answer: Response<Body>) -> Response<Body> {
    if app.lifecycle.phase() >= Phase::Draining {
        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    answer
}
