//! A socket that outlives its servers: `rolecall hold` opens it, `LISTEN_FDS` hands it over.

use std::net::SocketAddr;
use std::path::Path;

use support::process::{Server, Setup};

/// A shell script in the place of the holder; the server is `$0`, the socket its standard input.
fn held(address: &str, script: &str, environment: &[(&str, &str)]) -> Setup {
    let binary = Setup::bare().command().get_program().to_owned();
    let binary = binary.into_string().expect("a path in target is text");
    let shell = ["hold", "--listen", address, "--", "/bin/sh", "-c", script, &binary];
    environment
        .iter()
        .fold(Setup::bare().args(&shell), |setup, (name, value)| setup.env(name, value))
}

/// What a service manager does.
const SERVE: &str = "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" --store \"$STORE\" 3<&0 </dev/null";

fn store(data: &Path) -> String {
    format!("sled:{}", data.display())
}

#[test]
fn a_server_accepts_from_the_socket_that_it_is_handed_and_leaves_it_open() {
    let data = tempfile::tempdir().unwrap();
    let twice = "sh -c \"$SERVE\" \"$0\"; echo ended with $?; exec sh -c \"$SERVE\" \"$0\"";
    let environment = [("STORE", store(data.path())), ("SERVE", SERVE.to_string())];
    let environment = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
    let server = held("127.0.0.1:0", twice, &environment).start();
    let first = pid_of_child(server.pid());
    assert_eq!(server.request("GET", "/health", "").status, 200);
    assert_eq!(server.request("GET", "/registry/vms", "").status, 200);
    let told = std::process::Command::new("kill").arg(first.to_string()).status().unwrap();
    assert!(told.success());
    // Nobody waits until the second one is up: the connection is made all the same.
    let mut waiting = server.connect();
    assert_eq!(waiting.request("GET", "/health", "").unwrap().status, 200);
    support::wait::until("the first one to end well", || {
        server.log().contains("ended with 0").then_some(())
    });
    assert_eq!(server.request("GET", "/health", "").status, 200);
    server.stop();
}

fn pid_of_child(parent: u32) -> u32 {
    let children = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
    children.unwrap().trim().parse().unwrap()
}

#[test]
fn a_socket_open_to_the_network_needs_a_token_also_when_it_is_handed_over() {
    let data = tempfile::tempdir().unwrap();
    let store = store(data.path());
    let (code, said) = held("0.0.0.0:0", SERVE, &[("STORE", &store)]).run();
    assert_eq!(code, 64, "{said}");
    assert!(said.contains("no token is set"), "{said}");
    let token = ("ROLECALL_TOKEN", "a-token-0123456789");
    let server: Server = held("0.0.0.0:0", SERVE, &[("STORE", &store), token]).start();
    let address = SocketAddr::from(([127, 0, 0, 1], server.address().port()));
    let answer = support::bytes::Connection::open(address).unwrap().request("GET", "/health", "");
    assert_eq!(answer.unwrap().status, 200);
}

#[test]
fn what_is_not_one_listening_socket_is_refused_and_what_is_meant_for_others_is_left_alone() {
    let store = ("STORE", "memory:");
    for (script, expected) in [
        ("LISTEN_PID=$$ LISTEN_FDS=2 exec \"$0\" 3<&0", "hands over `2` sockets"),
        ("LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" 3</dev/null", "fd 3 is not a socket"),
    ] {
        let (code, said) = held("127.0.0.1:0", script, &[store]).run();
        assert_eq!(code, 64, "{script}: {said}");
        assert!(said.contains(expected), "{script}: {said}");
    }
    let script =
        "LISTEN_PID=1 LISTEN_FDS=1 exec \"$0\" --listen 127.0.0.1:0 --store \"$STORE\" 3<&0";
    let server = held("127.0.0.1:0", script, &[store]).start();
    assert_eq!(server.request("GET", "/health", "").status, 200);
    server.stop();
}

#[test]
fn an_address_in_use_is_not_held_and_a_command_that_is_not_there_is_named() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    let (code, said) = held(&server.address().to_string(), "true", &[]).run();
    assert_eq!(code, 69, "{said}");
    assert!(said.contains("in use"), "{said}");
    let line = ["hold", "--listen", "127.0.0.1:0", "--", "/no/such/program"];
    let (code, said) = Setup::bare().args(&line).run();
    assert_eq!(code, 69, "{said}");
    assert!(said.contains("/no/such/program"), "{said}");
}
