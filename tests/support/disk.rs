//! A small real file system, for tests of what happens when it is full.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A file system of its own that holds little. Gone when dropped.
pub struct SmallDisk {
    mounted: TempDir,
    ballast: PathBuf,
}

/// Says to a test that it has been started again, in a place where it may mount.
const ALONE: &str = "ROLECALL_TEST_ALONE";

/// What a test names in `ROLECALL_TEST_REQUIRE` to make a skip a failure.
const NAME: &str = "mount";

// === impl SmallDisk ===

impl SmallDisk {
    /// The disk, in a second run of the test with this whole name, which has a mount namespace of
    /// its own: what is mounted there ends with it, also when it is killed. Nothing in the first
    /// run, which by then has seen the second one pass, or where nobody may mount: then the test is
    /// skipped, aloud.
    ///
    /// # Panics
    /// If the second run fails.
    #[must_use]
    pub fn of(test: &str, mebibytes: u32) -> Option<Self> {
        if std::env::var_os(ALONE).is_none() {
            again_alone(test);
            return None;
        }
        let mounted = tempfile::tempdir().expect("there is a temporary directory");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={mebibytes}m,mode=0755"), "small"]);
        let mounted_there = mount.arg(mounted.path()).status();
        assert!(mounted_there.expect("mount can be started").success(), "nothing was mounted");
        let ballast = mounted.path().join("ballast");
        Some(Self { mounted, ballast })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.mounted.path()
    }

    /// Somebody else fills it to the last byte.
    ///
    /// # Panics
    /// If that ends for another reason.
    pub fn fill(&self) {
        let zeros = std::fs::File::open("/dev/zero").expect("there are zeros");
        let ballast = std::fs::File::options().create(true).append(true).open(&self.ballast);
        let filled = std::io::copy(&mut &zeros, &mut ballast.expect("a file can be made"));
        let ended = filled.expect_err("zeros have no end").kind();
        assert_eq!(ended, std::io::ErrorKind::StorageFull);
    }

    /// They take it away again.
    ///
    /// # Panics
    /// If they cannot.
    pub fn free(&self) {
        std::fs::remove_file(&self.ballast).expect("what was written can be removed");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // What still runs there keeps it until it ends, and nobody else sees it.
        let _in_any_case = Command::new("umount").arg("--lazy").arg(self.mounted.path()).status();
    }
}

/// Root may have a namespace of mounts; others may where the system lets them be root of their own.
#[allow(clippy::print_stderr, reason = "a skipped proof must be seen")]
fn again_alone(test: &str) {
    let ways: [&[&str]; 2] = [&["--mount"], &["--user", "--map-root-user", "--mount"]];
    let may = |way: &&&[&str]| {
        let mut attempt = Command::new("unshare");
        attempt.args(**way).args(["mount", "-t", "tmpfs", "small"]).arg(std::env::temp_dir());
        attempt.output().is_ok_and(|output| output.status.success())
    };
    let Some(way) = ways.iter().find(may) else {
        let required = std::env::var("ROLECALL_TEST_REQUIRE").unwrap_or_default();
        assert!(!required.split(',').any(|name| name == NAME), "nobody may mount here");
        eprintln!("SKIPPED: {test}: nobody may mount here");
        return;
    };
    let this = std::env::current_exe().expect("a test knows where it is");
    let mut again = Command::new("unshare");
    again.args(*way).arg(this).args(["--exact", test, "--nocapture"]).env(ALONE, "yes");
    let output = again.output().expect("unshare can be started");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success() && said.contains("1 passed"), "{test}: {said}");
}
