//! A reader of server-sent events, frame by frame.

use std::io;

use serde_json::Value;

use crate::bytes::{Connection, Response};

/// An open stream.
pub struct Events {
    connection: Connection,
    /// What was answered before the first event.
    pub head: Response,
    /// Read, and not given out yet.
    text: String,
}

// === impl Events ===

impl Events {
    /// Asks for a stream.
    ///
    /// # Errors
    /// If the connection ends before its headers have come.
    pub fn open(
        mut connection: Connection,
        path: &str,
        headers: &[(&str, &str)],
    ) -> io::Result<Self> {
        let head = connection.request_with("GET", path, headers, "")?;
        Ok(Self { connection, head, text: String::new() })
    }

    /// The next frame, without the empty line that ends it; `None` if the stream has ended as it
    /// should.
    ///
    /// # Errors
    /// If the connection is gone, or is silent for too long.
    pub fn frame(&mut self) -> io::Result<Option<String>> {
        loop {
            if let Some((frame, rest)) = self.text.split_once("\n\n") {
                let (frame, rest) = (frame.to_owned(), rest.to_owned());
                self.text = rest;
                return Ok(Some(frame));
            }
            let Some(chunk) = self.connection.chunk()? else { return Ok(None) };
            self.text.push_str(&String::from_utf8(chunk).map_err(io::Error::other)?);
        }
    }

    /// The data of the next event.
    ///
    /// # Panics
    /// If there is none, or it is not JSON.
    pub fn data(&mut self) -> Value {
        let frame = self.frame().expect("an event comes").expect("the stream goes on");
        let data = frame.lines().find_map(|line| line.strip_prefix("data: "));
        let data = data.unwrap_or_else(|| panic!("no data: {frame}"));
        serde_json::from_str(data).unwrap_or_else(|e| panic!("{e}: {data}"))
    }
}
