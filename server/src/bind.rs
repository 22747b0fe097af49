//! Takes the address to listen on, with error texts that teach.

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

use crate::exit::Code;
use crate::limits::BACKLOG_CONNECTIONS_MAX;

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
    /// The exit code that tells this end from others.
    pub fn code(&self) -> Code {
        match self {
            BindError::Forbidden { .. } => Code::Forbidden,
            BindError::NotOurs { .. } => Code::Usage,
            BindError::InUse { .. } | BindError::Other { .. } => Code::Unavailable,
        }
    }
}

/// Listens on an address; from here on the kernel queues connections until they are accepted.
///
/// Must be called inside a tokio runtime.
pub fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    listener(address).map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse { address },
        io::ErrorKind::PermissionDenied => BindError::Forbidden { address },
        io::ErrorKind::AddrNotAvailable => BindError::NotOurs { address },
        _ => BindError::Other { address, source },
    })
}

fn listener(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart must not wait until the connections of the process before have timed out. It does
    // not let two processes listen at once; that would be SO_REUSEPORT.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG_CONNECTIONS_MAX)?;
    TcpListener::from_std(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_in_use_is_named_with_the_way_out() {
        let first = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = first.local_addr().unwrap();
        let error = bind(address).unwrap_err().to_string();
        assert!(error.contains(&format!("{address} is in use")), "{error}");
        assert!(error.contains("--listen"), "{error}");
        let foreign = bind("192.0.2.1:0".parse().unwrap()).unwrap_err().to_string();
        assert!(foreign.contains("no address 192.0.2.1:0"), "{foreign}");
    }
}
