//! The real binary in a child process, on a port of its own, in a directory of its own.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;

use crate::bytes::{Connection, Response};
use crate::wait;

/// A running `rolecall`. Killed when dropped.
pub struct Server {
    process: Process,
    address: SocketAddr,
}

/// A child whose words are kept. Killed when dropped.
struct Process {
    child: Child,
    log: Arc<Mutex<String>>,
    followers: Vec<JoinHandle<()>>,
}

/// How a server is to be started.
pub struct Setup {
    command: Command,
}

/// What the first line of a server says before its address, and what TLS makes of it.
const GREETINGS: [&str; 2] = ["listening on http://", "listening on https://"];

// === impl Setup ===

impl Setup {
    /// The server with its data in `data`, on any free port, with nothing from this environment.
    #[must_use]
    pub fn new(data: &Path) -> Self {
        Self::stored(&format!("sled:{}", data.display()))
    }

    /// The server with its records in the store of this URL, otherwise the same.
    #[must_use]
    pub fn stored(url: &str) -> Self {
        Self::bare().args(&["serve", "--listen", "127.0.0.1:0", "--store", url])
    }

    /// The binary without arguments or environment.
    #[must_use]
    pub fn bare() -> Self {
        let mut command = Command::new(binary());
        command.env_clear().stdin(Stdio::null());
        Self { command }
    }

    /// With further arguments.
    #[must_use]
    pub fn args(mut self, args: &[&str]) -> Self {
        self.command.args(args);
        self
    }

    /// With this in the environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// In this directory.
    #[must_use]
    pub fn dir(mut self, path: &Path) -> Self {
        self.command.current_dir(path);
        self
    }

    /// Starts it and waits until it listens.
    ///
    /// # Panics
    /// If it ends before it listens; shows what it said.
    #[must_use]
    pub fn start(self) -> Server {
        let mut process = Process::spawn(self.command);
        let address = wait::until("the server to listen", || {
            if let Some(status) = process.ended() {
                panic!("the server ended with {status}: {}", process.said());
            }
            let said = process.said();
            let greeted = |greeting| said.split_once(greeting).map(|(_, rest)| rest);
            let (address, _) = GREETINGS.into_iter().find_map(greeted)?.split_once('\n')?;
            address.parse().ok()
        });
        Server { process, address }
    }

    /// Runs it to its end: exit code and what it said. Killed, and a panic, if there is no end.
    ///
    /// # Panics
    /// If it cannot be started, or does not end in time.
    #[must_use]
    pub fn run(self) -> (i32, String) {
        let mut process = Process::spawn(self.command);
        let (status, said) = process.wait();
        (status.code().unwrap_or(-1), said)
    }

    /// The command as it is, for a test that has its own ideas about pipes.
    #[must_use]
    pub fn command(self) -> Command {
        self.command
    }
}

// === impl Process ===

impl Process {
    fn spawn(mut command: Command) -> Self {
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary can be started");
        let log = Arc::new(Mutex::new(String::new()));
        let stdout = follow(child.stdout.take().expect("stdout is piped"), &log);
        let stderr = follow(child.stderr.take().expect("stderr is piped"), &log);
        Self { child, log, followers: vec![stdout, stderr] }
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be waited for")
    }

    fn said(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for its end, and for the last it has to say.
    fn wait(&mut self) -> (ExitStatus, String) {
        let status = wait::until("the process to end", || self.ended());
        for follower in self.followers.drain(..) {
            follower.join().expect("reading a pipe does not panic");
        }
        (status, self.said())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ended_before = self.child.kill();
        let _reaped = self.child.wait();
    }
}

// === impl Server ===

impl Server {
    /// A server with its data in `data`.
    #[must_use]
    pub fn start(data: &Path) -> Self {
        Setup::new(data).start()
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.child.id()
    }

    /// What it has written to stdout and stderr.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.said()
    }

    /// A new connection.
    ///
    /// # Panics
    /// If it does not listen.
    #[must_use]
    pub fn connect(&self) -> Connection {
        Connection::open(self.address).expect("the server listens")
    }

    /// One request on a connection of its own.
    ///
    /// # Panics
    /// If there is no answer.
    #[must_use]
    pub fn request(&self, method: &str, path: &str, body: &str) -> Response {
        let answer = self.connect().request(method, path, body);
        answer.unwrap_or_else(|e| panic!("{method} {path}: {e}\n{}", self.log()))
    }

    /// `kill -9`, and waits for its end.
    ///
    /// # Panics
    /// If it cannot be killed.
    pub fn kill(mut self) {
        self.process.child.kill().expect("a child can be killed");
        self.process.child.wait().expect("a child can be waited for");
    }

    /// Sends a signal by name.
    ///
    /// # Panics
    /// If there is no `kill`.
    pub fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.expect("kill can be started").success(), "signal {name} to {pid}");
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If it does not end in time.
    #[must_use]
    pub fn wait(mut self) -> (ExitStatus, String) {
        self.process.wait()
    }

    /// SIGTERM, and waits for a clean end.
    ///
    /// # Panics
    /// If it does not end well.
    pub fn stop(self) {
        self.signal("TERM");
        let (status, log) = self.wait();
        assert!(status.success(), "ended with {status}: {log}");
    }
}

/// The binary under test, built if it is not there or not fresh.
fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(path) = std::env::var_os("ROLECALL_TEST_BINARY") {
            return PathBuf::from(path);
        }
        // This test runs from target/PROFILE/deps.
        let here = std::env::current_exe().expect("a test knows where it is");
        let profile = here.ancestors().nth(2).expect("a test is in target/PROFILE/deps");
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--package", "rolecall", "--bin", "rolecall"]);
        build.arg("--target-dir").arg(profile.parent().expect("a profile is in target"));
        if profile.ends_with("release") {
            build.arg("--release");
        }
        // What cargo tells a test about itself looks to build scripts like a change.
        for (name, _) in std::env::vars() {
            if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
                build.env_remove(name);
            }
        }
        let built = build.current_dir(env!("CARGO_MANIFEST_DIR")).status();
        assert!(built.expect("cargo can be started").success(), "cannot build the server");
        profile.join("rolecall")
    })
}

fn follow(pipe: impl Read + Send + 'static, log: &Arc<Mutex<String>>) -> JoinHandle<()> {
    let log = Arc::clone(log);
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            log.push_str(&line);
            log.push('\n');
        }
    })
}
