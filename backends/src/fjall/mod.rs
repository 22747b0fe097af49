//! Records on one machine's disk, in a [fjall](https://docs.rs/fjall/3) database.
//!
//! fjall is a log-structured tree: a write costs little more than its place in the journal and the
//! `fdatasync` behind it, and it gives space back by itself. As with sled, reads come from the
//! catalog, watches from the registry's own history, conditions from the one writer. What fjall
//! does not do by itself is done here: heartbeats in bulk, fail-stop after the first error,
//! noticing that a part of its journal is lost.
//!
//! What it costs is the sync: its journal is not written to the disk ahead of time, so that each
//! `fdatasync` waits for the file system's own journal as well.
//!
//! The rooms, in reading order: `config` (what can be set), `layout` (what the rows look like),
//! `engine` (one fjall database), `journal` (what a crash left at its end), `writer` (the one
//! writer), `scan` (everything read back), `restore` (what another store held), `store` (the
//! [`Store`] itself). What is not fjall's alone is in `backends/src/embedded`.
//!
//! [`Store`]: registry_core::store::Store

mod config;
mod layout;

mod engine;
mod journal;

mod restore;
mod scan;
mod writer;

mod store;

pub use crate::embedded::IfUnreadable;
pub use config::FjallConfig;
pub use store::FjallStore;
