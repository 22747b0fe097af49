//! What is sled's own: its files, its compaction, and what it does when they are damaged.

#![cfg(feature = "sled")]
#![allow(clippy::unwrap_used, reason = "a failing test is what it is for")]

mod home;

mod compaction;
mod damage;
mod directory;
mod files;
mod upgrade;
