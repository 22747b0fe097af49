//! What whole-system tests stand on: the real binary in a child process or the same server inside
//! the test, raw HTTP to talk to it, and callers that remember what they were told.

pub mod bytes;
pub mod dice;
pub mod disk;
mod entry;
pub mod events;
pub mod golden;
pub mod inside;
pub mod process;
pub mod stream;
pub mod wait;
pub mod writer;
