//! A service registry to embed: things that run register, keep a lease alive by heartbeats, and are
//! found by role, capability or name. Stale ones never show.
//!
//! There are five verbs, and `update` for an owner's own changes:
//!
//! ```
//! use std::sync::Arc;
//! use registry_core::{Claim, Declared, Event, Start, Guard, Key, Query, Registry};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = Arc::new(backends::MemoryStore::default());
//! let (registry, driver) = Registry::builder(store).open().await?;
//! tokio::spawn(driver.run(std::future::pending())); // the library spawns nothing itself
//!
//! let mut watcher = registry.watch(Query::role("worker"), Start::Now)?;
//!
//! let (role, address) = ("worker".into(), "10.0.0.7:80".into());
//! let worker = Declared { role, address, ..Declared::default() };
//! registry.register(Key::new("default", "w-1")?, worker, Claim::default()).await?;
//! registry.heartbeat("default", "w-1", &Guard::default()).await?;
//!
//! for slot in &registry.discover(&Query::role("worker")) {
//!     println!("{} is at {}", slot.record().key, slot.record().declared.address);
//! }
//! assert!(matches!(watcher.next().await?, Event::Put(_)));
//!
//! registry.deregister("default", "w-1", Guard::default()).await?;
//! assert!(registry.discover(&Query::role("worker")).is_empty());
//! # Ok(())
//! # }
//! ```
//!
//! What it promises is written down, one testable sentence each, in `docs/GUARANTEES.md`. The
//! rooms, in reading order: what a record is ([`Record`], [`Lease`]), what may be asked
//! ([`Query`]), what happens ([`Change`], [`Watcher`]), who does it ([`Registry`], [`Driver`]), and
//! where it rests ([`store`]).

mod labels;
mod key;
mod record;
mod lease;
mod clock;
mod namespace;
mod query;
mod change;
mod catalog;
mod watch;
mod operation;
mod registry;
mod recover;
mod snapshot;
mod driver;
mod commit;
mod flush;
mod error;
pub mod encoding;
pub mod limits;
mod maker;
pub mod store;
#[cfg(feature = "testkit")]
pub mod testkit;

pub use catalog::{Discovery, Iter, Memo, Pulse, Slot, Tally};
pub use change::{Cause, Change, Revision};
pub use clock::{Alarm, Clock, SystemClock, Tick, Timestamp};
pub use driver::Driver;
pub use error::{Error, Invalid};
pub use key::Key;
pub use labels::Labels;
pub use lease::{Beat, Lease, Standing, Term, Ttl};
pub use namespace::{OnConflict, OnExpiry, Rules};
pub use operation::{Claim, Done, Guard};
pub use query::{Query, Scope};
pub use record::{Declared, Generation, Record, Service, State};
pub use registry::{Builder, OpenError, Registry};
pub use snapshot::Snapshot;
pub use store::{Store, StoreError};
pub use watch::{Event, Start, Watcher};
