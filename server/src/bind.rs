//! Takes the address to listen on, or the socket that somebody holds for us, with error texts that
//! teach.

use std::io;
use std::net::SocketAddr;

use listenfd::ListenFd;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::TcpListener;

use crate::exit::Code;
use crate::limits::BACKLOG_CONNECTIONS_MAX;

/// A socket to accept from.
#[derive(Debug)]
pub struct Gate {
    /// The socket, listening.
    pub listener: TcpListener,
    /// Whose it is.
    pub tenure: Tenure,
}

/// What becomes of a listening socket when we end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tenure {
    /// We opened it, and it closes with us: whoever waits in its queue is ours to answer.
    Own,
    /// We were handed it, and somebody after us goes on accepting: its queue is not ours to empty.
    Lent,
}

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody else listens there.
    #[error(
        "address {address} is in use; another rolecall? stop it, or choose another address \
             with --listen"
    )]
    InUse {
        /// The address asked for.
        address: SocketAddr,
    },
    /// The system does not let this user listen there.
    #[error(
        "no permission to listen on {address}; ports below 1024 need a privilege \
             (CAP_NET_BIND_SERVICE): choose a higher one with --listen"
    )]
    Forbidden {
        /// The address asked for.
        address: SocketAddr,
    },
    /// This machine does not have that address.
    #[error("this machine has no address {address}; choose one of its own with --listen")]
    NotOurs {
        /// The address asked for.
        address: SocketAddr,
    },
    /// What was handed to us cannot be accepted from.
    #[error(
        "LISTEN_FDS hands over {what}; hand over exactly one listening TCP socket, as descriptor \
             3, or unset LISTEN_FDS"
    )]
    Useless {
        /// What it is instead.
        what: String,
    },
    /// Anything else.
    #[error("cannot listen on {address}: {source}")]
    Other {
        /// The address asked for.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
}

// === impl BindError ===

impl BindError {
    /// What the system's refusal of an address means.
    pub fn of(address: SocketAddr, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => BindError::InUse { address },
            io::ErrorKind::PermissionDenied => BindError::Forbidden { address },
            io::ErrorKind::AddrNotAvailable => BindError::NotOurs { address },
            _ => BindError::Other { address, source },
        }
    }

    /// The exit code that tells this end from others.
    pub fn code(&self) -> Code {
        match self {
            BindError::Forbidden { .. } => Code::Forbidden,
            BindError::NotOurs { .. } | BindError::Useless { .. } => Code::Usage,
            BindError::InUse { .. } | BindError::Other { .. } => Code::Unavailable,
        }
    }
}

// === impl Gate ===

impl Gate {
    /// Makes a gate of a socket that was handed to us. Must be called inside a tokio runtime.
    pub fn lent(listener: std::net::TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self { listener: TcpListener::from_std(listener)?, tenure: Tenure::Lent })
    }
}

/// Takes the socket that a service manager holds for us, if it does, by systemd's protocol:
/// `LISTEN_PID` is our process id, `LISTEN_FDS` is 1, and the socket is descriptor 3.
///
/// To be called before any thread starts, since the variables are removed: a child of ours is
/// not meant.
pub fn inherited() -> Result<Option<std::net::TcpListener>, BindError> {
    let is_for_us = |pid: String| pid.parse() == Ok(std::process::id());
    if !std::env::var("LISTEN_PID").is_ok_and(is_for_us) {
        return Ok(None);
    }
    let useless = |what: String| BindError::Useless { what };
    let count = std::env::var("LISTEN_FDS").unwrap_or_default();
    if count.trim() != "1" {
        return Err(useless(format!("`{count}` sockets")));
    }
    let listener = ListenFd::from_env().take_tcp_listener(0);
    let listener = listener.map_err(|error| useless(error.to_string()))?;
    match &listener {
        Some(socket) if !SockRef::from(socket).is_listener().unwrap_or(true) => {
            Err(useless("a socket that does not listen".to_string()))
        }
        _ => Ok(listener),
    }
}

/// Listens on an address; from here on the kernel queues connections until they are accepted.
///
/// Must be called inside a tokio runtime.
pub fn bind(address: SocketAddr) -> Result<Gate, BindError> {
    let listener = open(address).and_then(|socket| {
        socket.set_nonblocking(true)?;
        TcpListener::from_std(socket)
    });
    let listener = listener.map_err(|source| BindError::of(address, source))?;
    Ok(Gate { listener, tenure: Tenure::Own })
}

/// Opens a listening socket without a runtime, to be handed to somebody else.
pub fn open(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart must not wait until the connections of the process before have timed out. It does
    // not let two processes listen at once; that would be SO_REUSEPORT.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG_CONNECTIONS_MAX)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_in_use_is_named_with_the_way_out() {
        let first = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = first.listener.local_addr().unwrap();
        let error = bind(address).unwrap_err().to_string();
        assert!(error.contains(&format!("{address} is in use")), "{error}");
        assert!(error.contains("--listen"), "{error}");
        let foreign = bind("192.0.2.1:0".parse().unwrap()).unwrap_err().to_string();
        assert!(foreign.contains("no address 192.0.2.1:0"), "{foreign}");
    }
}
