//! The HTTP shapes we answer in, and which paths belong to which.
//!
//! | dialect | paths | whose clients speak it |
//! |---|---|---|
//! | vers | `/registry`, `/commits`, `/feed`, `/board` | vers-agent-services |

mod vers;

use std::sync::OnceLock;

use hyper::Response;
use registry_core::Rules;

use crate::app::App;
use crate::body::Body;
use crate::call::Call;

/// What the dialects make of one version of a record, each at most once.
#[derive(Debug, Default)]
pub(crate) struct Rendered {
    /// The entry in the shape of vers, up to the value of `lastSeen`.
    pub(crate) vers: OnceLock<Box<str>>,
}

/// A dialect, found by the first segment of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// The shape of vers-agent-services.
    Vers,
}

// === impl Dialect ===

impl Dialect {
    /// The owner of a path, whatever comes below its first segment.
    pub(crate) fn of(segments: &[&str]) -> Option<Self> {
        match segments {
            ["registry" | "commits" | "feed" | "board", ..] => Some(Dialect::Vers),
            _ => None,
        }
    }

    /// Answers a call in this shape.
    pub(crate) async fn answer(self, app: &App, call: Call<'_>) -> Response<Body> {
        match self {
            Dialect::Vers => vers::answer(app, call).await,
        }
    }
}

/// The namespaces that belong to dialects, and their rules.
pub fn namespaces() -> [(&'static str, Rules); 1] {
    [(vers::NAMESPACE, vers::rules())]
}
