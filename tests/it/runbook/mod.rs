//! The deploy runbook, with real services: each of its promises, and each way to break it.

mod build;
mod deploy;
mod disk;
mod failure;
mod interrupt;
mod load;
mod node;
mod record;
mod remote;
mod site;
mod systemd;
mod verb;
