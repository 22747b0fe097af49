//! `rolecall bench`: a small load on a real server, on none, and on one that refuses.

use std::path::Path;

use serde_json::Value;
use support::process::{Server, Setup};
use support::wait;

const TOKEN: &str = "a-token-of-the-bench-0123456789";

const ROWS: [&str; 7] =
    ["health", "register", "discover 10", "get", "heartbeat", "heartbeats by 100", "deregister"];

/// A bench against this server.
fn bench(server: &Server, args: &[&str]) -> Setup {
    let url = format!("http://{}", server.address());
    Setup::bare().args(&["bench", "--url", &url, "--connections", "2"]).args(args)
}

/// One that is over soon.
fn tiny(server: &Server) -> Setup {
    bench(server, &["--records", "50", "--seconds", "1"])
}

fn guarded(data: &Path) -> Server {
    Setup::new(data).env("ROLECALL_TOKEN", TOKEN).start()
}

/// Everything that is registered, in every namespace.
fn registered(server: &Server) -> Vec<Value> {
    let bearer = format!("Bearer {TOKEN}");
    let headers = [("authorization", bearer.as_str())];
    let mut connection = server.connect();
    let list = connection.request_with("GET", "/v1/instances?standing=any", &headers, "").unwrap();
    list.json()["instances"].as_array().unwrap().clone()
}

#[test]
fn every_row_is_measured_and_nothing_is_left_behind() {
    let data = tempfile::tempdir().unwrap();
    let server = guarded(data.path());
    let file = data.path().join("token");
    std::fs::write(&file, format!("# mine\n{TOKEN} name=bench write\n")).unwrap();
    let output = tiny(&server).args(&["--json", "--token-file", file.to_str().unwrap()]);
    let output = output.command().output().unwrap();
    let progress = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{progress}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let rows = report["rows"].as_array().unwrap();
    assert_eq!(rows.iter().map(|row| &row["name"]).collect::<Vec<_>>(), ROWS);
    for row in rows {
        assert_eq!(row["errors"], 0, "{row}");
        assert!(row["requests"].as_u64().unwrap() > 0, "{row}");
        let (p50, p99) = (row["p50_ms"].as_f64().unwrap(), row["p99_ms"].as_f64().unwrap());
        assert!(p50 > 0.0 && p50 <= p99, "{row}");
        assert!(progress.contains(row["name"].as_str().unwrap()), "{progress}");
    }
    // How far they come in that time is the machine's affair; what is left is removed behind them.
    for place in [1, 6] {
        assert!(rows[place]["requests"].as_u64().unwrap() <= 50, "{report}");
    }
    assert!(registered(&server).is_empty());

    // The same as a table; the token from where servers have theirs. No colour, ever.
    let (code, said) = tiny(&server).env("VERS_AUTH_TOKEN", TOKEN).run();
    assert_eq!(code, 0, "{said}");
    for row in ROWS {
        assert!(said.lines().any(|line| line.starts_with(row) && line.ends_with(" 0")), "{said}");
    }
    assert!(!said.contains('\u{1b}') && !said.contains(TOKEN), "{said}");
    assert!(registered(&server).is_empty());
}

#[test]
fn a_server_that_is_not_there_or_refuses_is_told_with_its_words() {
    let data = tempfile::tempdir().unwrap();
    let server = guarded(data.path());
    let wrong = "another-token-0123456789";
    for (token, expected) in [(wrong, "401"), ("", "401")] {
        let (code, said) = tiny(&server).env("ROLECALL_TOKEN", token).run();
        assert_eq!(code, 69, "{said}");
        let last = said.lines().find(|line| line.starts_with("rolecall: register: PUT")).unwrap();
        assert!(last.contains(expected) && last.contains("unauthorized"), "{said}");
        assert!(!said.contains(wrong), "{said}");
    }
    assert!(registered(&server).is_empty());
    let nobody = format!("http://{}", server.address());
    server.stop();
    let (code, said) = Setup::bare().args(&["bench", "--url", &nobody]).run();
    assert_eq!(code, 69, "{said}");
    assert!(said.contains("health: cannot connect to 127.0.0.1:"), "{said}");
}

#[test]
fn what_is_not_on_this_machine_is_not_loaded_by_mistake() {
    // An address for documents, which nobody has.
    for (args, expected) in [
        (&["--url", "http://192.0.2.1:3000"][..], "say --yes-not-loopback"),
        (&["--url", "https://127.0.0.1:3000"], "only clear text"),
        (&["--url", "127.0.0.1:3000"], "give http://HOST:PORT"),
        (&["--token-file", "/nowhere"], "cannot read token file"),
        (&["--seconds", "3600"], "1..=60"),
    ] {
        let (code, said) = Setup::bare().args(&["bench"]).args(args).run();
        assert_eq!(code, 64, "{args:?}: {said}");
        assert!(said.contains(expected), "{args:?}: {said}");
    }
}

#[test]
fn a_bench_that_is_stopped_removes_what_it_has_registered() {
    let data = tempfile::tempdir().unwrap();
    let server = guarded(data.path());
    // Ctrl-C, and a terminal that is gone.
    for signal in ["INT", "HUP"] {
        let mut child = bench(&server, &["--records", "100000", "--seconds", "4"]).command();
        let child = child.env("ROLECALL_TOKEN", TOKEN).stdout(std::process::Stdio::piped());
        let child = child.stderr(std::process::Stdio::null()).spawn().unwrap();
        wait::until("some records", || (!registered(&server).is_empty()).then_some(()));
        let mut stop = std::process::Command::new("kill");
        stop.args(["-s", signal, &child.id().to_string()]);
        assert!(stop.status().unwrap().success());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{output:?}");
        let table = String::from_utf8(output.stdout).unwrap();
        assert!(table.lines().any(|line| line.starts_with("register ")), "{table}");
        assert!(registered(&server).is_empty(), "after SIG{signal}");
    }
}
