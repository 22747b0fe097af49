//! Asks a server over HTTP: once, to see what it answers, or very often, to fill it.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;

/// What comes of everything here that can fail.
pub(crate) type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// How many connections fill a server. More would not fill it faster.
const FILLING_CONNECTIONS: usize = 8;

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) body: String,
}

/// What a server said to one.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Without those that every server writes by itself: date, length, connection.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

/// A connection to ask on.
struct Caller {
    requests: SendRequest<Full<Bytes>>,
    host: String,
}

// === impl Question ===

impl Question {
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self { method: "GET", path: path.into(), body: String::new() }
    }

    pub(crate) fn post(path: impl Into<String>, body: impl Into<String>) -> Self {
        Self { method: "POST", path: path.into(), body: body.into() }
    }
}

// === impl Answer ===

impl Answer {
    /// This answer, or what is wrong with it.
    pub(crate) fn good(self, question: &Question) -> Outcome<Self> {
        if (200..300).contains(&self.status) {
            return Ok(self);
        }
        let Question { method, path, .. } = question;
        Err(format!("{method} {path} is answered {}: {}", self.status, self.body).into())
    }
}

// === impl Caller ===

impl Caller {
    async fn connect(address: SocketAddr) -> Outcome<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (requests, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self { requests, host: address.to_string() })
    }

    async fn ask(&mut self, question: &Question) -> Outcome<Answer> {
        let request = hyper::Request::builder()
            .method(question.method)
            .uri(&question.path)
            .header("host", &self.host)
            .header("content-type", "application/json")
            .body(Full::from(question.body.clone()))?;
        self.requests.ready().await?;
        let response = self.requests.send_request(request).await?;
        let own = ["date", "content-length", "connection", "transfer-encoding"];
        let headers = response.headers().iter();
        let headers = headers.filter(|(name, _)| !own.contains(&name.as_str()));
        let headers = headers.map(|(name, value)| {
            (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        });
        let (status, headers) = (response.status().as_u16(), headers.collect());
        let body = response.into_body().collect().await?.to_bytes();
        let body = String::from_utf8_lossy(&body).into_owned();
        Ok(Answer { status, headers, body })
    }
}

/// Asks once, on a connection of its own.
pub(crate) fn ask(address: SocketAddr, question: &Question) -> Outcome<Answer> {
    runtime()?.block_on(async {
        let answer = Caller::connect(address).await?.ask(question).await?;
        answer.good(question)
    })
}

/// Asks everything, several at a time; stops at the first that is not answered well.
pub(crate) fn ask_each(
    address: SocketAddr,
    questions: impl Iterator<Item = Question> + Send,
) -> Outcome<()> {
    let questions = Mutex::new(questions);
    let next = || questions.lock().unwrap_or_else(PoisonError::into_inner).next();
    let fill = || async {
        let mut caller = Caller::connect(address).await?;
        while let Some(question) = next() {
            caller.ask(&question).await?.good(&question)?;
        }
        Ok(())
    };
    let filling = (0..FILLING_CONNECTIONS).map(|_| fill());
    let done = runtime()?.block_on(futures_util::future::join_all(filling));
    done.into_iter().collect()
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}
