//! Records on one machine's disk, in a [sled](https://docs.rs/sled/0.34.7) database.
//!
//! sled is used as a durable log of small rows and for nothing else: reads come from the catalog,
//! watches from the registry's own history, conditions from the one writer. What it does not do by
//! itself is done here: `fdatasync` before a write is confirmed, no file beside its log, compaction,
//! fail-stop after the first error.
//!
//! The rooms, in reading order: `config` (what can be set), `layout` (what the rows look like),
//! `directory` (what the files look like), `engine` (one sled database), `writer` (the one writer),
//! `compact` (a fresh database while writes go on), `store` (the [`Store`] itself).
//!
//! [`Store`]: registry_core::store::Store

mod config;
mod layout;

mod directory;
mod engine;

mod compact;
mod store;
mod writer;

pub use config::{IfUnreadable, SledConfig};
pub use store::SledStore;
