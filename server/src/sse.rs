//! Server-sent events: the answer that does not end, its frames, and a sign of life in a silence.

use std::pin::pin;

use bytes::Bytes;
use hyper::Response;
use hyper::header::{CACHE_CONTROL, HeaderValue};
use tokio::sync::mpsc;

use crate::app::App;
use crate::body::{self, Body};
use crate::lifecycle::{Phase, reached};

/// Where the frames of a stream come from.
pub(crate) trait Source: Send + 'static {
    /// The next frames, as text. `None` ends the stream. Dropping the future loses nothing.
    fn next(&mut self) -> impl Future<Output = Option<String>> + Send;

    /// What is sent when nothing was for a while, so that a dead connection is noticed.
    fn silence(&mut self) -> String;
}

/// Appends one frame. Each line of `data` is a line of the frame.
pub(crate) fn push_frame(text: &mut String, event: Option<&str>, id: Option<&str>, data: &str) {
    for (field, value) in [("id: ", id), ("event: ", event)] {
        if let Some(value) = value {
            text.push_str(field);
            text.push_str(value);
            text.push('\n');
        }
    }
    // What ends a line in a stream: the data must not end one by itself.
    for line in data.split(['\n', '\r']) {
        text.push_str("data: ");
        text.push_str(line);
        text.push('\n');
    }
    text.push('\n');
}

/// An answer that goes on until the source or the server ends, or the client hangs up.
///
/// Its headers leave at once. Nothing is fetched from the source before the last frames are on
/// their way: a slow reader delays its own stream and costs no memory.
pub(crate) fn answer(app: &App, mut source: impl Source) -> Response<Body> {
    let (frames, waiting) = mpsc::channel(1);
    let mut phase = app.lifecycle.watch();
    let silence = app.limits.stream_silence;
    tokio::spawn(async move {
        let mut over = pin!(reached(Phase::Draining, &mut phase));
        loop {
            // First a place for what comes next: it is also how a client that left is noticed.
            let place = tokio::select! {
                place = frames.reserve() => place,
                () = &mut over => return,
            };
            let Ok(place) = place else { return };
            let next = tokio::select! {
                () = &mut over => return,
                () = frames.closed() => return,
                next = tokio::time::timeout(silence, source.next()) => next,
            };
            match next {
                Ok(Some(text)) => place.send(Ok(Bytes::from(text))),
                Ok(None) => return,
                Err(_) => place.send(Ok(Bytes::from(source.silence()))),
            }
        }
    });
    let mut answer = body::stream("text/event-stream", waiting);
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_of_several_lines_is_one_frame() {
        let mut text = String::new();
        push_frame(&mut text, Some("put"), Some("7"), "{\"a\":\n1}");
        push_frame(&mut text, None, None, "x");
        assert_eq!(text, "id: 7\nevent: put\ndata: {\"a\":\ndata: 1}\n\ndata: x\n\n");
    }
}
