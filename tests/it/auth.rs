//! Who may call: where tokens come from, what is refused without one, and that none is ever shown.
//! Which headers count is told in `golden/vers/12-auth.http`.

use std::path::{Path, PathBuf};

use support::process::{Server, Setup};
use support::wait;

const VMS: &str = "/registry/vms";
const FIRST: &str = "first-token-0123456789abcdef";
const SECOND: &str = "second-token-0123456789abcdef";
const THIRD: &str = "third-token-0123456789abcdef";
const OTHER: &str = "other-token-0123456789abcdef";

/// The status for a caller with this token.
fn status(server: &Server, token: &str) -> u16 {
    let header = format!("Bearer {token}");
    let answer = server.connect().request_with("GET", VMS, &[("authorization", &header)], "");
    answer.unwrap().status
}

fn assert_opens(server: &Server, right: &[&str]) {
    for token in [FIRST, SECOND, THIRD, OTHER] {
        let expected = if right.contains(&token) { 200 } else { 401 };
        assert_eq!(status(server, token), expected, "{token}");
    }
    assert_eq!(server.request("GET", VMS, "").status, 401);
    for path in ["/health", "/readyz"] {
        assert_eq!(server.request("GET", path, "").status, 200, "{path}");
    }
}

/// A directory with a file in it.
fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("tokens");
    std::fs::write(&path, text).unwrap();
    (home, path)
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[test]
fn each_way_to_give_a_token_opens_the_door_and_all_of_them_count() {
    let data = tempfile::tempdir().unwrap();
    let (home, path) = file(&format!("# of the team\n\n  {SECOND}  \n{THIRD}\n"));
    let second = home.path().join("more");
    std::fs::write(&second, FIRST).unwrap();
    let both = format!("{}:{}", shown(&path), shown(&second));
    let config = home.path().join("rolecall.toml");
    std::fs::write(&config, format!("token_file = [{:?}, {second:?}]\n", shown(&path))).unwrap();
    let new = || Setup::new(data.path());
    let cases: Vec<(Setup, &[&str])> = vec![
        (new().env("VERS_AUTH_TOKEN", FIRST), &[FIRST]),
        (new().env("ROLECALL_TOKEN", FIRST), &[FIRST]),
        (new().env("ROLECALL_TOKEN", FIRST).env("VERS_AUTH_TOKEN", OTHER), &[FIRST, OTHER]),
        (new().args(&["--token-file", &shown(&path)]), &[SECOND, THIRD]),
        (
            new().args(&["--token-file", &shown(&path), "--token-file", &shown(&second)]),
            &[FIRST, SECOND, THIRD],
        ),
        (new().env("ROLECALL_TOKEN_FILE", &both), &[FIRST, SECOND, THIRD]),
        (new().args(&["--config", &shown(&config)]), &[FIRST, SECOND, THIRD]),
        (
            new().args(&["--token-file", &shown(&path)]).env("VERS_AUTH_TOKEN", OTHER),
            &[SECOND, THIRD, OTHER],
        ),
    ];
    for (setup, right) in cases {
        let server = setup.start();
        assert_opens(&server, right);
        server.stop();
    }
}

#[test]
fn without_a_token_any_credentials_are_fine() {
    let data = tempfile::tempdir().unwrap();
    // An empty variable is none, as in the original.
    for value in ["", "  "] {
        let server = Setup::new(data.path()).env("VERS_AUTH_TOKEN", value).start();
        assert_eq!(server.request("GET", VMS, "").status, 200);
        assert_eq!(status(&server, OTHER), 200);
        assert!(server.log().contains("no token is set"), "{}", server.log());
        server.stop();
    }
}

#[test]
fn a_wide_address_without_a_token_is_refused_with_both_ways_out() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "[::ffff:0.0.0.0]:0"] {
        let setup = Setup::bare().args(&["--store", "memory:", "--listen", address]);
        let (code, said) = setup.env("VERS_AUTH_TOKEN", "").run();
        assert_eq!(code, 64, "{address}: {said}");
        for word in ["--token-file", "VERS_AUTH_TOKEN", "--insecure-no-auth"] {
            assert!(said.contains(word), "{address}: {word}: {said}");
        }
    }
    let by_environment = Setup::bare().env("ROLECALL_LISTEN", "0.0.0.0:0");
    assert_eq!(by_environment.env("ROLECALL_STORE", "memory:").run().0, 64);
}

#[test]
fn a_wide_address_is_served_with_a_token_or_on_request() {
    let wide = || Setup::bare().args(&["--store", "memory:", "--listen", "0.0.0.0:0"]);
    let open = wide().args(&["--insecure-no-auth"]).start();
    assert_eq!(open.request("GET", VMS, "").status, 200);
    open.stop();
    let by_variable = wide().env("ROLECALL_INSECURE_NO_AUTH", "true").start();
    assert_eq!(by_variable.request("GET", VMS, "").status, 200);
    by_variable.stop();
    let guarded = wide().env("VERS_AUTH_TOKEN", FIRST).start();
    assert_opens(&guarded, &[FIRST]);
    guarded.stop();
    let both = wide().env("VERS_AUTH_TOKEN", FIRST).args(&["--insecure-no-auth"]).start();
    assert_opens(&both, &[FIRST]);
    assert!(both.log().contains("insecure_no_auth has no effect"), "{}", both.log());
}

#[test]
fn loopback_in_any_spelling_needs_no_token() {
    for address in ["127.0.0.1:0", "127.9.9.9:0", "localhost:0", "[::ffff:127.0.0.1]:0"] {
        let setup = Setup::bare().args(&["--store", "memory:", "--listen", address]);
        let server = setup.start();
        assert_eq!(server.request("GET", VMS, "").status, 200, "{address}");
    }
}

#[test]
fn no_token_is_ever_shown() {
    let (_home, path) = file(&format!("{SECOND}\n"));
    let setup = |data: &Path| {
        let setup = Setup::new(data).args(&["--log", "trace", "--token-file", &shown(&path)]);
        setup.env("VERS_AUTH_TOKEN", FIRST).env("ROLECALL_TOKEN", THIRD)
    };
    let data = tempfile::tempdir().unwrap();
    let server = setup(data.path()).start();
    for token in [FIRST, SECOND, THIRD, OTHER] {
        let _either = status(&server, token);
        let path = format!("{VMS}?token={token}");
        assert_eq!(server.request("GET", &path, "").status, 401);
    }
    server.signal("TERM");
    let (_, log) = server.wait();
    assert!(log.contains("refused a caller"), "the log was on: {log}");
    let (code, printed) = setup(data.path()).args(&["--print-config"]).run();
    assert_eq!(code, 0, "{printed}");
    assert!(printed.contains("Tokens: 3"), "{printed}");
    let (code, failed) = setup(data.path()).args(&["--listen", "nonsense"]).run();
    assert_eq!(code, 64, "{failed}");
    for said in [log, printed, failed] {
        for token in [FIRST, SECOND, THIRD, OTHER] {
            assert!(!said.contains(token), "{token} is shown: {said}");
        }
    }
}

#[test]
fn a_token_file_that_cannot_be_used_is_an_error_and_not_an_open_door() {
    let data = tempfile::tempdir().unwrap();
    let (_home, empty) = file("# nothing here\n\n   \n");
    let missing = data.path().join("missing");
    for (path, word) in [(&empty, "holds no token"), (&missing, "cannot read token file")] {
        let (code, said) = Setup::new(data.path()).args(&["--token-file", &shown(path)]).run();
        assert_eq!(code, 64, "{said}");
        assert!(said.contains(word) && said.contains(&shown(path)), "{said}");
        // Not even where another token is set.
        let setup = Setup::new(data.path()).env("VERS_AUTH_TOKEN", FIRST);
        assert_eq!(setup.args(&["--token-file", &shown(path)]).run().0, 64);
    }
    let (code, said) = Setup::new(data.path()).args(&["--token", FIRST]).run();
    assert_eq!(code, 64, "no flag takes a token: {said}");
}

#[test]
fn a_token_that_can_be_guessed_or_read_by_others_is_warned_of() {
    use std::os::unix::fs::PermissionsExt;
    let data = tempfile::tempdir().unwrap();
    let (_home, path) = file(&format!("{FIRST}\n"));
    let set = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode));
    set(0o644).unwrap();
    let setup = || Setup::new(data.path()).args(&["--token-file", &shown(&path)]);
    let server = setup().env("VERS_AUTH_TOKEN", "short").start();
    assert!(server.log().contains("chmod 600"), "{}", server.log());
    assert!(server.log().contains("can be guessed"), "{}", server.log());
    server.stop();
    set(0o600).unwrap();
    let server = setup().start();
    assert!(!server.log().contains("WARN"), "{}", server.log());
}

#[test]
fn a_flood_of_refused_callers_does_not_flood_the_log() {
    let data = tempfile::tempdir().unwrap();
    let server = Setup::new(data.path()).env("VERS_AUTH_TOKEN", FIRST).start();
    let mut connection = server.connect();
    for _ in 0..500 {
        assert_eq!(connection.request("GET", VMS, "").unwrap().status, 401);
    }
    server.signal("TERM");
    let (_, log) = server.wait();
    let lines = log.matches("refused a caller").count();
    assert!((1..100).contains(&lines), "{lines} lines for 500 refusals");
}

#[test]
fn tokens_are_changed_without_a_restart() {
    let (_home, path) = file(&format!("{FIRST}\n"));
    let data = tempfile::tempdir().unwrap();
    let server = Setup::new(data.path()).args(&["--token-file", &shown(&path)]).start();
    assert_opens(&server, &[FIRST]);

    std::fs::write(&path, format!("{SECOND} name=new read\n")).unwrap();
    server.signal("HUP");
    wait::until("the new token to count", || (status(&server, SECOND) == 200).then_some(()));
    assert_opens(&server, &[SECOND]);

    // A file that cannot be used must not open the door, nor close it for everybody.
    for broken in ["", "# nothing\n", "third-token-0123456789abcdef raed\n"] {
        std::fs::write(&path, broken).unwrap();
        let before = server.log().matches("SIGHUP: ").count();
        server.signal("HUP");
        wait::until("the complaint", || {
            (server.log().matches("SIGHUP: ").count() > before).then_some(())
        });
        assert_opens(&server, &[SECOND]);
    }
}
