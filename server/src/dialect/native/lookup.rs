//! What is found for those who ask, page by page, with a validator for those who ask again.

use std::cell::RefCell;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use foldhash::quality::FixedState;
use hyper::header::{ETAG, HeaderValue, IF_NONE_MATCH};
use hyper::{HeaderMap, Response, StatusCode};
use registry_core::{
    Discovery, Query, Registry, Revision, Scope as Extent, Slot, Standing, State, Tick, Timestamp,
};

use super::is_hidden;
use super::problem::Problem;
use super::wire::{Field, Writer, push_number, quoted};
use crate::auth::{Caller, Scope};
use crate::body::{self, Body};
use crate::echo::{self, Echoes, Told};
use crate::limits::{ECHO_RECORDS_MAX, PAGE_BYTES_MAX};

thread_local! {
    /// Roles that were just discovered.
    static ECHOES: RefCell<Echoes<AsOf>> = RefCell::default();
}

/// What a page tells beside its records, and what it reckons their times by.
#[derive(Clone, Copy)]
struct AsOf {
    revision: Revision,
    /// The wall's time when the registry's began.
    began_ms: i64,
}

/// What is asked for, checked.
pub(super) struct Lookup {
    pub(super) place: Place,
    /// Conditions that the registry answers.
    pub(super) query: Query,
    pub(super) ids: Vec<String>,
    pub(super) state: Option<State>,
    pub(super) standing: Option<Standing>,
    pub(super) fields: Option<Vec<Field>>,
    pub(super) limit: usize,
    pub(super) cursor: Option<Cursor>,
}

/// The namespaces to look in.
pub(super) enum Place {
    /// All but those that are nobody's.
    Everywhere,
    /// These, in order.
    In(Vec<Arc<str>>),
}

/// What may be on a page, and more: it lies where it was found.
struct Found {
    /// As of this revision at least.
    revision: Revision,
    /// No later than the search.
    now: Tick,
    /// The same instant by the clock on the wall, read once: what is told of times, and how long
    /// that may be told again, must not come of two looks at it.
    wall: Timestamp,
    /// What is left in the namespace in which the last page ended.
    rest: Option<Discovery>,
    further: Discovery,
    /// What was asked for by id.
    named: Vec<Arc<Slot>>,
}

/// Where a page ended: the last instance's namespace and place in it.
pub(super) struct Cursor {
    namespace: String,
    created: Revision,
}

/// One page of what was found.
struct Page<'a> {
    slots: Vec<&'a Arc<Slot>>,
    next: Option<Cursor>,
    revision: Revision,
    now: Tick,
    wall: Timestamp,
}

/// Most pages are shorter: so many records have room from the start.
const PAGE_LENGTH_USUAL: usize = 16;

/// How many of these fit on one page by their size, and at least one.
fn few_enough(slots: &[&Arc<Slot>]) -> usize {
    let mut bytes = 0;
    let is_within = |slot: &&&Arc<Slot>| {
        let within = bytes < PAGE_BYTES_MAX;
        bytes += slot.record().declared.document.as_deref().map_or(0, str::len);
        within
    };
    slots.iter().take_while(is_within).count()
}

/// The namespaces that are meant and may be read. All of those named, or else all there are.
pub(super) fn readable(
    registry: &Registry,
    caller: &Caller,
    named: &[String],
) -> Result<Vec<Arc<str>>, Problem> {
    if named.is_empty() {
        let mut all = registry.namespaces();
        let before = all.len();
        all.retain(|name| !is_hidden(name) && caller.demand(Scope::Read, name).is_ok());
        if all.is_empty() && before > 0 {
            let refused = caller.demand_everywhere(Scope::Read);
            refused.map_err(|refused| Problem::forbidden(refused, Scope::Read, None))?;
        }
        return Ok(all);
    }
    let mut names = Vec::with_capacity(named.len());
    for name in named {
        let refused = caller.demand(Scope::Read, name);
        refused.map_err(|refused| Problem::forbidden(refused, Scope::Read, Some(name)))?;
        if !is_hidden(name) {
            names.push(Arc::from(name.as_str()));
        }
    }
    names.sort();
    names.dedup();
    Ok(names)
}

// === impl AsOf ===

impl AsOf {
    fn of(found: &Found) -> Self {
        let began_ms = found.wall.0.saturating_sub_unsigned(found.now.0);
        Self { revision: found.revision, began_ms }
    }
}

impl PartialEq for AsOf {
    fn eq(&self, other: &Self) -> bool {
        // Of two clocks that tell whole milliseconds the difference moves by one.
        self.revision == other.revision && self.began_ms.abs_diff(other.began_ms) <= 1
    }
}

// === impl Lookup ===

impl Lookup {
    /// One page of what is there now, or 304 if the caller has it already: for methods that have
    /// such an answer (RFC 9110, 13.1.2).
    pub(super) fn answer(&self, registry: &Registry, headers: &HeaderMap) -> Response<Body> {
        let found = self.find(registry);
        let write = || {
            let page = self.page(&found);
            let etag = page.etag(self.fields.as_deref());
            if has_already(headers, &etag) {
                return Err(with_etag(body::empty(StatusCode::NOT_MODIFIED), etag).into());
            }
            let text = self.rendered(registry, &page).into();
            Ok(Told { text, etag: HeaderValue::try_from(etag).ok() })
        };
        match self.role_alone() {
            Some(role) if headers.get(IF_NONE_MATCH).is_none() => {
                let as_of = AsOf::of(&found);
                echo::tell(&ECHOES, role, &found.further, as_of, write)
            }
            _ => write().map_or_else(|unchanged| *unchanged, Into::into),
        }
    }

    /// One page of what is there now.
    pub(super) fn answer_always(&self, registry: &Registry) -> Response<Body> {
        let text = self.rendered(registry, &self.page(&self.find(registry)));
        body::json(StatusCode::OK, text)
    }

    /// The role, if nothing was asked for that shows in the answer and not in what was found.
    fn role_alone(&self) -> Option<&str> {
        let is_usual = self.standing == Some(Standing::Live) && self.limit > ECHO_RECORDS_MAX;
        let is_less = self.state.is_some() || self.fields.is_some() || self.cursor.is_some();
        let role = self.query.role.as_deref()?;
        (is_usual && !is_less && self.ids.is_empty()).then_some(role)
    }

    fn rendered(&self, registry: &Registry, page: &Page<'_>) -> String {
        let writer = Writer::at(registry, page.now, page.wall);
        let mut text = String::with_capacity(512 + 512 * page.slots.len());
        text.push_str("{\"instances\":[");
        for (place, slot) in page.slots.iter().enumerate() {
            if place > 0 {
                text.push(',');
            }
            match &self.fields {
                None => writer.push(&mut text, slot),
                Some(fields) => writer.push_fields(&mut text, slot, fields),
            }
        }
        text.push_str("],\"count\":");
        push_number(&mut text, page.slots.len() as u64);
        text.push_str(",\"next_cursor\":");
        match &page.next {
            None => text.push_str("null"),
            Some(next) => text.push_str(&quoted(&next.text())),
        }
        text.push_str(",\"revision\":");
        push_number(&mut text, page.revision.0);
        text.push('}');
        text
    }

    /// What is there from the cursor on.
    fn find(&self, registry: &Registry) -> Found {
        // Before the records are read: a watcher that goes on from here misses nothing.
        let (revision, now, wall) = (registry.revision(), registry.now(), registry.wall());
        let start = self.cursor.as_ref().map(|cursor| &*cursor.namespace);
        let is_further = |name: &str| start.is_none_or(|start| name > start);
        let is_first = |name: &str| start == Some(name);
        if self.ids.is_empty() {
            let search = |admits: &dyn Fn(&str) -> bool| {
                registry.discover_where(&self.query, |name| admits(name) && self.place.holds(name))
            };
            let rest = start.map(|_| search(&is_first));
            let (further, named) = (search(&is_further), Vec::new());
            return Found { revision, now, wall, rest, further, named };
        }
        let names = self.place.names(registry).into_iter();
        let names = names.filter(|name| is_first(name) || is_further(name));
        let named = names.flat_map(|name| {
            let cursor = self.cursor.as_ref().filter(|cursor| *cursor.namespace == *name);
            self.named(registry, &name, cursor.map(|cursor| cursor.created), now)
        });
        let (rest, further) = (None, registry.discover_where(&self.query, |_| false));
        Found { revision, now, wall, rest, further, named: named.collect() }
    }

    fn page<'a>(&self, found: &'a Found) -> Page<'a> {
        let after = self.cursor.as_ref().map(|cursor| cursor.created);
        let rest = found.rest.iter().flat_map(|rest| rest.iter_after(after));
        let all = rest.chain(&found.further).filter(|slot| self.admits(slot, found.now));
        // One more than the page holds tells that there is another page.
        let mut slots = Vec::with_capacity(PAGE_LENGTH_USUAL);
        slots.extend(all.chain(&found.named).take(self.limit + 1));
        let fits = slots.len().min(self.limit).min(few_enough(&slots));
        let more = slots.len() > fits;
        slots.truncate(fits);
        let next = slots.last().filter(|_| more).map(|last| Cursor::after(last));
        Page { slots, next, revision: found.revision, now: found.now, wall: found.wall }
    }

    /// Those of the ids asked for that are in this namespace, in the order of creation.
    fn named(
        &self,
        registry: &Registry,
        namespace: &str,
        after: Option<Revision>,
        now: Tick,
    ) -> Vec<Arc<Slot>> {
        let found = self.ids.iter().filter_map(|id| registry.get(namespace, id));
        let mut slots: Vec<_> = found
            .filter(|slot| Some(slot.record().created) > after)
            .filter(|slot| self.query.scope == Extent::All || slot.is_live(now))
            .filter(|slot| self.query.matches(slot.record()) && self.admits(slot, now))
            .collect();
        slots.sort_by_key(|slot| slot.record().created);
        slots.dedup_by_key(|slot| slot.record().created);
        slots
    }

    /// Whether it meets what the registry was not asked.
    fn admits(&self, slot: &Slot, now: Tick) -> bool {
        let record = slot.record();
        let stands = match self.standing {
            None => true,
            // What has no lease is believed, too.
            Some(Standing::Live) => slot.standing(now) != Standing::Stale,
            Some(standing) => slot.standing(now) == standing,
        };
        stands && self.state.is_none_or(|state| state == record.declared.state)
    }
}

// === impl Place ===

impl Place {
    /// The namespaces that are meant and may be read: all of those named, or else all there are.
    pub(super) fn of(
        registry: &Registry,
        caller: &Caller,
        named: &[String],
    ) -> Result<Self, Problem> {
        if named.is_empty() && caller.demand_everywhere(Scope::Read).is_ok() {
            return Ok(Self::Everywhere);
        }
        readable(registry, caller, named).map(Self::In)
    }

    fn holds(&self, namespace: &str) -> bool {
        match self {
            Self::Everywhere => !is_hidden(namespace),
            Self::In(names) => names.binary_search_by(|name| (**name).cmp(namespace)).is_ok(),
        }
    }

    /// Those of them that there are, in order.
    fn names(&self, registry: &Registry) -> Vec<Arc<str>> {
        let mut names = registry.namespaces();
        names.retain(|name| self.holds(name));
        names
    }
}

// === impl Cursor ===

impl Cursor {
    fn after(slot: &Slot) -> Self {
        let record = slot.record();
        Self { namespace: record.key.namespace().to_owned(), created: record.created }
    }

    fn text(&self) -> String {
        format!("{}.{}", self.created.0, self.namespace)
    }

    pub(super) fn read(text: &str) -> Result<Self, Problem> {
        let parts = text.split_once('.').and_then(|(created, namespace)| {
            Some(Self { namespace: namespace.to_owned(), created: Revision(created.parse().ok()?) })
        });
        let detail = "the cursor is not one of ours: take `next_cursor` of the page before";
        parts.ok_or_else(|| Problem::malformed("invalid-parameter", detail))
    }
}

// === impl Page ===

impl Page<'_> {
    /// Stands for which instances these are and what they declare. Weak, since `last_seen` and
    /// `expires_at` move without it.
    fn etag(&self, fields: Option<&[Field]>) -> String {
        // Fixed, so that who has a page is told so by another server, too, and after a restart.
        let mut hasher = FixedState::with_seed(0).build_hasher();
        for slot in &self.slots {
            let record = slot.record();
            hasher.write_u64(record.created.0);
            hasher.write_u64(record.modified.0);
        }
        hasher.write_u8(self.next.is_some().into());
        for field in fields.unwrap_or_default() {
            hasher.write_u8(*field as u8);
        }
        // Not by a formatter, which takes as long as finding a few records.
        let mut etag = String::with_capacity(20);
        etag.push_str("W/\"");
        let four_bits = (0..u64::BITS).step_by(4).rev().map(|place| hasher.finish() >> place & 15);
        etag.extend(four_bits.map(|digit| char::from(b"0123456789abcdef"[digit as usize])));
        etag.push('"');
        etag
    }
}

/// Whether `If-None-Match` names this validator. Weak comparison (RFC 9110, 13.1.2).
pub(super) fn has_already(headers: &HeaderMap, etag: &str) -> bool {
    let core = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let given = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut tags = given.flat_map(|value| value.split(','));
    tags.any(|tag| tag.trim() == "*" || core(tag) == core(etag))
}

/// The answer with its validator.
pub(super) fn with_etag(mut answer: Response<Body>, etag: String) -> Response<Body> {
    if let Ok(value) = HeaderValue::try_from(etag) {
        answer.headers_mut().insert(ETAG, value);
    }
    answer
}

#[cfg(test)]
#[path = "lookup_test.rs"]
mod tests;
