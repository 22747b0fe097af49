//! What is fjall's own: its files, its log of beats, and what it does when they are damaged.

#![cfg(feature = "fjall")]
#![allow(clippy::unwrap_used, reason = "a failing test is what it is for")]

mod home;

mod damage;
mod files;
mod journal;
