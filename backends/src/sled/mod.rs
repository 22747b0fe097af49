//! Records on one machine's disk, in a [sled](https://docs.rs/sled/0.34.7) database.
//!
//! sled is used as a durable log of small rows and for nothing else: reads come from the catalog,
//! watches from the registry's own history, conditions from the one writer. What it does not do by
//! itself is done here: `fdatasync` before a write is confirmed, no file beside its log,
//! compaction, fail-stop after the first error, noticing that the end of its log is lost.
//!
//! The rooms, in reading order: `config` (what can be set), `layout` (what the rows look like),
//! `generation` (which database counts), `engine` (one sled database), `index` (where each key's
//! record is), `writer` (the one writer), `scan` (everything read back), `restore` (what another
//! store held), `upgrade` (what earlier builds wrote), `compact` (a fresh database while writes go
//! on), `store` (the [`Store`] itself). What is not sled's alone is in `backends/src/embedded`.
//!
//! [`Store`]: registry_core::store::Store

mod config;
mod layout;

mod engine;
mod generation;
mod index;

mod restore;
mod scan;
mod upgrade;
mod writer;

mod compact;
mod store;

pub use crate::embedded::IfUnreadable;
pub use config::SledConfig;
pub use store::SledStore;
