//! Tests of precedence, of refusals, and of what is printed.

use std::ffi::OsString;

use super::*;
use crate::args::Order;
use crate::auth::Auth;
use crate::print::print;

fn resolve(flags: &str, environment: &[(&str, &str)], file: &str) -> Result<Config, ConfigError> {
    let line = ["rolecall"].into_iter().chain(flags.split_whitespace()).map(OsString::from);
    let flags = crate::args::parse(line).unwrap();
    let text = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
    let Order::Serve(flags) = flags else { panic!("not to serve") };
    Config::resolve(&flags, &environment.iter().map(text).collect(), Some(file))
}

fn refusal(flags: &str, environment: &[(&str, &str)], file: &str) -> String {
    resolve(flags, environment, file).unwrap_err().to_string()
}

#[test]
fn defaults_are_safe_and_agree_with_the_limits() {
    let config = resolve("", &[], "").unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:3000");
    assert_eq!(config.store, "sled:./data");
    assert!(config.tokens.is_empty());
    assert_eq!(format!("{:?}", config.limits), format!("{:?}", Limits::default()));
    assert_eq!(config.warnings, Vec::<String>::new());
}

#[test]
fn flag_beats_environment_beats_file_beats_port() {
    let env = ("ROLECALL_LISTEN", "127.0.0.1:2");
    let (port, file) = (("PORT", "4"), "listen = '127.0.0.1:3'");
    for (flags, environment, file, expected) in [
        ("--listen 127.0.0.1:1", &[env, port][..], file, "127.0.0.1:1"),
        ("", &[env, port], file, "127.0.0.1:2"),
        ("", &[("ROLECALL_LISTEN", ""), port], file, "127.0.0.1:3"),
        ("", &[port], "", "127.0.0.1:4"),
        ("", &[("PORT", "")], "", "127.0.0.1:3000"),
        ("--listen localhost:9", &[], "", "127.0.0.1:9"),
        ("--listen [::1]:9", &[], "", "[::1]:9"),
    ] {
        let listen = resolve(flags, environment, file).unwrap().listen;
        assert_eq!(listen.to_string(), expected, "{flags} {environment:?}");
    }
}

#[test]
fn the_log_filter_may_also_come_from_rust_log() {
    let rust_log = ("RUST_LOG", "debug");
    let log = |flags, environment: &[_], file| resolve(flags, environment, file).unwrap().log;
    assert_eq!(log("", &[rust_log], "log = 'warn'"), "debug");
    assert_eq!(log("", &[rust_log, ("ROLECALL_LOG", "error")], ""), "error");
    assert_eq!(log("--log trace", &[rust_log], ""), "trace");
}

#[test]
fn beyond_loopback_a_token_or_a_clear_word_is_needed() {
    for (flags, environment, fine) in [
        ("--listen 0.0.0.0:1", &[][..], false),
        ("--listen [::]:1", &[], false),
        ("--listen 10.0.0.1:1", &[("VERS_AUTH_TOKEN", "")], false),
        ("--listen 10.0.0.1:1", &[("ROLECALL_TOKEN", " \n")], false),
        ("--listen 10.0.0.1:1", &[("VERS_AUTH_TOKEN", "t")], true),
        ("--listen 10.0.0.1:1", &[("ROLECALL_TOKEN", "t")], true),
        ("--listen 10.0.0.1:1 --token-file f", &[], true),
        ("--listen 10.0.0.1:1 --insecure-no-auth", &[], true),
        ("--listen 10.0.0.1:1", &[("ROLECALL_INSECURE_NO_AUTH", "1")], true),
        ("--listen 10.0.0.1:1", &[("ROLECALL_INSECURE_NO_AUTH", "0")], false),
        ("--listen 127.3.2.1:1", &[], true),
        ("--listen [::ffff:127.0.0.1]:1", &[], true),
    ] {
        assert_eq!(resolve(flags, environment, "").is_ok(), fine, "{flags} {environment:?}");
    }
    let error = refusal("--listen 0.0.0.0:1", &[], "");
    assert!(error.contains("ROLECALL_TOKEN_FILE") && error.contains("--insecure-no-auth"));
}

#[test]
fn tokens_beyond_loopback_want_tls_and_tls_wants_all_of_its_files() {
    let tls = "--tls-cert c --tls-key k";
    let token = ("ROLECALL_TOKEN", "t");
    for (flags, environment, warned) in [
        ("--listen 0.0.0.0:1", &[token][..], true),
        ("--listen 0.0.0.0:1 --token-file f", &[], true),
        ("--listen 127.0.0.1:1", &[token], false),
        ("--listen 0.0.0.0:1 --insecure-no-auth", &[], false),
        (&format!("--listen 0.0.0.0:1 {tls}"), &[token], false),
    ] {
        let warnings = resolve(flags, environment, "").unwrap().warnings;
        let found = warnings.iter().filter(|warning| warning.contains("clear text")).count();
        assert_eq!(found, usize::from(warned), "{flags}: {warnings:?}");
    }
    let (cert, key) = (("ROLECALL_TLS_CERT", "c"), "tls_key = 'k'");
    let files = resolve("--tls-client-ca ca", &[cert], key).unwrap().tls.unwrap();
    assert_eq!(files.client_ca, Some(PathBuf::from("ca")));
    assert_eq!(resolve("", &[], "tls_cert = ''").unwrap().tls, None);
    for (flags, environment, file, expected) in [
        ("--tls-cert c", &[][..], "", "flag --tls-cert is set and tls_key is not"),
        ("", &[cert], "", "environment ROLECALL_TLS_CERT is set and tls_key is not"),
        ("", &[], key, "tls_key (file) is set and tls_cert is not"),
        ("--tls-client-ca ca", &[], "", "flag --tls-client-ca is set and tls_cert is not"),
    ] {
        let error = refusal(flags, environment, file);
        assert!(error.contains(expected), "{error}");
    }
    let hasty = resolve("--idle-seconds 2", &[], "").unwrap().limits;
    assert_eq!(hasty.handshake, hasty.idle);
}

#[test]
fn a_refusal_names_who_gave_what() {
    for (flags, environment, file, expected) in [
        ("--listen 3000", &[][..], "", "flag --listen: `3000` is not an address"),
        ("", &[("PORT", "x")], "", "environment PORT: `127.0.0.1:x` is not an address"),
        ("", &[("ROLECALL_DRAIN_SECONDS", "1.5")], "", "environment ROLECALL_DRAIN_SECONDS: `1.5`"),
        ("", &[], "body_bytes_max = 5", "body_bytes_max (file): `5` is not a number of bytes"),
        ("", &[], "connections_max = 0", "connections_max (file): `0`"),
        ("", &[], "request_seconds = 1.5", "request_seconds (file): `1.5`"),
        ("", &[], "log_format = 'xml'", "is not text or json"),
        ("", &[], "log = 'a=b=c'", "is not a log filter"),
        ("", &[], "lisen = 'x'", "unknown key `lisen`; known keys: listen, store"),
        ("", &[], "[server]\nlisten = 'x'", "unknown key `server`"),
        ("", &[], "listen =", "is not TOML"),
    ] {
        let error = refusal(flags, environment, file);
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn tokens_of_all_sources_count() {
    let environment = [("VERS_AUTH_TOKEN", "a"), ("ROLECALL_TOKEN", "b")];
    let config = resolve("", &environment, "token_file = ['x', 'y']").unwrap();
    assert_eq!(config.tokens.environment.len(), 2);
    assert_eq!(config.tokens.files, [PathBuf::from("x"), PathBuf::from("y")]);
    let config = resolve("", &[("ROLECALL_TOKEN_FILE", "x:z")], "token_file = 'y'").unwrap();
    assert_eq!(config.tokens.files, [PathBuf::from("x"), PathBuf::from("z")]);
    let insecure = resolve("--insecure-no-auth", &environment, "").unwrap();
    assert!(insecure.warnings[0].contains("no effect"), "{:?}", insecure.warnings);
}

#[test]
fn what_is_printed_can_be_read_back_and_holds_no_secret() {
    let environment = [
        ("VERS_AUTH_TOKEN", "the-secret-token"),
        ("ROLECALL_STORE", "redis://me:pass/word@h:1/0"),
        ("ROLECALL_INSECURE_NO_AUTH", "yes"),
    ];
    let config = resolve("--drain-seconds 7", &environment, "log_format = 'json'").unwrap();
    let text = print(&config, &Auth::open(&config.tokens).unwrap());
    for line in [
        "drain_seconds = 7 # flag --drain-seconds",
        "log_format = \"json\" # file",
        "insecure_no_auth = true # environment ROLECALL_INSECURE_NO_AUTH",
        "token_file = [] # default",
        "# Tokens: 1 (1 from environment VERS_AUTH_TOKEN).",
    ] {
        assert!(text.lines().any(|printed| printed == line), "{line} in\n{text}");
    }
    assert!(!text.contains("secret") && !text.contains("word"), "{text}");
    assert!(!format!("{config:?}").contains("the-secret-token"));
    let again = resolve("", &[], &text).unwrap();
    assert_eq!(again.limits.drain, config.limits.drain);
    assert_eq!(again.log_format, config.log_format);
}

#[test]
fn a_password_is_cut_from_a_url() {
    for (url, shown) in [
        ("sled:./data", "sled:./data"),
        ("etcd://h1:2379,h2:2379/p", "etcd://h1:2379,h2:2379/p"),
        ("redis://u:p@h:1/0", "redis://u:***@h:1/0"),
        ("redis://:p@h", "redis://:***@h"),
        ("redis://u:p@q@h", "redis://u:***@h"),
        ("redis://u:p/q@h/0", "redis://u:***@h/0"),
    ] {
        assert_eq!(without_password(url), shown);
    }
}
