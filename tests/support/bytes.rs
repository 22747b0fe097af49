//! HTTP/1.1 as bytes: what is sent is what the test says, what comes back is not prettified.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::wait::PATIENCE;

/// One keep-alive connection.
pub struct Connection {
    stream: BufReader<TcpStream>,
    sent_at: Instant,
}

/// One response, as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The headers, in order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

// === impl Connection ===

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// If nobody listens.
    pub fn open(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream), sent_at: Instant::now() })
    }

    /// How long to wait for bytes before giving up; [`PATIENCE`] unless something is said.
    ///
    /// # Errors
    /// If the connection is gone.
    pub fn patience(&mut self, patience: Duration) -> std::io::Result<()> {
        self.stream.get_ref().set_read_timeout(Some(patience))
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// If the connection is gone.
    pub fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let sent = self.stream.get_mut().write_all(bytes);
        self.sent_at = Instant::now();
        sent
    }

    /// When the last bytes were given to the kernel; before that, when it was connected.
    #[must_use]
    pub fn sent_at(&self) -> Instant {
        self.sent_at
    }

    /// Sends a request with a JSON body and reads the answer.
    ///
    /// # Errors
    /// If the connection is gone before the answer is complete.
    pub fn request(&mut self, method: &str, path: &str, body: &str) -> std::io::Result<Response> {
        self.request_with(method, path, &[], body)
    }

    /// Sends a request with further headers.
    ///
    /// # Errors
    /// If the connection is gone before the answer is complete.
    pub fn request_with(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> std::io::Result<Response> {
        self.ask(method, path, headers, body)?;
        self.receive(method)
    }

    /// Sends a request and leaves its answer to be read.
    ///
    /// # Errors
    /// If the connection is gone.
    pub fn ask(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> std::io::Result<()> {
        let given =
            |wanted: &str| headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted));
        let mut head = format!("{method} {path} HTTP/1.1\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !given("host") {
            head.push_str("host: test\r\n");
        }
        if !body.is_empty() && !given("content-type") {
            head.push_str("content-type: application/json\r\n");
        }
        head.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
        self.send(head.as_bytes())
    }

    /// Reads the answer to a request of this method; of a stream of events only the head, since it
    /// does not end.
    ///
    /// # Errors
    /// If the connection ends before the answer is complete.
    pub fn receive(&mut self, method: &str) -> std::io::Result<Response> {
        let status_line = self.line()?;
        let status = status_line.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.ok_or_else(|| broken(&status_line))?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut response = Response { status, headers, body: Vec::new() };
        let is_chunked = response.header("transfer-encoding") == Some("chunked");
        let is_endless = response.header("content-type") == Some("text/event-stream");
        if method != "HEAD" && is_chunked && !is_endless {
            while let Some(chunk) = self.chunk()? {
                response.body.extend(chunk);
            }
        } else if method != "HEAD" {
            let length = response.header("content-length").and_then(|text| text.parse().ok());
            response.body = vec![0; length.unwrap_or(0)];
            self.stream.read_exact(&mut response.body)?;
        }
        Ok(response)
    }

    /// The next chunk of a chunked answer whose head has been read; `None` at its end.
    ///
    /// # Errors
    /// If the connection ends before the answer does.
    pub fn chunk(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        let size = self.line()?;
        let size = usize::from_str_radix(&size, 16).map_err(|_| broken(&size))?;
        let mut bytes = vec![0; size];
        self.stream.read_exact(&mut bytes)?;
        self.line()?;
        Ok((size > 0).then_some(bytes))
    }

    /// Says that nothing more will be sent.
    ///
    /// # Errors
    /// If the connection is gone.
    pub fn finish(&mut self) -> std::io::Result<()> {
        self.stream.get_ref().shutdown(Shutdown::Write)
    }

    /// Everything until the other side closes.
    ///
    /// # Errors
    /// If it does not close in time.
    pub fn rest(&mut self) -> std::io::Result<Vec<u8>> {
        let mut all = Vec::new();
        self.stream.read_to_end(&mut all)?;
        Ok(all)
    }

    fn line(&mut self) -> std::io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }
}

fn broken(line: &str) -> std::io::Error {
    std::io::Error::other(format!("not a status line: {line:?}"))
}

// === impl Response ===

impl Response {
    /// The first header of this name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// If it is not.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    /// The ids of the records in a list answer.
    ///
    /// # Panics
    /// If it is not a list answer.
    #[must_use]
    pub fn ids(&self) -> Vec<String> {
        let json = self.json();
        let list = json["vms"].as_array().unwrap_or_else(|| panic!("no list: {json}"));
        list.iter().map(|entry| entry["id"].as_str().unwrap_or("?").to_owned()).collect()
    }
}
