//! Long lists that were written before: what is still true of them is sent again, without a copy.
//!
//! A list is kept in blocks of some records each. Whoever asks for it looks, record by record,
//! whether it is the same version and was last heard of when the text says; a block in which
//! somebody beat is written over in a copy, and one whose members changed is made anew.

use std::collections::HashMap;
use std::mem::size_of;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use hyper::{Response, StatusCode};
use registry_core::{Discovery, Pulse, Slot, Timestamp};

use crate::body::{self, Body};
use crate::limits::{BLOCK_RECORDS, KEPT_LIST_RECORDS_MAX, KEPT_LISTS_BYTES_MAX};
use crate::timestamp::{TIMESTAMP_BYTES, push_timestamp};

/// How a list is written.
pub(crate) struct Style {
    pub(crate) kind: &'static str,
    pub(crate) head: &'static str,
    /// Appends one record, last seen then: that stands so many bytes before its end.
    pub(crate) push: fn(&mut String, &Slot, Timestamp),
    pub(crate) behind: usize,
    /// What follows so many records.
    pub(crate) tail: fn(&mut String, usize),
}

/// The lists of one style that were asked for, by what they were asked for by.
pub(crate) struct Blocks {
    style: Style,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    lists: HashMap<Box<str>, Arc<List>>,
    bytes: usize,
}

/// A list as it was told the last time.
struct List {
    found: Discovery,
    blocks: Vec<Arc<Block>>,
}

/// Some records of a list in their order, and their text: a comma stands behind each.
struct Block {
    members: Arc<[Member]>,
    /// When the text says that each was last heard of.
    seen: Box<[Timestamp]>,
    text: Bytes,
}

struct Member {
    slot: Arc<Slot>,
    /// That of the slot. At hand, because each look at the list looks at all of them, and the slots
    /// of many lie far apart.
    pulse: Arc<Pulse>,
    /// Where its text ends.
    end: usize,
}

// === impl Blocks ===

impl Blocks {
    /// Nothing has been asked for yet.
    pub(crate) fn new(style: Style) -> Self {
        Self { style, kept: Mutex::default() }
    }

    /// The list of what was found within one namespace by `name`, unless it is too short or too
    /// long to be kept.
    pub(crate) fn list(&self, name: &str, found: &Discovery) -> Option<Response<Body>> {
        if !(BLOCK_RECORDS..=KEPT_LIST_RECORDS_MAX).contains(&found.len()) {
            return None;
        }
        let known = self.kept().lists.get(name).map(Arc::clone);
        let blocks = match &known {
            Some(list) if found.is_still(&list.found) => {
                list.blocks.iter().map(|block| self.current(block)).collect()
            }
            Some(list) => self.rearranged(&list.blocks, found),
            None => self.rearranged(&[], found),
        };
        let answer = self.answer(&blocks);
        let is_known = |known: &Arc<List>| {
            known.blocks.len() == blocks.len()
                && known.blocks.iter().zip(&blocks).all(|(a, b)| Arc::ptr_eq(a, b))
                && found.is_still(&known.found)
        };
        if !known.as_ref().is_some_and(is_known) {
            self.kept().keep(name, List { found: found.clone(), blocks });
        }
        Some(answer)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Whoever panicked did so before or after all of a list was put in its place.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The block, with the times at which its members were last heard of now.
    fn current(&self, block: &Arc<Block>) -> Arc<Block> {
        let beaten = |(member, seen): (&Member, &Timestamp)| member.pulse.last_seen() != *seen;
        let Some(first) = block.members.iter().zip(&block.seen).position(beaten) else {
            return Arc::clone(block);
        };
        let (mut text, mut seen) = (block.text.to_vec(), block.seen.clone());
        let mut written = String::with_capacity(TIMESTAMP_BYTES);
        for (member, seen) in block.members.iter().zip(&mut seen).skip(first) {
            let now = member.pulse.last_seen();
            if now != *seen {
                let end = member.end - self.style.behind;
                written.clear();
                push_timestamp(&mut written, now);
                text[end - TIMESTAMP_BYTES..end].copy_from_slice(written.as_bytes());
                *seen = now;
            }
        }
        Arc::new(Block { members: Arc::clone(&block.members), seen, text: text.into() })
    }

    /// Blocks of what was found, as many as can be from `before`.
    fn rearranged(&self, before: &[Arc<Block>], found: &Discovery) -> Vec<Arc<Block>> {
        let mut slots = found.iter().peekable();
        let mut blocks = Vec::with_capacity(before.len() + 1);
        for block in before {
            let mut same = 0;
            while let Some(member) = block.members.get(same)
                && slots.next_if(|slot| Arc::ptr_eq(slot, &member.slot)).is_some()
            {
                same += 1;
            }
            let Some(last) = block.members.last().filter(|_| same < block.members.len()) else {
                blocks.push(self.current(block));
                continue;
            };
            let until = last.slot.record().created;
            let mut members: Vec<_> = block.members[..same].iter().map(|m| &m.slot).collect();
            while let Some(slot) = slots.next_if(|slot| slot.record().created <= until) {
                members.push(slot);
            }
            self.write(&members, &mut blocks);
        }
        self.write(&slots.collect::<Vec<_>>(), &mut blocks);
        blocks
    }

    /// Writes these behind what is there; with the last block, if that has room for all.
    fn write(&self, slots: &[&Arc<Slot>], blocks: &mut Vec<Arc<Block>>) {
        let has_room = |last: &mut Arc<Block>| {
            !slots.is_empty() && last.members.len() + slots.len() <= BLOCK_RECORDS
        };
        match blocks.pop_if(has_room) {
            Some(last) => {
                let slots: Vec<_> = last
                    .members
                    .iter()
                    .map(|member| &member.slot)
                    .chain(slots.iter().copied())
                    .collect();
                blocks.push(self.written(&slots));
            }
            None => blocks.extend(slots.chunks(BLOCK_RECORDS).map(|slots| self.written(slots))),
        }
    }

    fn written(&self, slots: &[&Arc<Slot>]) -> Arc<Block> {
        let mut text = String::with_capacity(512 * slots.len());
        let mut seen = Vec::with_capacity(slots.len());
        let members = slots.iter().map(|slot| {
            let at = slot.last_seen();
            seen.push(at);
            (self.style.push)(&mut text, slot, at);
            let end = text.len();
            text.push(',');
            Member { slot: Arc::clone(slot), pulse: Arc::clone(slot.pulse()), end }
        });
        let members = members.collect();
        text.shrink_to_fit(); // it is kept
        Arc::new(Block { members, seen: seen.into(), text: text.into() })
    }

    fn answer(&self, blocks: &[Arc<Block>]) -> Response<Body> {
        let mut parts = Vec::with_capacity(blocks.len() + 2);
        parts.push(Bytes::from_static(self.style.head.as_bytes()));
        parts.extend(blocks.iter().map(|block| block.text.clone()));
        if let Some(last) = parts.last_mut().filter(|_| !blocks.is_empty()) {
            last.truncate(last.len() - 1); // no comma behind the last record
        }
        let mut tail = String::new();
        (self.style.tail)(&mut tail, blocks.iter().map(|block| block.members.len()).sum());
        parts.push(tail.into());
        body::full(StatusCode::OK, self.style.kind, parts.into())
    }
}

// === impl Kept ===

impl Kept {
    fn keep(&mut self, name: &str, list: List) {
        let bytes = list.bytes();
        // Rather write some lists anew than note for each when somebody asked for it.
        if self.bytes + bytes > KEPT_LISTS_BYTES_MAX {
            *self = Self::default();
        }
        if bytes <= KEPT_LISTS_BYTES_MAX {
            self.bytes += bytes;
            let before = self.lists.insert(name.into(), Arc::new(list));
            self.bytes -= before.map_or(0, |before| before.bytes());
        }
    }
}

// === impl List ===

impl List {
    /// What keeping it takes, about: a record that has changed since is kept by it, too, and has
    /// about the length of its text.
    fn bytes(&self) -> usize {
        let each = |block: &Arc<Block>| {
            2 * block.text.len()
                + block.members.len() * (size_of::<Member>() + size_of::<Timestamp>())
        };
        self.blocks.iter().map(each).sum()
    }
}

#[cfg(test)]
#[path = "blocks_test.rs"]
mod tests;
