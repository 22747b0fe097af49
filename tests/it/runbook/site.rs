//! A place where a service is deployed: a repository with its source, a profile, a directory.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;
use support::bytes::{Connection, Response};
use support::process::Setup;

/// What the service is started with.
pub(super) const TOKEN: &str = "a-token-of-the-deploy-0123456789";

/// One service at one place. What was started there ends with it.
pub(super) struct Site {
    home: tempfile::TempDir,
    port: u16,
    profile: &'static str,
}

/// What a call of the runbook came to.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) code: i32,
    /// What it has said on its way.
    pub(super) progress: String,
    pub(super) summary: Value,
}

// === impl Site ===

impl Site {
    /// A place for Rolecall, with one commit to deploy and nothing running.
    pub(super) fn rolecall() -> Self {
        Self::rolecall_in(&std::env::temp_dir())
    }

    /// The same in this folder.
    pub(super) fn rolecall_in(folder: &Path) -> Self {
        let site = Self::empty_in(folder, "rolecall", "ROLECALL_TOKEN");
        // The build is a copy of the binary under test that tells of another build.
        let build = format!(
            "mkdir bin && LC_ALL=C sed \"s/{}/$BUILD_ID/g\" {} >bin/rolecall && \
             chmod +x bin/rolecall && ! test -e broken",
            build_id(),
            shown(binary()),
        );
        site.set("TOOLS", "");
        site.set("BUILD_COMMAND", &format!("'{build}'"));
        site.set("TEST_COMMAND", "! test -e failing");
        site.set("SNAPSHOT_CHECK", "");
        site.set("START_SECONDS", "20");
        site.commit("source", "one");
        site
    }

    /// A place without a commit.
    pub(super) fn empty(profile: &'static str, token_variable: &str) -> Self {
        Self::empty_in(&std::env::temp_dir(), profile, token_variable)
    }

    fn empty_in(folder: &Path, profile: &'static str, token_variable: &str) -> Self {
        let home = tempfile::tempdir_in(folder).unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let site = Self { home, port: free.local_addr().unwrap().port(), profile };
        std::fs::create_dir(site.root()).unwrap();
        std::fs::create_dir(site.repository()).unwrap();
        site.git(&["init", "--quiet", "--initial-branch=main"]);
        site.write_environment(&format!("{token_variable}={TOKEN}\n"), 0o600);
        for (key, value) in [
            ("ROOT", shown(&site.root())),
            ("REPOSITORY", shown(&site.repository())),
            ("PORT", site.port.to_string()),
            ("DISK_FREE_MB_MIN", "1".to_string()),
        ] {
            site.set(key, &value);
        }
        site
    }

    /// One more line of the profile.
    pub(super) fn set(&self, key: &str, value: &str) {
        let mut text = std::fs::read_to_string(self.own_profile()).unwrap_or_default();
        text.push_str(&format!("{key}={value}\n"));
        std::fs::write(self.own_profile(), text).unwrap();
    }

    pub(super) fn write_environment(&self, text: &str, mode: u32) {
        let path = self.root().join("environment");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Commits a file; the release that will be made of it.
    pub(super) fn commit(&self, file: &str, text: &str) -> String {
        let path = self.repository().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", file]);
        self.git(&["rev-parse", "HEAD"])[..12].to_string()
    }

    /// Commits that a file is gone.
    pub(super) fn commit_without(&self, file: &str) -> String {
        self.git(&["rm", "--quiet", file]);
        self.git(&["commit", "--quiet", "--message", "without"]);
        self.git(&["rev-parse", "HEAD"])[..12].to_string()
    }

    fn git(&self, args: &[&str]) -> String {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=test", "-c", "user.email=test@localhost"]).args(args);
        let output = git.current_dir(self.repository()).output().expect("git can be started");
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_string()
    }

    /// A call of the runbook, as its summary tells it.
    pub(super) fn run(&self, line: &[&str]) -> Outcome {
        finish(self.command(line).spawn().expect("bash can be started"))
    }

    /// A call that must end well.
    pub(super) fn succeed(&self, line: &[&str]) -> Outcome {
        let outcome = self.run(line);
        assert_eq!(outcome.code, 0, "{line:?}: {outcome:#?}\n{}", self.app_log());
        assert_eq!(outcome.summary["ok"], true, "{outcome:#?}");
        outcome
    }

    /// A call that must end with this code, and this text in what it says.
    pub(super) fn fail(&self, code: i32, line: &[&str], text: &str) -> Outcome {
        let outcome = self.run(line);
        assert_eq!(outcome.code, code, "{line:?}: {outcome:#?}\n{}", self.app_log());
        assert_eq!(outcome.summary["exit"], code, "{outcome:#?}");
        let message = outcome.summary["message"].as_str().unwrap_or_default();
        assert!(message.contains(text), "{text}: {outcome:#?}");
        outcome
    }

    /// The call itself, for a test that has its own ideas.
    pub(super) fn command(&self, line: &[&str]) -> Command {
        let mut command = Command::new(runbook().join("runbook"));
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        command.env("HOME", self.home.path()).env("npm_config_update_notifier", "false");
        let shared = runbook().join("profiles").join(format!("{}.env", self.profile));
        command.args(["--profile", &shown(&shared), "--profile", &shown(&self.own_profile())]);
        command.arg("--json").args(line);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// One question to the service, with its token.
    pub(super) fn ask(&self, method: &str, path: &str, body: &str) -> Response {
        let bearer = format!("Bearer {TOKEN}");
        let headers = [("authorization", bearer.as_str())];
        let mut connection = Connection::open(self.address()).expect("the service listens");
        connection.request_with(method, path, &headers, body).expect("the service answers")
    }

    /// The build that serves; nothing if nobody answers.
    pub(super) fn build(&self) -> Option<String> {
        let mut connection = Connection::open(self.address()).ok()?;
        let answer = connection.request("GET", "/health", "").ok()?;
        Some(answer.json()["build"].as_str()?.to_string())
    }

    /// The release that the link names.
    pub(super) fn current(&self) -> String {
        let target = std::fs::read_link(self.root().join("current")).unwrap_or_default();
        target.file_name().unwrap_or_default().to_str().unwrap().to_string()
    }

    /// The process that is recorded.
    pub(super) fn pid(&self) -> Option<u32> {
        let record = std::fs::read_to_string(self.root().join("run/app.pid")).ok()?;
        record.split(' ').next()?.parse().ok()
    }

    /// Every process that runs one of the releases.
    pub(super) fn processes(&self) -> Vec<u32> {
        let releases = self.root().join("releases");
        let pids = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
            let pid = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let program = std::fs::read_link(format!("/proc/{pid}/exe")).ok()?;
            program.starts_with(&releases).then_some(pid)
        });
        pids.collect()
    }

    pub(super) fn app_log(&self) -> String {
        std::fs::read_to_string(self.root().join("log/app.log")).unwrap_or_default()
    }

    pub(super) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    pub(super) fn home(&self) -> &Path {
        self.home.path()
    }

    pub(super) fn root(&self) -> PathBuf {
        self.home.path().join("root")
    }

    pub(super) fn own_profile(&self) -> PathBuf {
        self.home.path().join("mine.env")
    }

    pub(super) fn repository(&self) -> PathBuf {
        self.home.path().join("repository")
    }
}

impl Drop for Site {
    /// The holder first, so that it starts nothing more; then whatever else was started in this
    /// place, also by a call that was killed before it could note it.
    fn drop(&mut self) {
        let root = self.root();
        let begins_here = |pid: &str| {
            let at = |name| std::fs::read_link(format!("/proc/{pid}/{name}")).unwrap_or_default();
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            at("cwd").starts_with(&root) || String::from_utf8_lossy(&line).contains(&shown(&root))
        };
        let holder = std::fs::read_to_string(root.join("run/hold.pid")).unwrap_or_default();
        let holder = holder.split_whitespace().next().map(str::to_owned);
        let names = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let names = names.filter_map(|entry| entry.file_name().into_string().ok());
        let all = names.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
        for pid in holder.into_iter().chain(all).filter(|pid| begins_here(pid)) {
            let _ended_before = Command::new("kill").args(["-s", "KILL", &pid]).status();
        }
    }
}

/// Waits for the end of a call, and reads its summary.
pub(super) fn finish(call: Child) -> Outcome {
    let output = call.wait_with_output().expect("a child can be waited for");
    let progress = String::from_utf8_lossy(&output.stderr).into_owned();
    let summary = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    assert!(!progress.contains(TOKEN), "the token was shown: {progress}");
    assert!(!summary.to_string().contains(TOKEN), "the token was shown: {summary}");
    Outcome { code: output.status.code().unwrap_or(-1), progress, summary }
}

/// The folder of the runbook.
pub(super) fn runbook() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("deploy-runbook")
}

pub(super) fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// Whether a program is there. What must not be missing is named in `ROLECALL_TEST_REQUIRE`.
#[allow(clippy::print_stderr, reason = "a skipped proof must be seen")]
pub(super) fn is_there(program: &str) -> bool {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin";
    let found = path.split(':').any(|folder| Path::new(folder).join(program).is_file());
    if !found {
        let required = std::env::var("ROLECALL_TEST_REQUIRE").unwrap_or_default();
        assert!(!required.split(',').any(|name| name == program), "{program} is not installed");
        eprintln!("SKIPPED: {program} is not installed");
    }
    found
}

/// The binary under test without what only a debugger reads: it is copied often.
pub(super) fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let built = Setup::bare().command().get_program().to_owned();
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let small = folder.join("rolecall-to-deploy");
        // Whole at any moment: another run of these tests may be copying it.
        let new = folder.join(format!("rolecall-to-deploy.{}", std::process::id()));
        let mut strip = Command::new("strip");
        let stripped = strip.arg("-o").arg(&new).arg(&built).status();
        if stripped.is_ok_and(|status| status.success()) {
            std::fs::rename(new, &small).unwrap();
            small
        } else {
            built.into()
        }
    })
}

/// Which build the binary under test tells of.
pub(super) fn build_id() -> &'static str {
    static BUILD: OnceLock<String> = OnceLock::new();
    BUILD.get_or_init(|| {
        let (_, version) = Setup::bare().args(&["--version"]).run();
        let build = version.trim().trim_end_matches(')').rsplit(' ').next().unwrap().to_string();
        assert_eq!(build.len(), 12, "to be replaced by a commit it must look like one: {version}");
        build
    })
}
