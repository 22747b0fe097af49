//! The servers that are measured: started here, ended here, and what the kernel says they used.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::caller::Outcome;

/// How long a server may take until it listens. One with a million records reads them first.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long it may take to end before it is killed.
const FAREWELL: Duration = Duration::from_secs(20);

/// How often it is looked at meanwhile.
const GLANCE: Duration = Duration::from_millis(10);

/// What `/proc` counts processor time in: USER_HZ, which Linux fixed at 100 for good.
const TICK: Duration = Duration::from_millis(10);

/// What a server of ours says before its address.
const GREETING: &str = "listening on ";

/// A server in a child process. Asked to end when dropped, and killed if it does not.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
}

// === impl Process ===

impl Process {
    /// Starts a server that says where it listens. What else it says goes into `log`.
    pub(crate) fn greeted(command: &mut Command, log: &Path) -> Outcome<(Self, SocketAddr)> {
        let mut process = Self::spawn(command.stdout(Stdio::piped()), log)?;
        let stdout = process.child.stdout.take().ok_or("stdout is piped")?;
        let first = BufReader::new(stdout).lines().next();
        let first = first.ok_or_else(|| format!("{command:?} ended; see {}", log.display()))??;
        let address = first.split_once(GREETING).map(|(_, address)| address);
        let address = address.ok_or_else(|| format!("{command:?} said only: {first}"))?;
        let address = address.rsplit("//").next().unwrap_or(address).parse()?;
        Ok((process, address))
    }

    /// Starts a server that was told where to listen, and waits until it does.
    pub(crate) fn listening(
        command: &mut Command,
        address: SocketAddr,
        log: &Path,
    ) -> Outcome<Self> {
        let mut process = Self::spawn(command.stdout(File::create(log)?), log)?;
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            if let Some(status) = process.child.try_wait()? {
                return Err(format!("{command:?}: {status}; see {}", log.display()).into());
            }
            if Instant::now() > deadline {
                return Err(format!("{command:?} does not listen on {address}").into());
            }
            std::thread::park_timeout(GLANCE);
        }
        Ok(process)
    }

    fn spawn(command: &mut Command, log: &Path) -> Outcome<Self> {
        let log = File::options().create(true).append(true).open(log)?;
        let child = command.stdin(Stdio::null()).stderr(log).spawn();
        Ok(Self { child: child.map_err(|error| format!("{command:?}: {error}"))? })
    }

    /// The processor time that it has used up to now, all its threads together.
    pub(crate) fn used(&self) -> Outcome<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let ticks = ticks(&stat).ok_or_else(|| format!("cannot read `{stat}`"))?;
        Ok(TICK * ticks)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let pid = self.child.id().to_string();
        let _asked = Command::new("kill").args(["-s", "TERM", &pid]).status();
        let deadline = Instant::now() + FAREWELL;
        while let Ok(None) = self.child.try_wait() {
            if Instant::now() > deadline {
                let _ended_before = self.child.kill();
                let _reaped = self.child.wait();
                return;
            }
            std::thread::park_timeout(GLANCE);
        }
    }
}

/// User and system time, which stand behind the name, whatever the name is.
fn ticks(stat: &str) -> Option<u32> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<u32>().ok();
    Some(next()? + next()?)
}

/// An address where nobody listens at this moment, for servers that cannot choose one themselves.
pub(crate) fn free_address() -> Outcome<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// Whether this program can be started here.
pub(crate) fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

#[cfg(test)]
mod tests {
    use super::ticks;

    #[test]
    fn time_is_found_behind_any_name() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194304 1 0 0 0 30 12 0 0 20 0 3 0 5 6 7";
        assert_eq!(ticks(stat), Some(42));
        assert_eq!(ticks("7 (a"), None);
    }
}
