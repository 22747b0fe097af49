//! Opens the address and becomes another program, which keeps it open while servers come and go.

use std::convert::Infallible;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::args::HoldFlags;
use crate::bind::{self, BindError};
use crate::exit::{Code, Failure};

/// Becomes the command, whose standard input is then the listening socket.
///
/// As standard input, because that is the one place where a program started by any means finds a
/// socket without being told its number.
pub fn hold(flags: &HoldFlags) -> Result<Infallible, Failure> {
    let address = flags.listen;
    let socket = bind::open(address).map_err(|source| {
        let error = BindError::of(address, source);
        Failure::new(error.code(), error)
    })?;
    let [program, arguments @ ..] = flags.command.as_slice() else {
        return Err(Failure::new(Code::Usage, "name the command to become, behind --"));
    };
    let error = Command::new(program).args(arguments).stdin(OwnedFd::from(socket)).exec();
    let program = program.display();
    Err(Failure::new(Code::Unavailable, format!("cannot become {program}: {error}")))
}
