//! Whom the load is for: found and checked before anything is sent.

use std::io::{BufRead, IsTerminal, Write, stderr, stdin};
use std::net::SocketAddr;
use std::path::Path;

use hyper::Uri;
use hyper::header::HeaderValue;

use crate::args::BenchFlags;
use crate::auth::{Secret, first_secret};
use crate::config::Environment;
use crate::environment::TOKEN_VARIABLES;
use crate::exit::{Code, Failure};

/// A server, as it is asked.
pub(super) struct Target {
    pub(super) address: SocketAddr,
    /// What stands in `Host`.
    pub(super) host: HeaderValue,
    pub(super) authorization: Option<HeaderValue>,
}

// === impl Target ===

impl Target {
    /// The server of these flags: on this machine, or one that the caller insists on.
    pub(super) async fn find(
        flags: &BenchFlags,
        environment: &Environment,
    ) -> Result<Self, Failure> {
        let (host, port) = host_and_port(&flags.url).map_err(|what| {
            let text = format!("--url {}: {what}; give http://HOST:PORT", flags.url);
            Failure::new(Code::Usage, text)
        })?;
        let authorization = authorization(flags.token_file.as_deref(), environment)?;
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let addresses = tokio::net::lookup_host((bare, port)).await;
        let not_there = |error: &dyn std::fmt::Display| {
            Failure::new(Code::Unavailable, format!("--url {}: {error}", flags.url))
        };
        let address = addresses.map_err(|error| not_there(&error))?.next();
        let address = address.ok_or_else(|| not_there(&"this name has no address"))?;
        if !address.ip().is_loopback() && !flags.yes_not_loopback && !is_confirmed(address) {
            let text = format!(
                "{address} is not this machine; if it is yours and may be loaded, say \
                 --yes-not-loopback"
            );
            return Err(Failure::new(Code::Usage, text));
        }
        let host = HeaderValue::try_from(format!("{host}:{port}"));
        let host = host.map_err(|error| Failure::new(Code::Usage, error))?;
        Ok(Self { address, host, authorization })
    }
}

fn host_and_port(url: &str) -> Result<(String, u16), String> {
    let uri: Uri = url.parse().map_err(|error| format!("this is no URL: {error}"))?;
    match uri.scheme_str() {
        Some("http") => {}
        Some("https") => return Err("only clear text is measured here".to_owned()),
        _ => return Err("this does not say http://".to_owned()),
    }
    let authority = uri.authority().ok_or("there is no host")?;
    if authority.as_str().contains('@') || !matches!(uri.path(), "" | "/") || uri.query().is_some()
    {
        return Err("it has more than a host and a port".to_owned());
    }
    Ok((authority.host().to_owned(), authority.port_u16().unwrap_or(80)))
}

/// Of a file its first token; else the first of the variables that the server reads, too.
fn authorization(
    file: Option<&Path>,
    environment: &Environment,
) -> Result<Option<HeaderValue>, Failure> {
    let variable = || TOKEN_VARIABLES.iter().find_map(|name| Secret::new(environment.get(*name)?));
    let secret = match file {
        Some(path) => Some(first_secret(path).map_err(|error| Failure::new(Code::Usage, error))?),
        None => variable(),
    };
    let Some(secret) = secret else { return Ok(None) };
    let value = HeaderValue::try_from(format!("Bearer {}", secret.in_the_clear()));
    let mut value = value.map_err(|_| {
        Failure::new(Code::Usage, "the token has a character that no HTTP header can carry")
    })?;
    value.set_sensitive(true);
    Ok(Some(value))
}

/// A person at a terminal may say yes.
fn is_confirmed(address: SocketAddr) -> bool {
    if !stdin().is_terminal() || !stderr().is_terminal() {
        return false;
    }
    let question = format!("{address} is not this machine. Put load on it? Type yes: ");
    let _ = stderr().write_all(question.as_bytes()).and_then(|()| stderr().flush());
    let mut answer = String::new();
    stdin().lock().read_line(&mut answer).is_ok() && answer.trim() == "yes"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_a_host_and_a_port() {
        for (url, expected) in [
            ("http://127.0.0.1:3000", Ok(("127.0.0.1", 3000))),
            ("http://localhost/", Ok(("localhost", 80))),
            ("http://[::1]:1", Ok(("[::1]", 1))),
            ("https://localhost", Err("clear text")),
            ("localhost:3000", Err("http://")),
            ("http://u:p@localhost", Err("more than")),
            ("http://localhost/v1", Err("more than")),
            ("http://", Err("no URL")),
        ] {
            match (host_and_port(url), expected) {
                (Ok((host, port)), Ok(wanted)) => assert_eq!((&*host, port), wanted, "{url}"),
                (Err(said), Err(wanted)) => assert!(said.contains(wanted), "{url}: {said}"),
                (found, _) => panic!("{url}: {found:?}"),
            }
        }
    }
}
