//! What every engine in our own process has in common: its directory, its lock, how it notices that
//! something is lost, its log of beats.

#![cfg(all(feature = "fjall", feature = "sled"))]
#![allow(clippy::unwrap_used, reason = "a failing test is what it is for")]

mod home;

mod beats;
mod directory;
mod place;
mod reached;
