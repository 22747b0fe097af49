//! Whole-system tests, in reading order.

#![allow(clippy::unwrap_used, reason = "a failing test is what it is for")]

mod auth;
mod bench;
mod concurrency;
mod crash;
mod dialect;
mod disk;
mod drain;
mod hand_over;
mod hostile;
mod invariant;
mod limits;
mod mass_lapse;
mod metrics;
mod native;
mod query;
mod restart;
mod runbook;
mod snapshot;
mod staleness;
mod start;
mod tidy;
mod tls;
mod watch;
