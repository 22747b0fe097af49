//! What whole-system tests stand on: the real binary in a child process, and raw HTTP to talk to it.

pub mod bytes;
pub mod golden;
pub mod process;
pub mod wait;
