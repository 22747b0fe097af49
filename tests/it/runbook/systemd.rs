//! Where a service manager starts the service: the runbook only tells it when. The manager here is
//! a script that does what `systemctl` does with these two units, with real processes.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::deploy::entry;
use super::site::{Site, runbook, shown};

/// `socket` opens the address and hands it to the service; `restart` ends the one process and
/// starts the next. Each call is written down.
const SYSTEMCTL: &str = r#"#!/bin/bash
set -euo pipefail
state=$ROOT/manager
mkdir --parents "$state"
alive() { [[ -f $state/$1 ]] && kill -0 "$(<"$state/$1")" 2>/dev/null; }
end() { if alive "$1"; then kill "$(<"$state/$1")"; while alive "$1"; do sleep 0.05; done; fi; }
verb=$1; shift
[[ $1 != --quiet ]] || shift
[[ $verb == cat || $verb == is-* ]] || echo "$verb $*" >>"$state/calls"
case $verb in
cat) ;;
is-active) alive "$1" ;;
is-failed) ! alive "$1" ;;
start) alive rolecall.socket || {
        mkfifo "$state/fifo"
        "$ROOT/current/bin/rolecall" hold --listen "$ADDRESS:$PORT" -- bash -c '
            exec 5<&0
            while read -r word <"$1/fifo"; do
                [[ $word == go ]] || continue
                ( set -a; source "$ROOT/environment"; cd "$ROOT/current"
                  exec bash -c "export LISTEN_PID=\$\$ LISTEN_FDS=1
                      exec bin/rolecall serve --store sled:\$DATA_DIR 3<&5 5<&-" ) &
                echo $! >"$1/rolecall.service"; echo >"$1/started"
            done' socket "$state" >>"$state/log" 2>&1 9>&- &
        echo $! >"$state/rolecall.socket"
    } ;;
restart)
    end rolecall.service
    mkfifo "$state/started"
    echo go >"$state/fifo"
    read -r <"$state/started"; rm "$state/started" ;;
stop)
    for unit in "$@"; do end "$unit"; done
    rm --force "$state/fifo" ;;
esac
"#;

#[test]
fn a_unit_is_restarted_by_its_manager_and_its_socket_stays_open() {
    let site = Site::rolecall();
    let systemctl = site.home().join("systemctl");
    std::fs::write(&systemctl, SYSTEMCTL).unwrap();
    std::fs::set_permissions(&systemctl, std::fs::Permissions::from_mode(0o755)).unwrap();
    site.set("SYSTEMD_UNIT", "rolecall.service");
    site.set("SYSTEMCTL", &shown(&systemctl));
    site.succeed(&["deploy"]);
    let first = site.current();
    assert_eq!(site.build(), Some(first.clone()));
    let second = site.commit("source", "two");
    site.succeed(&["deploy"]);
    assert_eq!(site.build(), Some(second.clone()));
    site.succeed(&["rollback"]);
    assert_eq!(site.build(), Some(first));

    // Data are restored while the socket is closed, too: else a caller would start the service.
    site.ask("POST", "/registry/vms", &entry("kept"));
    let taken = site.succeed(&["snapshot"]);
    site.ask("DELETE", "/registry/vms/kept", "");
    site.succeed(&["rollback", "--data", taken.summary["snapshot"][0].as_str().unwrap()]);
    assert_eq!(site.ask("GET", "/registry/vms/kept", "").status, 200);
    let calls = std::fs::read_to_string(site.root().join("manager/calls")).unwrap();
    assert!(
        calls.contains("stop rolecall.socket rolecall.service\nstart rolecall.socket\n"),
        "{calls}"
    );
    assert_eq!(site.processes().len(), 1);
    let mut stop = Command::new(&systemctl);
    stop.args(["stop", "rolecall.socket", "rolecall.service"]).env("ROOT", site.root());
    assert!(stop.status().unwrap().success());
}

#[test]
fn the_units_and_the_profile_speak_of_the_same_place() {
    let unit = |name: &str| std::fs::read_to_string(runbook().join("units").join(name)).unwrap();
    let service = unit("rolecall.service");
    for line in [
        "EnvironmentFile=/srv/rolecall/environment",
        "ExecStart=/srv/rolecall/current/bin/rolecall serve --store sled:/srv/rolecall/data",
        "ReadWritePaths=/srv/rolecall/data",
    ] {
        assert!(service.contains(line), "{line}");
    }
    assert!(unit("rolecall.socket").contains("ListenStream=127.0.0.1:3000"));
    let profile = std::fs::read_to_string(runbook().join("profiles/rolecall.env")).unwrap();
    for line in
        ["ROOT=/srv/rolecall", "PORT=3000", "ADDRESS=127.0.0.1", "TOKEN_VARIABLE=ROLECALL_TOKEN"]
    {
        assert!(profile.contains(&format!("\n{line}\n")), "{line}");
    }
    assert!(unit("environment.example").contains("\nROLECALL_TOKEN=\n"), "with no token in it");
}
