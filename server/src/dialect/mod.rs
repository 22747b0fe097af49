//! The HTTP shapes we answer in, and which paths belong to which.
//!
//! | dialect | paths | whose clients speak it |
//! |---|---|---|
//! | native | `/v1`, `/openapi.json` | ours |
//! | vers | `/registry`, `/commits`, `/feed`, `/board` | vers-agent-services |
//! | runspec | `/instances`, `/tools`, `/hosts`, `/export` | runspec-registry |
//! | optiinfra | `/agents`, `/api/v1/agents` | OptiInfra agents |
//! | houmao | `/houmao` | Houmao's, where it is switched on |

mod houmao;
mod native;
mod optiinfra;
mod runspec;
mod vers;

use std::sync::OnceLock;

pub(crate) use vers::Rooms;

use hyper::Response;
use registry_core::{Rules, Slot};

use crate::app::App;
use crate::auth::{Credential, Door};
use crate::body::Body;
use crate::call::Call;

/// What the dialects make of one version of a record that is asked for again and again.
#[derive(Debug, Default)]
pub(crate) struct Rendered {
    /// The instance in our own shape, up to what moves without a change.
    pub(crate) native: OnceLock<Box<str>>,
    /// The entry in the shape of vers, up to the value of `lastSeen`.
    pub(crate) vers: OnceLock<Box<str>>,
    /// The tools in the shape of runspec, taken apart.
    pub(crate) runspec: OnceLock<runspec::Tools>,
    /// The agent in the shape of optiinfra.
    pub(crate) optiinfra: OnceLock<optiinfra::Rendering>,
}

/// A dialect, found by the first segments of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Our own.
    Native,
    /// The shape of vers-agent-services.
    Vers,
    /// The shape of runspec-registry.
    Runspec,
    /// The shape of the OptiInfra orchestrator.
    Optiinfra,
    /// The shape of Houmao's shared registry.
    Houmao,
}

/// The door of each dialect, and that of the metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doors {
    dialects: [Door; Dialect::ALL.len()],
    /// Whom the metrics are shown.
    pub(crate) metrics: Door,
}

// === impl Rendered ===

impl Rendered {
    /// Where that is kept; `None` if the version is asked for the first time, or an embedder keeps
    /// something else there. Then it is made for this answer alone.
    pub(crate) fn of(slot: &Slot) -> Option<&Self> {
        slot.memo_if_asked_again()?.get_or_init(Self::default)
    }
}

// === impl Dialect ===

impl Dialect {
    /// Every dialect.
    pub const ALL: [Self; 5] =
        [Self::Native, Self::Vers, Self::Runspec, Self::Optiinfra, Self::Houmao];

    /// Its name, in the configuration and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Vers => "vers",
            Self::Runspec => "runspec",
            Self::Optiinfra => "optiinfra",
            Self::Houmao => "houmao",
        }
    }

    /// The owner of a path, whatever comes below its first segments.
    pub(crate) fn of(segments: &[&str]) -> Option<Self> {
        match segments {
            ["v1", ..] | ["openapi.json"] => Some(Self::Native),
            ["registry" | "commits" | "feed" | "board", ..] => Some(Self::Vers),
            ["instances" | "tools" | "hosts" | "export", ..] => Some(Self::Runspec),
            ["agents", ..] | ["api", "v1", "agents", ..] => Some(Self::Optiinfra),
            ["houmao", ..] => Some(Self::Houmao),
            _ => None,
        }
    }

    /// Which header its clients put their token in.
    pub(crate) fn credential(self) -> Credential {
        match self {
            Self::Runspec => Credential::ApiKey,
            Self::Native | Self::Vers | Self::Optiinfra | Self::Houmao => Credential::Bearer,
        }
    }

    /// Answers a call in this shape.
    pub(crate) async fn answer(self, app: &App, call: Call<'_>) -> Response<Body> {
        // Some in a box, so that the others have not their size.
        match self {
            Self::Native => native::answer(app, call).await,
            Self::Vers => vers::answer(app, call).await,
            Self::Runspec => Box::pin(runspec::answer(app, call)).await,
            Self::Optiinfra => Box::pin(optiinfra::answer(app, call)).await,
            Self::Houmao => Box::pin(houmao::answer(app, call)).await,
        }
    }
}

// === impl Doors ===

impl Doors {
    /// The doors of the dialects in the order of [`Dialect::ALL`], and that of the metrics.
    pub fn new(dialects: [Door; Dialect::ALL.len()], metrics: Door) -> Self {
        Self { dialects, metrics }
    }

    /// The door of one dialect.
    pub fn of(&self, dialect: Dialect) -> Door {
        self.dialects[dialect as usize]
    }
}

impl Default for Doors {
    /// Closed, but for the dialect whose original lets everybody look; and without the one that
    /// makes the server say that it is another program.
    fn default() -> Self {
        let dialects = Dialect::ALL.map(|dialect| match dialect {
            Dialect::Runspec => Door::OpenReads,
            Dialect::Houmao => Door::Off,
            Dialect::Native | Dialect::Vers | Dialect::Optiinfra => Door::Token,
        });
        Self { dialects, metrics: Door::Token }
    }
}

/// The rules of every namespace that belongs to no dialect.
pub fn default_rules() -> Rules {
    native::rules()
}

/// The namespaces that belong to dialects, and their rules.
pub fn namespaces() -> Vec<(&'static str, Rules)> {
    let hidden = vers::HIDDEN.map(|name| (name, Rules::default()));
    let shown = [
        (vers::NAMESPACE, vers::rules()),
        (runspec::NAMESPACE, runspec::rules()),
        (optiinfra::NAMESPACE, optiinfra::rules()),
        (houmao::NAMESPACE, houmao::rules()),
    ];
    shown.into_iter().chain(hidden).collect()
}
