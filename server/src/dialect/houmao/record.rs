//! A session's record: version 3, which is kept, and version 2, which is still understood.
//!
//! Fields stand in alphabetical order, because that is how the original writes them, and a field
//! without a value is written as null. Whatever else is sent is refused, at every depth.

use serde::{Deserialize, Serialize};

/// A record, version 3.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    pub(super) agent_id: String,
    pub(super) agent_name: String,
    pub(super) gateway: Option<Gateway>,
    pub(super) generation_id: String,
    pub(super) identity: Identity,
    pub(super) lifecycle: Lifecycle,
    pub(super) liveness: Option<Liveness>,
    pub(super) mailbox: Option<Mailbox>,
    pub(super) runtime: Runtime,
    pub(super) schema_version: u64,
    pub(super) terminal: Terminal,
}

/// Where a session's gateway listens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Gateway {
    pub(super) host: String,
    pub(super) port: u64,
    pub(super) protocol_version: String,
    pub(super) state_path: String,
}

/// What runs in the session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Identity {
    pub(super) backend: Backend,
    pub(super) tool: String,
}

/// How the tool is driven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Backend {
    LocalInteractive,
    CodexHeadless,
    CodexAppServer,
    ClaudeHeadless,
    KimiHeadless,
    CaoRest,
    HoumaoServerRest,
}

/// Where the session stands in its life.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Lifecycle {
    pub(super) relaunchable: bool,
    pub(super) state: Phase,
    pub(super) state_updated_at: String,
    pub(super) stop_reason: Option<String>,
    pub(super) stopped_at: Option<String>,
}

/// The four states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Phase {
    Active,
    Stopped,
    Relaunching,
    Retired,
}

/// Until when the record may be believed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Liveness {
    pub(super) lease_expires_at: String,
    pub(super) published_at: String,
}

/// Where the session gets its mail, in one of two ways. What belongs to the other is not written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mailbox {
    pub(super) address: String,
    pub(super) bindings_version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) credential_ref: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) filesystem_root: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) jmap_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) login_identity: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) management_url: Option<String>,
    pub(super) principal_id: String,
    pub(super) transport: Transport,
}

/// How mail is carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Transport {
    Filesystem,
    Stalwart,
}

/// Where on its host the session keeps what it needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Runtime {
    pub(super) agent_def_dir: Option<String>,
    pub(super) manifest_path: String,
    pub(super) session_root: Option<String>,
}

/// The terminal that the session runs in, or ran in last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Terminal {
    pub(super) current_session_name: Option<String>,
    #[serde(default)]
    pub(super) kind: Multiplexer,
    pub(super) last_session_name: String,
}

/// The only one there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Multiplexer {
    #[default]
    Tmux,
}

/// A record, version 2: it knew only active sessions.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OldRecord {
    agent_id: String,
    agent_name: String,
    gateway: Option<Gateway>,
    generation_id: String,
    identity: Identity,
    pub(super) lease_expires_at: String,
    mailbox: Option<Mailbox>,
    pub(super) published_at: String,
    runtime: Runtime,
    /// Read before, and only here so that it is no unknown field.
    #[serde(rename = "schema_version")]
    _schema_version: Option<u64>,
    pub(super) terminal: OldTerminal,
}

/// A terminal as version 2 had it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OldTerminal {
    #[serde(default)]
    kind: Multiplexer,
    pub(super) session_name: String,
}

/// The version that is written.
pub(super) const VERSION: u64 = 3;

/// The version before it.
pub(super) const OLD_VERSION: u64 = 2;

// === impl Phase ===

impl Phase {
    /// Every state.
    pub(super) const ALL: [Self; 4] =
        [Self::Active, Self::Stopped, Self::Relaunching, Self::Retired];

    /// Its name on the wire.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Stopped => "stopped",
            Self::Relaunching => "relaunching",
            Self::Retired => "retired",
        }
    }

    /// Whether the session runs, or is about to: then it has a lease and a terminal.
    pub(super) fn is_up(self) -> bool {
        matches!(self, Self::Active | Self::Relaunching)
    }
}

// === impl OldRecord ===

impl OldRecord {
    /// The same as version 3.
    pub(super) fn upgraded(self) -> Record {
        let OldTerminal { kind, session_name } = self.terminal;
        Record {
            agent_id: self.agent_id,
            agent_name: self.agent_name,
            gateway: self.gateway,
            generation_id: self.generation_id,
            identity: self.identity,
            lifecycle: Lifecycle {
                relaunchable: self.runtime.session_root.is_some(),
                state: Phase::Active,
                state_updated_at: self.published_at.clone(),
                stop_reason: None,
                stopped_at: None,
            },
            liveness: Some(Liveness {
                lease_expires_at: self.lease_expires_at,
                published_at: self.published_at,
            }),
            mailbox: self.mailbox,
            runtime: self.runtime,
            schema_version: VERSION,
            terminal: Terminal {
                current_session_name: Some(session_name.clone()),
                kind,
                last_session_name: session_name,
            },
        }
    }
}
