//! Long lists, written piece by piece while they are sent: nobody holds a whole one in memory, and
//! a slow reader holds up nothing but its own.
//!
//! A list that fits into one piece is sent as such, with its length.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::{BodyExt, Either};
use hyper::body::{Body as HttpBody, Frame};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use registry_core::{Discovery, Revision, Slot};

use crate::body::{self, Body};
use crate::limits::PIECE_BYTES;
use crate::parts::Parts;

/// Slots that are handed out in their order, some at a time.
pub(crate) trait Slots: Send + Unpin + 'static {
    /// Hands out slots for as long as `take` wants more. Whether there may be more of them.
    fn hand_out(&mut self, take: impl FnMut(&Arc<Slot>) -> bool) -> bool;
}

/// What was found in one namespace, in the order of creation.
pub(crate) struct Found {
    found: Discovery,
    after: Option<Revision>,
}

/// A list on its way: `push` writes each slot, `tail` what stands behind so many of them.
struct List<S, P, T> {
    slots: S,
    push: P,
    tail: T,
    count: usize,
    /// The piece to be sent next.
    ready: Option<String>,
    has_ended: bool,
}

/// A list as an answer of this kind: `head`, each slot by `push`, commas between, and `tail`, which
/// is told how many there were.
pub(crate) fn list(
    kind: &'static str,
    head: &str,
    slots: impl Slots,
    push: impl FnMut(&mut String, &Arc<Slot>) + Send + Unpin + 'static,
    tail: impl Fn(&mut String, usize) + Send + Unpin + 'static,
) -> Response<Body> {
    match begin(kind, head, slots, push, tail) {
        Ok(text) => body::text(StatusCode::OK, kind, text),
        Err(answer) => *answer,
    }
}

/// The text of such a list.
///
/// # Errors
/// The answer, if that goes on after the first piece.
pub(crate) fn begin(
    kind: &'static str,
    head: &str,
    slots: impl Slots,
    push: impl FnMut(&mut String, &Arc<Slot>) + Send + Unpin + 'static,
    tail: impl Fn(&mut String, usize) + Send + Unpin + 'static,
) -> Result<String, Box<Response<Body>>> {
    let mut list = List { slots, push, tail, count: 0, ready: None, has_ended: false };
    let mut text = String::with_capacity(4_096);
    text.push_str(head);
    list.write(&mut text);
    if list.has_ended {
        return Ok(text);
    }
    list.ready = Some(text);
    let mut answer = Response::new(Either::Right(list.boxed_unsync()));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    Err(Box::new(answer))
}

// === impl Slots ===

impl From<Discovery> for Found {
    fn from(found: Discovery) -> Self {
        Self { found, after: None }
    }
}

impl Slots for Found {
    fn hand_out(&mut self, mut take: impl FnMut(&Arc<Slot>) -> bool) -> bool {
        let mut last = None;
        for slot in self.found.iter_after(self.after) {
            last = Some(slot);
            if !take(slot) {
                break;
            }
        }
        // At its end once nothing more was found.
        self.after = last.map(|slot| slot.record().created).or(self.after);
        last.is_some()
    }
}

impl Slots for std::vec::IntoIter<Arc<Slot>> {
    fn hand_out(&mut self, mut take: impl FnMut(&Arc<Slot>) -> bool) -> bool {
        self.any(|slot| !take(&slot))
    }
}

// === impl List ===

impl<S, P, T> List<S, P, T>
where
    S: Slots,
    P: FnMut(&mut String, &Arc<Slot>),
    T: Fn(&mut String, usize),
{
    /// Appends a piece of the list.
    fn write(&mut self, text: &mut String) {
        let Self { slots, push, count, .. } = self;
        let more = slots.hand_out(|slot| {
            if *count > 0 {
                text.push(',');
            }
            push(text, slot);
            *count += 1;
            text.len() < PIECE_BYTES
        });
        // A piece that is not full is the last one.
        if !more || text.len() < PIECE_BYTES {
            (self.tail)(text, self.count);
            self.has_ended = true;
        }
    }
}

impl<S, P, T> HttpBody for List<S, P, T>
where
    S: Slots,
    P: FnMut(&mut String, &Arc<Slot>) + Unpin,
    T: Fn(&mut String, usize) + Unpin,
{
    type Data = Parts;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Parts>>>> {
        let piece = match self.ready.take() {
            Some(piece) => piece,
            None if self.has_ended => return Poll::Ready(None),
            None => {
                // One record over the bound ends a piece, and most records are small.
                let mut text = String::with_capacity(PIECE_BYTES + PIECE_BYTES / 8);
                self.write(&mut text);
                text
            }
        };
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(piece).into()))))
    }
}

#[cfg(test)]
mod tests {
    use registry_core::{Claim, Declared, Key, Query};

    use super::*;
    use crate::app::registry_for_tests;

    /// The list of so many slots, and whether it says its length.
    async fn list(records: usize, is_sorted: bool) -> (String, bool) {
        let registry = registry_for_tests().await;
        for number in 0..records {
            let key = Key::new("n", &format!("{number:04}")).unwrap();
            registry.register(key, Declared::default(), Claim::default()).await.unwrap();
        }
        let found = registry.discover(&Query::any().in_namespace("n").including_stale());
        let push = |text: &mut String, slot: &Arc<Slot>| {
            text.push_str(slot.record().key.id());
            text.push_str(&" ".repeat(996));
        };
        let tail = |text: &mut String, count: usize| text.push_str(&format!("]{count}"));
        let answer = if is_sorted {
            let slots: Vec<_> = found.iter().map(Arc::clone).collect();
            super::list("text/plain", "[", slots.into_iter(), push, tail)
        } else {
            super::list("text/plain", "[", Found::from(found), push, tail)
        };
        let has_length = answer.body().size_hint().exact().is_some();
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        (String::from_utf8(bytes.to_vec()).unwrap().replace(' ', ""), has_length)
    }

    #[tokio::test]
    async fn a_list_of_any_length_is_whole_and_in_order() {
        let one_piece = PIECE_BYTES / 1_000;
        for records in [0, 1, 2, one_piece - 1, one_piece, one_piece + 1, one_piece + 2, 500] {
            let ids: Vec<_> = (0..records).map(|number| format!("{number:04}")).collect();
            let expected = format!("[{}]{records}", ids.join(","));
            for is_sorted in [false, true] {
                let (text, has_length) = list(records, is_sorted).await;
                assert!(text == expected, "{records} records, sorted: {is_sorted}");
                assert_eq!(has_length, 1_001 * records < PIECE_BYTES, "{records} records");
            }
        }
    }
}
