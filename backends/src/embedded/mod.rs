//! What every engine inside our own process needs around it, whichever it is.
//!
//! Who has the directory (`directory`), how far its store came (`reached`), the rows that are the
//! same everywhere (`row`), heartbeats in bulk (`beats`), what can go wrong (`failure`), what a URL
//! may say (`setting`), and the one writer, whom calls have one after another (`seat`).

pub(crate) mod beats;
mod directory;
mod failure;
mod reached;
pub(crate) mod row;
mod seat;
mod setting;

pub(crate) use directory::{Directory, create, sync_directory};
pub(crate) use failure::{Failure, Fault, guard};
pub(crate) use reached::{End, Note, Reached};
pub(crate) use seat::{Seat, Seated, hand_out, off_thread, pages};
pub use setting::IfUnreadable;
pub(crate) use setting::{MIB, if_unreadable, mib};

// What only sled needs: it compacts beside its writer, and there is more to set about it.
#[cfg(feature = "sled")]
pub(crate) use self::{directory::open_private, seat::State, setting::bad};
