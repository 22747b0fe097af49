//! Places where Rolecall's records can rest.
//!
//! | URL | durable? | when to use |
//! |---|---|---|
//! | `memory:` | no | trying things out, tests, registries that may forget |
//! | `sled:PATH` | yes, on disk past `fdatasync` | one server that keeps its records by itself |
//! | `fjall:PATH` | yes, on disk past `fdatasync` | the same, for less processor time |
//!
//! Each is a [`Store`](registry_core::store::Store), and each is proved by the same list of cases:
//! `registry_core::testkit`. To read how one works, begin with [`MemoryStore`], the shortest; the
//! others answer the same questions, and what they ask of the disk is in their `layout`. What one
//! holds can be carried to another in a file: [`snapshot`].
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = backends::open("memory:").await?;
//! assert!(!store.capabilities().durable);
//!
//! let refused = backends::open("floppy:a").await.err().expect("there is no such store");
//! assert!(refused.to_string().ends_with("there are memory:, sled:PATH and fjall:PATH"));
//! # Ok(())
//! # }
//! ```

#[cfg(any(feature = "fjall", feature = "sled"))]
mod embedded;
#[cfg(feature = "fjall")]
pub mod fjall;
mod memory;
mod open;
#[cfg(feature = "sled")]
pub mod sled;
pub mod snapshot;

pub use memory::MemoryStore;
pub use open::{OpenError, open};
