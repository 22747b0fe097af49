//! Short answers that were just given: as long as nothing in them has moved, they are given again.
//!
//! A role that a fleet looks up is asked for far more often than anything in it moves. Whoever asks
//! then looks, record by record, whether it was heard of since, and copies nothing. Each thread
//! remembers its own answers, so that none waits for another; and it remembers one only when the
//! same is asked for the second time in a row, so that what is seldom asked for costs no more.

use std::cell::RefCell;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::thread::LocalKey;

use bytes::Bytes;
use foldhash::fast::RandomState;
use hyper::header::{ETAG, HeaderValue};
use hyper::{Response, StatusCode};
use registry_core::{Discovery, Lease, Pulse, Timestamp};

use crate::body::{self, Body};
use crate::limits::{ECHO_BYTES_MAX, ECHO_RECORDS_MAX, ECHOES_MAX};

/// What one thread remembers. `A` is as of when an answer is true, for all but what its records
/// say of themselves.
pub(crate) struct Echoes<A> {
    hasher: RandomState,
    places: [Place<A>; ECHOES_MAX],
}

/// What was asked last, of all that is remembered here.
struct Place<A> {
    asked: Option<(u64, A)>,
    echo: Option<Echo>,
}

struct Echo {
    found: Discovery,
    members: Box<[Member]>,
    told: Told,
}

/// What the answer says of a record that can move without a change.
struct Member {
    pulse: Arc<Pulse>,
    seen: Timestamp,
    lease: Lease,
}

/// A JSON answer, whole.
#[derive(Clone)]
pub(crate) struct Told {
    pub(crate) text: Bytes,
    pub(crate) etag: Option<HeaderValue>,
}

enum Heard {
    /// Nothing has moved.
    Same(Told),
    /// The same was asked for before, and is to be remembered here.
    Again(usize),
    New,
}

/// Answers `asked`, for which this was found: what was just told, or else what `write` tells, as of
/// `as_of`; or with another answer, if that is what `write` has.
///
/// Two questions that find the very same records must be told the same.
pub(crate) fn tell<A: Copy + PartialEq>(
    echoes: &'static LocalKey<RefCell<Echoes<A>>>,
    asked: &str,
    found: &Discovery,
    as_of: A,
    write: impl FnOnce() -> Result<Told, Box<Response<Body>>>,
) -> Response<Body> {
    let place = match echoes.with_borrow_mut(|echoes| echoes.hear(asked, found, as_of)) {
        Heard::Same(told) => return told.into(),
        // Only of one list, and one that nobody need look through.
        Heard::Again(place) if found.is_still(found) && found.len() <= ECHO_RECORDS_MAX => place,
        Heard::Again(_) | Heard::New => return write().map_or_else(|other| *other, Into::into),
    };
    // Before it is written: who beats meanwhile makes the text newer than what is noted, and then
    // it is written once more.
    let members = found.iter().map(|slot| Member::of(slot.pulse())).collect();
    match write() {
        Err(other) => *other,
        Ok(told) => {
            if told.text.len() <= ECHO_BYTES_MAX {
                let echo = Echo { found: found.clone(), members, told: told.clone() };
                echoes.with_borrow_mut(|echoes| echoes.places[place].echo = Some(echo));
            }
            told.into()
        }
    }
}

// === impl Echoes ===

impl<A> Default for Echoes<A> {
    fn default() -> Self {
        let places = std::array::from_fn(|_| Place { asked: None, echo: None });
        Self { hasher: RandomState::default(), places }
    }
}

impl<A: Copy + PartialEq> Echoes<A> {
    fn hear(&mut self, asked: &str, found: &Discovery, as_of: A) -> Heard {
        let hash = self.hasher.hash_one(asked);
        let at = hash as usize % ECHOES_MAX;
        let place = &mut self.places[at];
        if place.asked != Some((hash, as_of)) {
            *place = Place { asked: Some((hash, as_of)), echo: None };
            return Heard::New;
        }
        match &place.echo {
            Some(echo) if echo.is_still(found) => Heard::Same(echo.told.clone()),
            _ => Heard::Again(at),
        }
    }
}

// === impl Echo ===

impl Echo {
    /// Whether it is true of what was found now.
    fn is_still(&self, found: &Discovery) -> bool {
        found.is_still(&self.found) && self.members.iter().all(Member::is_still)
    }
}

// === impl Member ===

impl Member {
    fn of(pulse: &Arc<Pulse>) -> Self {
        Self { seen: pulse.last_seen(), lease: pulse.lease(), pulse: Arc::clone(pulse) }
    }

    fn is_still(&self) -> bool {
        self.pulse.last_seen() == self.seen && self.pulse.lease() == self.lease
    }
}

// === impl Told ===

impl From<Told> for Response<Body> {
    fn from(told: Told) -> Self {
        let mut answer = body::json(StatusCode::OK, told.text);
        if let Some(etag) = told.etag {
            answer.headers_mut().insert(ETAG, etag);
        }
        answer
    }
}

#[cfg(test)]
#[path = "echo_test.rs"]
mod tests;
