//! The Rolecall server: HTTP around one registry.
//!
//! In reading order: how a server is described (`args`, `settings`, `config`), how it listens
//! (`bind`, `listen`, `lifecycle`), what each request passes (`stack` is the page to read first),
//! and the shapes it answers in (`dialect`). Beside all that stand what is kept of it (`snapshot`)
//! and who only asks (`bench`).

pub mod args;
pub mod bench;
pub mod config;
pub mod environment;
pub mod exit;
mod file;
pub mod hold;
pub mod logging;
pub mod print;
pub mod reload;
mod settings;
pub mod signal;

pub mod bind;
mod clock;
mod connection;
mod idle;
pub mod lifecycle;
pub mod limits;
pub mod listen;
mod log_budget;
pub mod metrics;
pub mod tls;
mod workers;

mod access_log;
mod admin;
pub mod app;
pub mod auth;
mod blocks;
pub mod body;
mod call;
mod collection;
pub mod dialect;
mod document;
mod echo;
#[cfg(test)]
mod house_test;
mod journal;
mod json;
pub mod parts;
mod path;
mod pieces;
mod query;
mod rate;
mod request_id;
mod rescue;
mod route;
mod sequence;
pub mod snapshot;
mod sse;
pub mod stack;
mod timeout;
mod timestamp;

pub use app::App;
pub use bind::{Gate, bind};
pub use listen::{Drained, listen as serve};
pub use reload::reload;
pub use stack::stack;
pub use workers::runtime;
