//! Who is measured: our server, the peers that are there, and whom the user names.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;

use clap::ValueEnum;

use crate::caller::Outcome;
use crate::dialect::{Dialect, Load, redis};
use crate::population::Population;
use crate::process::{Process, free_address, is_installed};
use crate::work::Work;

/// The name of our server, as it is by default.
pub(crate) const OURS: &str = "rolecall";

/// Our server with another store.
pub(crate) const OURS_ON_FJALL: &str = "rolecall fjall:";
pub(crate) const OURS_IN_MEMORY: &str = "rolecall memory:";

/// A server and how to talk to it.
#[derive(Debug)]
pub(crate) struct Contender {
    pub(crate) name: String,
    pub(crate) dialect: Dialect,
    pub(crate) address: SocketAddr,
    /// None for one that somebody else has started.
    pub(crate) process: Option<Process>,
}

/// A server that the user has started: `NAME=DIALECT=URL`.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    name: String,
    dialect: Dialect,
    pub(crate) address: SocketAddr,
}

/// Where servers are started: each has a folder of its own here, and a file with what it said.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) dir: PathBuf,
    /// Our binary.
    pub(crate) server: PathBuf,
}

// === impl Contender ===

impl Contender {
    /// The load for a work, and the population it is about; none if there is nothing to compare.
    pub(crate) fn load(&self, work: Work, population: Population) -> Option<(Load, Population)> {
        let is_ours = self.name == OURS;
        let has_another_store = [OURS_ON_FJALL, OURS_IN_MEMORY].contains(&self.name.as_str());
        let is_pointless = has_another_store && !work.concerns_the_store();
        if is_pointless || (work.is_encrypted() && !is_ours) {
            return None;
        }
        let share = self.dialect.share(population);
        Some((self.dialect.load(work, share)?, share))
    }

    pub(crate) fn fill(&self, population: Population) -> Outcome<()> {
        let filled = self.dialect.fill(self.address, self.dialect.share(population));
        filled.map_err(|error| format!("{} cannot be filled: {error}", self.name).into())
    }

    /// Starts our server again, on the same records, with TLS by the papers in this folder.
    pub(crate) fn encrypt(&mut self, site: &Site, papers: &Path) -> Outcome<()> {
        self.process = None; // it has to let go of its store
        let (process, address) = site.ours(&sled(site), Some(papers))?;
        self.address = address;
        self.process = Some(process);
        Ok(())
    }
}

// === impl Named ===

impl Named {
    /// Fails if it does not answer, or has records that are not ours to measure beside.
    pub(crate) fn must_be_empty(&self) -> Outcome<()> {
        let Self { name, dialect, address } = self;
        match dialect.is_empty(*address) {
            Ok(true) => Ok(()),
            Ok(false) => Err(format!("{name} has records already; name an empty server").into()),
            Err(error) => {
                Err(format!("{name} cannot be asked whether it is empty: {error}").into())
            }
        }
    }
}

impl From<Named> for Contender {
    fn from(Named { name, dialect, address }: Named) -> Self {
        Self { name, dialect, address, process: None }
    }
}

impl FromStr for Named {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.splitn(3, '=');
        let (Some(name), Some(dialect), Some(url)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err("say NAME=DIALECT=URL, such as old=rolecall=http://127.0.0.1:3001".into());
        };
        let dialects = || Dialect::value_variants().iter().filter_map(Dialect::to_possible_value);
        let known = || dialects().map(|one| one.get_name().to_owned()).collect::<Vec<_>>();
        let dialect = Dialect::from_str(dialect, true);
        let dialect = dialect.map_err(|_| format!("DIALECT is one of {}", known().join(", ")))?;
        let host = url.strip_prefix("http://").map(|host| host.trim_end_matches('/'));
        let host = host.ok_or_else(|| format!("`{url}` does not begin with http://"))?;
        let address = std::net::ToSocketAddrs::to_socket_addrs(host);
        let address = address.ok().and_then(|mut found| found.next());
        let address = address.ok_or_else(|| format!("`{url}` names no host and port"))?;
        Ok(Self { name: name.to_owned(), dialect, address })
    }
}

// === impl Site ===

impl Site {
    /// Starts our server, the one to be measured first.
    pub(crate) fn start(&self) -> Outcome<Vec<Contender>> {
        let start = |(name, store): (&str, String)| {
            let (process, address) = self.ours(&store, None)?;
            Ok(contender(name, Dialect::Rolecall, address, process))
        };
        let fjall = format!("fjall:{}", self.dir.join("records-fjall").display());
        let ours =
            [(OURS, sled(self)), (OURS_ON_FJALL, fjall), (OURS_IN_MEMORY, "memory:".to_owned())];
        ours.into_iter().map(start).collect()
    }

    /// Starts every peer who is there; says of the others how to get them.
    pub(crate) fn start_peers(&self, with_pypi: bool) -> Outcome<(Vec<Contender>, Vec<String>)> {
        let mut peers = Vec::new();
        let mut skipped = Vec::new();
        if is_installed("redis-server") && is_installed("redis-benchmark") {
            peers.push(self.redis("redis", Dialect::Redis)?);
            if redis::has_functions() {
                peers.push(self.redis("redis, found", Dialect::RedisFound)?);
            } else {
                skipped.push("redis, found: needs Redis 7 or later".to_owned());
            }
        } else {
            skipped.push("redis: not here; apt-get install redis-server redis-tools".to_owned());
        }
        if is_installed("etcd") {
            peers.push(self.etcd()?);
        } else {
            skipped.push("etcd: not here; apt-get install etcd-server".to_owned());
        }
        if with_pypi {
            peers.push(self.runspec()?);
        } else {
            skipped.push("runspec-registry: not asked for; --with-pypi installs it".to_owned());
        }
        Ok((peers, skipped))
    }

    fn ours(&self, store: &str, papers: Option<&Path>) -> Outcome<(Process, SocketAddr)> {
        let mut command = Command::new(&self.server);
        command.env_clear().args(["serve", "--listen", "127.0.0.1:0", "--store", store]);
        if let Some(papers) = papers {
            command.arg("--tls-cert").arg(papers.join("cert.pem"));
            command.arg("--tls-key").arg(papers.join("key.pem"));
        }
        Process::greeted(&mut command, &self.log("rolecall"))
    }

    fn redis(&self, name: &str, dialect: Dialect) -> Outcome<Contender> {
        let (address, dir) = (free_address()?, self.folder(name)?);
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port", &address.port().to_string()]);
        command.args(["--save", "", "--appendonly", "yes", "--dir"]).arg(dir);
        let process = Process::listening(&mut command, address, &self.log(name))?;
        Ok(contender(name, dialect, address, process))
    }

    fn etcd(&self) -> Outcome<Contender> {
        let (address, peers) = (free_address()?, format!("http://{}", free_address()?));
        let clients = format!("http://{address}");
        let mut command = Command::new("etcd");
        command.arg("--data-dir").arg(self.folder("etcd")?).args(["--log-level", "error"]);
        command.args(["--listen-client-urls", &clients, "--advertise-client-urls", &clients]);
        command.args(["--listen-peer-urls", &peers, "--initial-advertise-peer-urls", &peers]);
        command.args(["--initial-cluster", &format!("default={peers}")]);
        command.args(["--quota-backend-bytes", "8589934592"]);
        let process = Process::listening(&mut command, address, &self.log("etcd"))?;
        Ok(contender("etcd", Dialect::Etcd, address, process))
    }

    fn runspec(&self) -> Outcome<Contender> {
        let (address, venv) = (free_address()?, self.dir.join("runspec"));
        run(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
        // An older FastAPI, which its own demands would allow, refuses every write.
        let wanted = ["runspec-registry==0.1.1", "fastapi>=0.124"];
        run(Command::new(venv.join("bin/pip")).args(["install", "--quiet"]).args(wanted))?;
        let mut command = Command::new(venv.join("bin/runspec-registry"));
        command.args(["--host", "127.0.0.1", "--port", &address.port().to_string()]);
        command.env("RATELIMIT_ENABLED", "false");
        let process = Process::listening(&mut command, address, &self.log("runspec"))?;
        Ok(contender("runspec-registry", Dialect::Runspec, address, process))
    }

    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.log"))
    }

    fn folder(&self, name: &str) -> Outcome<PathBuf> {
        let folder = self.dir.join(name);
        std::fs::create_dir(&folder)?;
        Ok(folder)
    }
}

fn contender(name: &str, dialect: Dialect, address: SocketAddr, process: Process) -> Contender {
    Contender { name: name.to_owned(), dialect, address, process: Some(process) }
}

fn sled(site: &Site) -> String {
    format!("sled:{}", site.dir.join("records").display())
}

fn run(command: &mut Command) -> Outcome<()> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_named_with_its_dialect() {
        let named: Named = "old=vers=http://127.0.0.1:3001/".parse().unwrap();
        assert_eq!((named.name.as_str(), named.dialect), ("old", Dialect::Vers));
        assert_eq!(named.address, ([127, 0, 0, 1], 3001).into());
        for wrong in ["old", "old=vers", "old=nonsense=http://127.0.0.1:1", "old=vers=127.0.0.1:1"]
        {
            wrong.parse::<Named>().unwrap_err();
        }
    }
}
