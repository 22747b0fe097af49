//! The build of Rolecall's own profile, as it stands there: its commands are run by a real cargo up
//! to the first call of the compiler, which costs seconds instead of minutes.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use super::site::{Site, is_there, runbook, shown};

/// Answers what cargo asks about the compiler, and does not compile.
const COMPILER: &str = r#"#!/bin/sh
case "$*" in *-vV* | *--print*) exec RUSTC "$@" ;; esac
echo 'the compiler is reached' >&2
exit 1
"#;

/// Where the real cargo would go on to compile, puts what was compiled already where the command
/// said it should be; everything up to there is the real cargo's.
const CARGO: &str = r#"#!/bin/bash
set -euo pipefail
export CARGO_HOME=HOME_OF_CARGO RUSTC=FOLDER/compiler CARGO_NET_OFFLINE=true
! said=$(REAL_CARGO "$@" 2>&1) || { echo "nothing was compiled: $said"; exit 1; }
[[ $said == *'the compiler is reached'* ]] || { echo "$said"; exit 1; }
echo "cargo $*" >>"FOLDER/called"
[[ $1 == test ]] && exit
while [[ $1 != --target-dir ]]; do shift; done
mkdir --parents "$2/release"
LC_ALL=C sed "s/THIS_BUILD/$ROLECALL_BUILD_ID/g" BINARY >"$2/release/rolecall"
chmod +x "$2/release/rolecall"
"#;

#[test]
fn the_commands_of_the_profile_build_test_and_start_this_tree() {
    if !is_there("cargo") {
        return;
    }
    let site = Site::rolecall();
    copy_this_tree(&site);
    let release = site.commit("source", "all of it");
    let folder = site.home().join("programs");
    put_programs(&folder);
    // The lines of the profile itself, behind those of the place, which are for other tests.
    let profile = std::fs::read_to_string(runbook().join("profiles/rolecall.env")).unwrap();
    for key in ["TOOLS", "BUILD_COMMAND", "TEST_COMMAND", "SNAPSHOT_CHECK"] {
        let line = profile.lines().find(|line| line.starts_with(&format!("{key}="))).unwrap();
        site.set(key, &line[key.len() + 1..]);
    }
    let mut deploy = site.command(&["deploy"]);
    let path = format!("{}:{}", shown(&folder), std::env::var("PATH").unwrap());
    let outcome = super::site::finish(deploy.env("PATH", path).spawn().unwrap());
    let log = site.root().join(format!("log/build-{release}.log"));
    let log = std::fs::read_to_string(log).unwrap_or_default();
    assert_eq!(outcome.code, 0, "{outcome:#?}\n{log}");
    assert_eq!(site.build(), Some(release));
    let called = std::fs::read_to_string(folder.join("called")).unwrap();
    let called: Vec<_> = called.lines().collect();
    assert_eq!(called.len(), 2, "{called:?}");
    assert!(called[0].starts_with("cargo build --release --locked"), "{called:?}");
    assert!(called[1].starts_with("cargo test --locked"), "{called:?}");
}

fn put_programs(folder: &Path) {
    let cargo = Path::new(env!("CARGO"));
    let home = std::env::var("CARGO_HOME")
        .unwrap_or_else(|_| format!("{}/.cargo", std::env::var("HOME").unwrap_or_default()));
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| shown(&cargo.with_file_name("rustc")));
    std::fs::create_dir(folder).unwrap();
    for (name, text) in [("compiler", COMPILER), ("cargo", CARGO)] {
        let text = text.replace("REAL_CARGO", &shown(cargo)).replace("HOME_OF_CARGO", &home);
        let text =
            text.replace("FOLDER", &shown(folder)).replace("RUSTC \"", &format!("{rustc} \""));
        let text = text.replace("BINARY", &shown(super::site::binary()));
        let text = text.replace("THIS_BUILD", super::site::build_id());
        std::fs::write(folder.join(name), text).unwrap();
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(folder.join(name), executable).unwrap();
    }
}

/// Puts what is under version control here into the repository that is deployed.
fn copy_this_tree(site: &Site) {
    let here = runbook().parent().unwrap().to_owned();
    let mut copy = Command::new("bash");
    copy.args(["-c", "git ls-files -z | xargs -0 cp --parents --target-directory \"$1\"", "copy"]);
    copy.arg(site.repository()).current_dir(here);
    assert!(copy.status().unwrap().success(), "this tree is under version control");
}
