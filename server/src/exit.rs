//! The exit codes, which are part of the interface: a service manager acts on them.

use std::fmt;

/// Why the program ends, as a number for machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Code {
    /// It was asked to stop, and did.
    Done = 0,
    /// A flag, the environment or the configuration file is wrong; trying again is no use.
    Usage = 64,
    /// What was given to read, a snapshot, is not sound.
    Data = 65,
    /// The store cannot be opened, or the address is in use; trying again may help.
    Unavailable = 69,
    /// Something broke while running, such as the store; a restart reads the store again.
    Internal = 70,
    /// The system does not permit it: a port below 1024, a directory of somebody else.
    Forbidden = 77,
    /// A signal ended a measurement before it had come to its end.
    Interrupted = 130,
}

/// An end that was not asked for: a code, and one line that says what to do.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub code: Code,
    text: String,
}

/// The same table for `--help`.
pub const EXIT_CODES: &str = "\
Exit codes:
   0  stopped as asked (SIGTERM, SIGINT)
  64  a flag, environment variable or configuration file is wrong
  65  the snapshot to read is damaged, cut short, or of a newer build
  69  the store cannot be opened or is locked, or the address is in use
  70  the store failed while running, or another internal error
  77  no permission: a port below 1024, a directory of another user
 130  a second SIGINT (143: a second SIGTERM) ended it before it had drained";

// === impl Failure ===

impl Failure {
    /// A failure that tells what `error` says.
    pub fn new(code: Code, error: impl fmt::Display) -> Self {
        Self { code, text: error.to_string() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

// === impl Code ===

impl Code {
    /// What a store that cannot be opened comes to.
    pub fn of_store(error: &backends::OpenError) -> Self {
        match error {
            mistake if mistake.is_mistake() => Self::Usage,
            backends::OpenError::Io { source, .. } => Self::of_io(source, Self::Unavailable),
            _ => Self::Unavailable,
        }
    }

    /// What is not permitted comes to a code of its own, everything else to `otherwise`.
    pub fn of_io(error: &std::io::Error, otherwise: Self) -> Self {
        match error.kind() {
            std::io::ErrorKind::PermissionDenied => Self::Forbidden,
            _ => otherwise,
        }
    }
}

impl From<Code> for std::process::ExitCode {
    fn from(code: Code) -> Self {
        std::process::ExitCode::from(code as u8)
    }
}
