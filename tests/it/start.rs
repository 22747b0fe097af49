//! The command line: what starts the server, what is refused and with which words, what is printed.

use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;

use support::bytes::Connection;
use support::process::{Server, Setup};
use support::wait;

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn in_memory() -> Setup {
    Setup::bare().args(&["--store", "memory:"])
}

/// Runs what must be refused as a mistake of whoever wrote it.
fn mistake(setup: Setup) -> String {
    let (code, said) = setup.run();
    assert_eq!(code, 64, "{said}");
    assert!(!said.contains("panicked"), "{said}");
    said
}

#[test]
fn the_first_lines_say_where_it_listens_where_records_rest_and_who_may_call() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    let lines = wait::until("the third line", || {
        let log = server.log();
        let lines = log.lines().filter(|line| !line.contains("INFO"));
        let lines: Vec<_> = lines.map(str::to_owned).collect();
        (lines.len() >= 3).then_some(lines)
    });
    assert_eq!(lines[0], format!("listening on http://{}", server.address()));
    assert_eq!(lines[1], format!("records rest in sled:{}", data.path().display()));
    assert_eq!(lines[2], "no token is set: everybody who can connect may call");
}

#[test]
fn port_is_honoured_and_an_address_of_our_own_wins() {
    let port = free_port();
    let server = in_memory().env("PORT", &port.to_string()).start();
    assert_eq!(server.address(), SocketAddr::from(([127, 0, 0, 1], port)));
    server.stop();
    let port = free_port().to_string();
    let by_variable = in_memory().env("PORT", &port).env("ROLECALL_LISTEN", "127.0.0.1:0").start();
    assert_ne!(by_variable.address().port().to_string(), port);
    let by_flag = in_memory().env("PORT", &port).args(&["--listen", "127.0.0.1:0"]).start();
    assert_ne!(by_flag.address().port().to_string(), port);
    for wrong in ["nonsense", "65536", "-1", "127.0.0.1:3000"] {
        let said = mistake(in_memory().env("PORT", wrong));
        assert!(said.contains("PORT") && said.contains(wrong), "{said}");
    }
}

#[test]
fn serve_is_what_it_does_unless_something_else_is_said() {
    for args in [&["--listen", "127.0.0.1:0"][..], &["serve", "--listen", "127.0.0.1:0"]] {
        let home = tempfile::tempdir().unwrap();
        let server = Setup::bare().args(args).dir(home.path()).start();
        assert_eq!(server.request("GET", "/registry/vms", "").status, 200);
        server.stop();
        assert!(home.path().join("data").is_dir(), "records rest in ./data by default");
    }
}

#[test]
fn an_unknown_flag_is_a_mistake_and_shows_the_way() {
    let said = mistake(in_memory().args(&["--lisen", "127.0.0.1:0"]));
    assert!(said.contains("--lisen") && said.contains("--listen"), "{said}");
    for line in [&["serv"][..], &["--listen"], &["serve", "now"], &["--store"]] {
        mistake(Setup::bare().args(line));
    }
}

#[test]
fn a_bad_value_is_a_mistake_that_names_who_gave_it_and_what_is_wanted() {
    for (flag, value, wanted) in [
        ("--listen", "nonsense", "an address like"),
        ("--listen", "127.0.0.1:99999", "an address like"),
        ("--drain-seconds", "-1", "whole number of seconds"),
        ("--idle-seconds", "0", "whole number of seconds"),
        ("--request-seconds", "1.5", "whole number of seconds"),
        ("--connections-max", "0", "from 1 to"),
        ("--body-bytes-max", "many", "number of bytes"),
        ("--log-format", "xml", "text or json"),
        ("--log", "info,=[", "log filter"),
    ] {
        let flagged = format!("{flag}={value}");
        let said = mistake(in_memory().args(&[&flagged]));
        assert!(said.contains(flag) && said.contains(value) && said.contains(wanted), "{said}");
        let variable = flag.trim_start_matches('-').to_uppercase().replace('-', "_");
        let variable = format!("ROLECALL_{variable}");
        let said = mistake(in_memory().env(&variable, value));
        assert!(said.contains(&variable) && said.contains(wanted), "{said}");
    }
}

#[test]
fn a_store_that_is_none_is_a_mistake_too() {
    for (url, word) in [
        ("floppy:a", "there are memory:, sled:PATH and fjall:PATH"),
        ("./data", "there are memory:, sled:PATH and fjall:PATH"),
        ("sled:", "sled:./data"),
        ("fjall:", "fjall:./data"),
        ("memory:x", "memory:"),
        ("sled:./never-made?cache=1", "cache-mib"),
        ("fjall:./never-made?compact-ratio=4", "if-unreadable, cache-mib and memtable-mib"),
    ] {
        let setup = Setup::bare().args(&["--listen", "127.0.0.1:0", "--store", url]);
        let (code, said) = setup.run();
        assert!(said.contains(word), "{url}: {said}");
        assert_eq!(code, 64, "{url}: trying again is no use: {said}");
    }
}

#[test]
fn a_file_with_an_unknown_key_or_no_file_at_all_is_a_mistake() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("rolecall.toml");
    let shown = path.display().to_string();
    let with = |text: &str| {
        std::fs::write(&path, text).unwrap();
        in_memory().args(&["--config", &shown])
    };
    let said = mistake(with("lisen = \"127.0.0.1:0\"\n"));
    assert!(said.contains("`lisen`") && said.contains("listen"), "{said}");
    let said = mistake(with("[server]\nlisten = \"127.0.0.1:0\"\n"));
    assert!(said.contains("`server`"), "{said}");
    let said = mistake(with("listen = \n"));
    assert!(said.contains("not TOML"), "{said}");
    let said = mistake(with("idle_seconds = \"soon\"\n"));
    assert!(said.contains("idle_seconds") && said.contains("soon"), "{said}");
    let said = mistake(with("idle_seconds = 1.5\n"));
    assert!(said.contains("idle_seconds"), "{said}");
    std::fs::remove_file(&path).unwrap();
    let said = mistake(in_memory().args(&["--config", &shown]));
    assert!(said.contains(&shown) && said.contains("--print-config"), "{said}");
    assert!(mistake(in_memory().env("ROLECALL_CONFIG", &shown)).contains(&shown));
}

#[test]
fn the_settings_are_printed_with_their_origin_and_can_be_read_back() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("rolecall.toml");
    std::fs::write(&path, "idle_seconds = 7\nbody_bytes_max = 2048\n").unwrap();
    let config = path.display().to_string();
    let (code, printed) = in_memory()
        .args(&["--config", &config, "--print-config"])
        .env("ROLECALL_BODY_BYTES_MAX", "4096")
        .run();
    assert_eq!(code, 0, "{printed}");
    for line in [
        "idle_seconds = 7 # file",
        "body_bytes_max = 4096 # environment ROLECALL_BODY_BYTES_MAX",
        "store = \"memory:\" # flag --store",
        "drain_seconds = 10 # default",
        "# Tokens: none",
    ] {
        assert!(printed.contains(line), "{line}: {printed}");
    }
    let table: toml::Table = printed.parse().expect("what is printed is TOML");
    std::fs::write(&path, &printed).unwrap();
    let (code, again) = Setup::bare().args(&["--config", &config, "--print-config"]).run();
    assert_eq!(code, 0, "{again}");
    assert_eq!(again.parse::<toml::Table>().unwrap(), table);
    let url = "redis://user:pa55word@host/x";
    let (_, printed) = Setup::bare().args(&["--store", url, "--print-config"]).run();
    assert!(!printed.contains("pa55word"), "{printed}");
}

#[test]
fn help_has_examples_and_exit_codes_and_every_example_is_understood() {
    for args in [&["--help"][..], &["serve", "--help"]] {
        let (code, said) = Setup::bare().args(args).run();
        assert_eq!(code, 0, "{said}");
        for word in ["Examples:", "Exit codes:", "--token-file", "VERS_AUTH_TOKEN", "130", "77"] {
            assert!(said.contains(word), "{word}: {said}");
        }
        assert!(said.lines().all(|line| line.chars().count() <= 100), "{said}");
    }
    let (_, said) = Setup::bare().args(&["--help"]).run();
    let examples = said.split_once("Examples:").unwrap().1;
    let examples = examples.lines().filter_map(|line| line.strip_prefix("  rolecall"));
    let mut count = 0;
    for example in examples.filter(|line| !line.starts_with(' ') || line.trim().starts_with('-')) {
        let line = example.split('>').next().unwrap();
        let args: Vec<_> = line.split_whitespace().filter(|arg| *arg != "--print-config").collect();
        let setup = Setup::bare().args(&args).args(&["--print-config"]);
        let (_, said) = setup.env("ROLECALL_TOKEN", "a-token-0123456789").run();
        assert!(!said.contains("error:"), "{line}: {said}");
        count += 1;
    }
    assert!(count >= 4, "{count} examples");
    let (code, version) = Setup::bare().args(&["--version"]).run();
    assert_eq!(code, 0);
    assert!(version.starts_with("rolecall 0."), "{version}");
}

#[test]
fn a_name_in_the_environment_that_is_almost_right_is_pointed_out() {
    let setup = in_memory().args(&["--listen", "127.0.0.1:0"]);
    let server = setup.env("ROLECALL_IDLE_SECOND", "5").start();
    let log = server.log();
    assert!(log.contains("ROLECALL_IDLE_SECOND means nothing"), "{log}");
    assert!(log.contains("did you mean ROLECALL_IDLE_SECONDS?"), "{log}");
}

#[test]
fn an_address_in_use_is_named_and_the_store_is_not_touched() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    let address = server.address().to_string();
    let home = tempfile::tempdir().unwrap();
    let (code, said) = Setup::bare().args(&["--listen", &address]).dir(home.path()).run();
    assert_eq!(code, 69, "{said}");
    assert!(said.contains(&address) && said.contains("in use"), "{said}");
    assert!(!home.path().join("data").exists());
}

#[test]
fn a_closed_stdout_is_no_reason_to_panic() {
    for args in [&["--help"][..], &["--print-config"], &["--version"]] {
        let mut command = Setup::bare().args(args).command();
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!said.contains("panicked"), "{args:?}: {said}");
        assert_eq!(output.status.code(), Some(0), "{args:?}: {said}");
    }
}

#[test]
fn a_server_whose_stdout_is_closed_serves() {
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let mut command = in_memory().args(&["--listen", &address.to_string()]).command();
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    drop(child.stdout.take());
    let answered = std::panic::catch_unwind(|| {
        wait::until("an answer", || {
            let mut connection = Connection::open(address).ok()?;
            connection.request("GET", "/health", "").ok()
        })
    });
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(answered.unwrap().status, 200);
}
