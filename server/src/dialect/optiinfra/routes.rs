//! Route by route: read what the caller sent, say one verb to the registry, answer in its shape.

use hyper::Response;

use crate::app::App;
use crate::body::{self, Body};
use crate::call::Call;

/// Answers one call.
pub(crate) async fn answer(_app: &App, _call: Call<'_>) -> Response<Body> {
    body::not_found()
}
