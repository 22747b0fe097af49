//! A stream of `/v1`: events with a kind and a revision.

use std::io;

use serde_json::Value;

use crate::bytes::{Connection, Response};
use crate::events::Events;

/// A stream whose frames have a kind, and a revision for an id.
pub struct Stream(Events);

/// One event, as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What kind of event it is.
    pub event: String,
    /// Where to resume from once it has been read.
    pub id: Option<u64>,
    /// What it says.
    pub data: Value,
}

// === impl Stream ===

impl Stream {
    /// Asks for a stream, and reads the head of the answer.
    ///
    /// # Errors
    /// The answer, if it is no stream.
    ///
    /// # Panics
    /// If there is no answer.
    pub fn open(
        connection: Connection,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Self, Box<Response>> {
        let accept = [&[("accept", "text/event-stream")], headers].concat();
        let events = Events::open(connection, path, &accept).expect("an answer begins at once");
        if events.head.header("content-type") != Some("text/event-stream") {
            return Err(Box::new(events.head));
        }
        Ok(Self(events))
    }

    /// The next frame; `None` if the server has ended the stream.
    ///
    /// # Errors
    /// If the connection breaks, or nothing comes in time.
    ///
    /// # Panics
    /// If a frame is not one.
    pub fn frame(&mut self) -> io::Result<Option<Frame>> {
        Ok(self.0.frame()?.map(|text| Frame::read(&text)))
    }

    /// The next frame, which must come.
    ///
    /// # Panics
    /// If it does not.
    pub fn expect(&mut self) -> Frame {
        self.frame().expect("a frame comes in time").expect("the stream goes on")
    }
}

// === impl Frame ===

impl Frame {
    fn read(text: &str) -> Self {
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
        let data: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
        Self {
            event: field("event: ").unwrap_or("message").to_owned(),
            id: field("id: ").map(|id| id.parse().expect("an id is a revision")),
            data: serde_json::from_str(&data.join("\n")).expect("data is JSON"),
        }
    }

    /// Kind and id of the instance: `put w-1`; the kind alone where none is meant.
    #[must_use]
    pub fn told(&self) -> String {
        let id = self.data["instance"]["id"].as_str().or(self.data["id"].as_str());
        id.map_or(self.event.clone(), |id| format!("{} {id}", self.event))
    }
}
