//! The last client of runspec-registry, as it is on PyPI, against ours.
//!
//! Without Python, pip or a network this is skipped, aloud; `ROLECALL_TEST_REQUIRE=pypi` makes that
//! a failure.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use support::process::Server;
use support::wait;

const CLIENT: &str = "runspec==0.8.8";

/// Kills what is left of a client when a test ends.
struct Agent(Child);

impl Drop for Agent {
    fn drop(&mut self) {
        let _ended_before = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// The client's program, installed in a virtual environment that later runs find again.
fn client() -> Result<PathBuf, String> {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join(CLIENT);
    let program = home.join("bin/runspec");
    if program.exists() {
        return Ok(program);
    }
    run(Command::new("python3").args(["-m", "venv"]).arg(&home))?;
    run(Command::new(home.join("bin/pip")).args(["install", "--quiet", CLIENT]))?;
    Ok(program)
}

fn run(command: &mut Command) -> Result<String, String> {
    let done = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&done.stderr)))
}

#[test]
#[allow(clippy::print_stderr, reason = "a skipped proof must be seen")]
fn the_client_from_pypi_registers_beats_lists_and_leaves() {
    let program = match client() {
        Ok(program) => program,
        Err(reason) => {
            let required = std::env::var("ROLECALL_TEST_REQUIRE").unwrap_or_default();
            let is_required = required.split(',').any(|name| name.trim() == "pypi");
            assert!(!is_required, "pypi is required but missing: {reason}");
            return eprintln!("SKIPPED pypi: {reason}");
        }
    };
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(&home.path().join("data"));
    let config = format!(
        "[config]\nregistry = \"http://{}\"\nheartbeat = 1\n\n\
         [report]\ndescription = \"Makes a report\"\n",
        server.address()
    );
    std::fs::write(home.path().join("runspec.toml"), config).unwrap();
    let mut serve = Command::new(&program);
    serve.args(["serve", "--name", "agent"]).current_dir(home.path());
    serve.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut agent = Agent(serve.spawn().unwrap());

    let instance = || server.request("GET", "/instances", "").json()[0].clone();
    wait::until("the tools of the agent", || {
        (server.request("GET", "/tools/report", "").status == 200).then_some(())
    });
    let (registered, id) = (instance()["last_seen"].clone(), instance()["instance_id"].clone());
    wait::until("a heartbeat", || (instance()["last_seen"] != registered).then_some(()));
    assert_eq!(instance()["active"], true);

    let listed = run(Command::new(&program).arg("jump").current_dir(home.path())).unwrap();
    assert!(listed.contains("report") && listed.contains("Makes a report"), "{listed}");

    run(Command::new("kill").args(["-s", "TERM", &agent.0.id().to_string()])).unwrap();
    wait::until("the agent to leave", || (instance()["active"] == false).then_some(()));
    assert!(agent.0.wait().unwrap().success());
    assert_eq!(instance()["instance_id"], id, "it is still listed");
}
