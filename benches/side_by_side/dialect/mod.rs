//! How each kind of server is asked to do a work, and how it is filled.

mod etcd;
pub(crate) mod redis;
mod rolecall;
mod runspec;

use std::net::SocketAddr;

use clap::ValueEnum;

use self::redis::Command;
use crate::caller::{Outcome, Question};
use crate::population::Population;
use crate::work::Work;

/// What a server understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Dialect {
    /// Everything that our server does: `/registry` and `/v1`.
    Rolecall,
    /// The VM registry alone: `/registry`.
    Vers,
    /// The directory of tool hosts: `/instances` and `/tools`.
    Runspec,
    /// The JSON gateway of etcd.
    Etcd,
    /// Redis, or what speaks like it.
    Redis,
    /// The same, with functions in it that do what a registry does.
    RedisFound,
}

/// What makes a server do a work again and again.
#[derive(Debug, Clone)]
pub(crate) enum Load {
    Http(Ask),
    Redis(Command),
}

/// A request, and what its answer must hold to count as one.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    /// With [`ANY`](crate::population::ANY) and [`NEW`](crate::population::NEW) in it.
    pub(crate) question: Question,
    /// A text that must occur in the answer exactly so often.
    pub(crate) finds: Option<(&'static str, usize)>,
    /// How many numbers it chooses from, if there are so many.
    pub(crate) among: usize,
}

// === impl Dialect ===

impl Dialect {
    /// The load for a work; none where such a server has nothing like it.
    pub(crate) fn load(self, work: Work, population: Population) -> Option<Load> {
        match self {
            Dialect::Rolecall => rolecall::ask(work, population).map(Load::Http),
            Dialect::Vers => rolecall::ask_vers(work, population).map(Load::Http),
            Dialect::Runspec => runspec::ask(work).map(Load::Http),
            Dialect::Etcd => etcd::ask(work).map(Load::Http),
            Dialect::Redis => redis::command(work, population).map(Load::Redis),
            Dialect::RedisFound => redis::found_command(work, population).map(Load::Redis),
        }
    }

    /// Whether nobody is registered.
    pub(crate) fn is_empty(self, address: SocketAddr) -> Outcome<bool> {
        match self {
            Dialect::Rolecall | Dialect::Vers => rolecall::is_empty(address),
            Dialect::Runspec => runspec::is_empty(address),
            Dialect::Etcd => etcd::is_empty(address),
            Dialect::Redis | Dialect::RedisFound => redis::is_empty(address),
        }
    }

    /// Registers everybody.
    pub(crate) fn fill(self, address: SocketAddr, population: Population) -> Outcome<()> {
        match self {
            Dialect::Rolecall => rolecall::fill(address, population),
            Dialect::Vers => rolecall::fill_vers(address, population),
            Dialect::Runspec => runspec::fill(address, population),
            Dialect::Etcd => etcd::fill(address, population),
            Dialect::Redis => redis::fill(address, population),
            Dialect::RedisFound => redis::fill_found(address, population),
        }
    }

    /// How many of a population such a server is given.
    pub(crate) fn share(self, population: Population) -> Population {
        match self {
            Dialect::Runspec => runspec::share(population),
            _ => population,
        }
    }

    /// What it does otherwise than ours, for the footnotes.
    pub(crate) fn differs(self) -> &'static str {
        match self {
            Dialect::Rolecall | Dialect::Vers => "",
            Dialect::Runspec => runspec::DIFFERS,
            Dialect::Etcd => etcd::DIFFERS,
            Dialect::Redis => redis::DIFFERS,
            Dialect::RedisFound => redis::FOUND_DIFFERS,
        }
    }
}

// === impl Ask ===

impl Ask {
    fn plain(question: Question) -> Self {
        Self { question, finds: None, among: usize::MAX }
    }

    fn finding(question: Question, text: &'static str, times: usize) -> Self {
        Self { finds: Some((text, times)), ..Self::plain(question) }
    }
}
