//! The same verbs on another machine: a real sshd, on loopback, of the user who runs the tests.

use std::process::{Child, Command, Stdio};

use support::wait;

use super::site::{Site, finish, is_there, shown};

/// An ssh server of our own with keys of our own. Killed when dropped.
struct Sshd {
    child: Child,
    home: tempfile::TempDir,
    user: String,
}

// === impl Sshd ===

impl Sshd {
    fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| shown(&home.path().join(name));
        for key in ["host", "mine"] {
            let mut keygen = Command::new("ssh-keygen");
            keygen.args(["-q", "-t", "ed25519", "-N", "", "-f", &at(key)]);
            assert!(keygen.status().unwrap().success());
        }
        std::fs::copy(at("mine.pub"), at("authorized")).unwrap();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        // As root it wants a folder to hide in; its package makes one at boot.
        let _needed_by_root_only = std::fs::create_dir("/run/sshd");
        let config = format!(
            "ListenAddress 127.0.0.1\nPort {port}\nHostKey {}\nAuthorizedKeysFile {}\n\
             PidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n",
            at("host"),
            at("authorized"),
        );
        std::fs::write(at("sshd_config"), config).unwrap();
        let host_key = std::fs::read_to_string(at("host.pub")).unwrap();
        std::fs::write(at("known"), format!("[127.0.0.1]:{port} {host_key}")).unwrap();
        let client = format!(
            "Host 127.0.0.1\nPort {port}\nIdentityFile {}\nIdentitiesOnly yes\n\
             UserKnownHostsFile {}\nStrictHostKeyChecking yes\nBatchMode yes\n",
            at("mine"),
            at("known"),
        );
        std::fs::write(at("ssh_config"), client).unwrap();
        let mut sshd = Command::new("/usr/sbin/sshd");
        sshd.args(["-D", "-e", "-f", &at("sshd_config")]).stdin(Stdio::null());
        sshd.stderr(std::fs::File::create(at("log")).unwrap());
        let mut child = sshd.spawn().unwrap();
        wait::until("sshd to listen", || {
            let said = std::fs::read_to_string(at("log")).unwrap_or_default();
            assert!(child.try_wait().unwrap().is_none(), "sshd ended: {said}");
            said.contains("listening on").then_some(())
        });
        let user = Command::new("id").args(["--user", "--name"]).output().unwrap().stdout;
        let user = String::from_utf8(user).unwrap().trim().to_string();
        Self { child, home, user }
    }

    fn call(&self, site: &Site, line: &[&str]) -> super::site::Outcome {
        let mut command = site.command(&["--host", &format!("{}@127.0.0.1", self.user)]);
        let config = shown(&self.home.path().join("ssh_config"));
        command.args(line).env("RUNBOOK_SSH", format!("ssh -F {config}"));
        finish(command.spawn().unwrap())
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ended_before = self.child.kill();
        let _reaped = self.child.wait();
    }
}

#[test]
fn over_ssh_the_same_verbs_do_the_same() {
    if !is_there("sshd") || !is_there("ssh-keygen") {
        return;
    }
    let sshd = Sshd::start();
    let site = Site::rolecall();
    let first = sshd.call(&site, &["deploy"]);
    assert_eq!(first.code, 0, "{first:#?}");
    let release = site.commit("source", "two");
    let second = sshd.call(&site, &["deploy"]);
    assert_eq!(second.code, 0, "{second:#?}");
    assert_eq!(site.build(), Some(release.clone()));
    assert_eq!(second.summary["release"], release);
    site.commit("broken", "");
    let broken = sshd.call(&site, &["deploy"]);
    assert_eq!(broken.code, 12, "{broken:#?}");
    assert_eq!(broken.summary["exit"], 12, "{broken:#?}");
    assert_eq!(sshd.call(&site, &["rollback"]).code, 0);
    assert_eq!(site.build().as_ref(), first.summary["release"].as_str().map(String::from).as_ref());
    // What was taken along is gone again, and what serves does not need it.
    let reason = "a reason; with 'quotes' and $signs";
    let quoted = sshd.call(&site, &["deploy", &release, "--no-snapshot", reason]);
    assert_eq!(quoted.summary["no_snapshot"], reason, "{quoted:#?}");
    let nobody = site.run(&["--host", "nobody@127.0.0.1:1", "status"]);
    assert_eq!(nobody.code, 255, "{nobody:#?}");
}
