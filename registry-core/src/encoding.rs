//! Record ⇄ bytes at rest: versioned, and every version ever written can be read.
//!
//! The bytes are JSON, so that a person can read a store without us. Keys, revisions and beats are
//! the store's own columns and not part of the body.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::change::Revision;
use crate::clock::Timestamp;
use crate::key::Key;
use crate::lease::{Term, Ttl};
use crate::record::{Declared, Generation, Record, Service, State};
use crate::store::Stored;

/// The version this build writes. It reads this one and all before.
const VERSION: u32 = 1;

/// Roughly what a body takes beside the texts of its record.
const FIELD_NAMES_BYTES: usize = 192;

/// A stored body that cannot be understood.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// It was written by a newer build.
    #[error("record {key} has format {version}; this build reads up to {VERSION}: use a newer one")]
    Newer {
        /// Whose body it is.
        key: Key,
        /// The version it claims.
        version: u32,
    },
    /// It is damaged.
    #[error("record {key} is damaged: {reason}")]
    Damaged {
        /// Whose body it is.
        key: Key,
        /// What was found.
        reason: String,
    },
}

#[derive(Serialize, Deserialize)]
struct BodyV1<'a> {
    v: u32,
    #[serde(borrow)]
    generation: Text<'a>,
    registered_at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lapsed_at: Option<i64>,
    state: Text<'a>,
    #[serde(default, skip_serializing_if = "Text::is_empty")]
    name: Text<'a>,
    #[serde(default, skip_serializing_if = "Text::is_empty")]
    role: Text<'a>,
    #[serde(default, skip_serializing_if = "Text::is_empty")]
    address: Text<'a>,
    #[serde(default, skip_serializing_if = "Text::is_empty")]
    registered_by: Text<'a>,
    /// Absent: the namespace's default. 0: no lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ttl_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    services: Vec<ServiceV1<'a>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    capabilities: Vec<Text<'a>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<Text<'a>, Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    document: Option<Text<'a>>,
}

#[derive(Serialize, Deserialize)]
struct ServiceV1<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
}

/// Text that is read where it lies, unless it has escapes there.
#[derive(Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
struct Versioned {
    v: u32,
}

/// The record's body as it rests.
#[must_use]
pub fn encode(record: &Record) -> Vec<u8> {
    let declared = &record.declared;
    let services = declared.services.iter();
    let body = BodyV1 {
        v: VERSION,
        generation: record.generation.as_str().into(),
        registered_at: record.registered_at.0,
        lapsed_at: record.lapsed_at.map(|at| at.0),
        state: declared.state.as_str().into(),
        name: (&*declared.name).into(),
        role: (&*declared.role).into(),
        address: (&*declared.address).into(),
        registered_by: (&*declared.registered_by).into(),
        ttl_ms: match declared.term {
            Term::Default => None,
            Term::Endless => Some(0),
            Term::For(ttl) => Some(ttl.as_ms()),
        },
        services: services.map(|s| ServiceV1 { name: (&*s.name).into(), port: s.port }).collect(),
        capabilities: declared.capabilities.iter().map(|c| (&**c).into()).collect(),
        labels: declared.labels.iter().map(|(n, v)| (n.into(), v.into())).collect(),
        document: declared.document.as_deref().map(Into::into),
    };
    let mut bytes = Vec::with_capacity(FIELD_NAMES_BYTES + record.weight());
    let written = serde_json::to_writer(&mut bytes, &body);
    written.expect("text, numbers and maps with text keys always serialise");
    bytes
}

/// The record that rests as `stored`.
///
/// # Errors
/// [`DecodeError`] names the record and says what is wrong with it.
pub fn decode(stored: &Stored) -> Result<Record, DecodeError> {
    let damaged = |reason: String| DecodeError::Damaged { key: stored.key.clone(), reason };
    // Known to be text as a whole, so that no part of it is looked at again for that.
    let body = match std::str::from_utf8(&stored.body) {
        Ok(body) => body,
        Err(error) => return Err(damaged(error.to_string())),
    };
    let body: BodyV1<'_> = match serde_json::from_str(body) {
        Ok(body) => body,
        Err(error) => {
            return Err(match serde_json::from_str(body) {
                Ok(Versioned { v }) if v > VERSION => {
                    DecodeError::Newer { key: stored.key.clone(), version: v }
                }
                _ => damaged(error.to_string()),
            });
        }
    };
    if body.v > VERSION {
        return Err(DecodeError::Newer { key: stored.key.clone(), version: body.v });
    }
    let services = body.services.into_iter();
    Ok(Record {
        key: stored.key.clone(),
        declared: Declared {
            name: body.name.into(),
            role: body.role.into(),
            state: body.state.0.parse::<State>().map_err(|e| damaged(e.to_string()))?,
            address: body.address.into(),
            services: services.map(|s| Service { name: s.name.into(), port: s.port }).collect(),
            capabilities: body.capabilities.into_iter().map(Into::into).collect(),
            labels: body.labels.into_iter().collect(),
            registered_by: body.registered_by.into(),
            term: match body.ttl_ms {
                None => Term::Default,
                Some(0) => Term::Endless,
                Some(ms) => Term::For(Ttl::from_ms(ms)),
            },
            document: body.document.map(Into::into),
        },
        generation: Generation::new(&body.generation.0).map_err(|e| damaged(e.to_string()))?,
        registered_at: Timestamp(body.registered_at),
        lapsed_at: body.lapsed_at.map(Timestamp),
        created: stored.created,
        modified: stored.modified,
    })
}

// === impl Text ===

impl Text<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl AsRef<str> for Text<'_> {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl From<Text<'_>> for Box<str> {
    fn from(Text(text): Text<'_>) -> Self {
        text.into()
    }
}

/// A record that is about to be written has no revision yet; the store gives it one.
pub(crate) const UNWRITTEN: Revision = Revision(0);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::lease::Beat;

    /// One record with every part, as each version has written it. A new version adds a file; none
    /// is ever changed.
    const VERSIONS: [&str; 1] = [include_str!("../golden/record.v1.json")];

    fn full() -> Record {
        Record {
            key: Key::new("vms", "a/b").unwrap(),
            declared: Declared {
                name: "billing".into(),
                role: "worker".into(),
                state: State::Relaunching,
                address: "10.0.0.7:80".into(),
                services: vec![
                    Service { name: "rpc".into(), port: Some(3001) },
                    Service { name: "ui".into(), port: None },
                ]
                .into(),
                capabilities: vec!["gpu".into(), "\u{1F600} \"quoted\"".into()].into(),
                labels: [("zone", "eu")].into(),
                registered_by: "orchestrator".into(),
                term: Term::For(Ttl::from_ms(90_000)),
                document: Some(r#"{"metadata":{"n":1}}"#.into()),
            },
            generation: Generation::new("g-1").unwrap(),
            registered_at: Timestamp(1_700_000_000_123),
            lapsed_at: Some(Timestamp(1_700_000_090_124)),
            created: Revision(7),
            modified: Revision(9),
        }
    }

    fn stored(record: &Record, body: Vec<u8>) -> Stored {
        let Record { key, created, modified, .. } = record.clone();
        Stored { key, created, modified, body, beat: Beat::default() }
    }

    #[test]
    fn every_version_ever_written_is_read() {
        for golden in VERSIONS {
            let golden = golden.trim_end().as_bytes().to_vec();
            assert_eq!(decode(&stored(&full(), golden)).unwrap(), full());
        }
    }

    #[test]
    fn the_newest_version_is_written_to_the_letter() {
        let newest = VERSIONS.last().unwrap().trim_end();
        assert_eq!(String::from_utf8(encode(&full())).unwrap(), newest);
    }

    #[test]
    fn what_is_newer_or_damaged_is_told_apart_and_named() {
        let error = |body: &str| decode(&stored(&full(), body.into())).unwrap_err().to_string();
        assert!(error(r#"{"v":2,"other":"things"}"#).contains("vms/a/b has format 2"));
        assert!(error(r#"{"v":1}"#).contains("damaged"));
        assert!(error("").contains("damaged"));
        let no_text = decode(&stored(&full(), vec![b'{', 0xff])).unwrap_err();
        assert!(no_text.to_string().contains("vms/a/b is damaged"), "{no_text}");
        let text = String::from_utf8(encode(&full())).unwrap();
        assert!(error(&text.replace("relaunching", "flying")).contains("must be one of running"));
    }

    proptest! {
        #[test]
        fn any_text_comes_back(text in any::<String>(), document in any::<Option<String>>()) {
            let mut record = full();
            record.declared.name = text.as_str().into();
            record.declared.labels = [(&*text, &*text)].into();
            record.declared.capabilities = [text.as_str().into(), "".into()].into();
            record.declared.document = document.map(String::into_boxed_str);
            prop_assert_eq!(decode(&stored(&record, encode(&record))).unwrap(), record);
        }
    }
}
