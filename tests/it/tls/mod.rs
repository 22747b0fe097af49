//! TLS: both kinds of HTTP over it, who is let in, what SIGHUP changes, and how it ends.

mod client;
mod paper;

use std::process::Command;
use std::time::{Duration, Instant};

use bytes::Bytes;
use support::process::{Server, Setup};
use support::wait;

use self::client::{connect, http1, http2, question, request, shown, text};
use self::paper::{Authority, Papers};

const VM: &str = r#"{"id":"v1","name":"n","role":"worker","address":"h","registeredBy":"t"}"#;

fn setup(papers: &Papers) -> Setup {
    let (certificate, key) = (papers.path("cert.pem"), papers.path("key.pem"));
    Setup::stored("memory:").args(&["--tls-cert", &certificate, "--tls-key", &key])
}

/// What curl says of a request: its output with version and status behind it, or why not.
fn curl(server: &Server, papers: &Papers, path: &str, args: &[&str]) -> Result<String, String> {
    let url = format!("https://{}{path}", server.address());
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--max-time", "20", "--noproxy", "*"]);
    curl.args(["--write-out", " %{http_version} %{http_code}", "--cacert", &papers.path("ca.pem")]);
    let output = curl.args(args).arg(url).output().expect("curl is there: tests/run installs it");
    let said = String::from_utf8(output.stdout).unwrap();
    if output.status.success() {
        return Ok(said);
    }
    assert!(said.trim().ends_with("000"), "an answer before the refusal: {said}");
    Err(String::from_utf8(output.stderr).unwrap())
}

fn until_it_says(server: &Server, words: &str) {
    wait::until(words, || server.log().contains(words).then_some(()));
}

#[test]
fn curl_is_answered_in_the_http_it_asks_for_and_hears_the_same() {
    let papers = Papers::new();
    let server = setup(&papers).start();
    assert!(server.log().starts_with(&format!("listening on https://{}\n", server.address())));
    for (flag, version) in [("--http1.1", "1.1"), ("--http2", "2")] {
        let ask = |path: &str, args: &[&str]| {
            curl(&server, &papers, path, &[&[flag], args].concat()).unwrap()
        };
        let registered = ask("/registry/vms", &["--json", &VM.replace("v1", version)]);
        let body = registered.strip_suffix(&format!(" {version} 201")).expect(&registered);
        let path = format!("/registry/vms/{version}");
        assert_eq!(ask(&path, &[]), format!("{body} {version} 200"));
        assert!(ask("/health", &[]).ends_with(&format!(" {version} 200")));
        assert_eq!(ask("/nothing", &[]), format!("404 Not Found {version} 404"));
        let headers = ask("/health", &["--head"]);
        assert!(headers.contains("content-length: "), "{headers}");
        let refused = ask("/health", &["--header", "Host: user@host"]);
        assert!(refused.ends_with(&format!(" {version} 400")), "{refused}");
        let long = format!("/{}", "x".repeat(9_000));
        assert!(ask(&long, &[]).ends_with(" 414"));
        let much = format!("x: {}", "x".repeat(17_000));
        assert!(ask("/health", &["--header", &much]).ends_with(" 431"));
        for tls in ["1.2", "1.3"] {
            let (at_least, at_most) = (format!("--tlsv{tls}"), ["--tls-max", tls]);
            let told = ask("/readyz", &[&[at_least.as_str()][..], &at_most].concat());
            assert_eq!(told, format!(r#"{{"status":"ready"}} {version} 200"#));
        }
    }
    let stranger = Papers::new();
    curl(&server, &stranger, "/health", &[]).unwrap_err();
    server.stop();
}

#[test]
fn with_a_client_ca_nobody_is_let_in_without_a_certificate_of_theirs() {
    let papers = Papers::new();
    let server = setup(&papers).args(&["--tls-client-ca", &papers.path("ca.pem")]).start();
    for (name, authority) in [("known", &papers.authority), ("other", &Authority::new("them"))] {
        let (certificate, key) = authority.vouch();
        papers.put(name, &format!("{certificate}{key}"));
    }
    let of = |name: &str| papers.path(name);
    for version in ["--http1.1", "--http2"] {
        let known = curl(&server, &papers, "/health", &[version, "--cert", &of("known")]);
        assert!(known.unwrap().ends_with(" 200"));
        curl(&server, &papers, "/health", &[version]).unwrap_err();
        curl(&server, &papers, "/health", &[version, "--cert", &of("other")]).unwrap_err();
    }
    assert_eq!(server.log().matches("a TLS handshake failed").count(), 4, "{}", server.log());
    // Another authority is another decision, also for who was let in before.
    papers.put("ca.pem", &format!("{}{}", Authority::new("new").pem(), "not PEM is a comment\n"));
    server.signal("HUP");
    until_it_says(&server, "new connections get the certificate");
    let trusting = ["--insecure", "--cert", &of("known")];
    curl(&server, &papers, "/health", &trusting).unwrap_err();
    server.stop();
}

#[test]
fn cleartext_on_the_port_of_tls_ends_without_harm() {
    let papers = Papers::new();
    let server = setup(&papers).start();
    for bytes in [&b"GET /health HTTP/1.1\r\nhost: a\r\n\r\n"[..], b"PRI * HTTP/2.0\r\n\r\n", b"\n"]
    {
        let mut connection = server.connect();
        connection.send(bytes).unwrap();
        connection.finish().unwrap();
        let said = connection.rest().unwrap_or_default();
        assert!(said.is_empty() || said[0] == 21, "no alert: {said:?}");
    }
    assert!(curl(&server, &papers, "/health", &[]).is_ok());
    server.stop();
}

/// The limit of a handshake is never longer than that of an idle connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_client_is_dropped_in_each_stage() {
    let papers = Papers::new();
    let server = setup(&papers).args(&["--idle-seconds", "1"]).start();
    let started = Instant::now();
    let mut silent = server.connect();
    let mut greeted = connect(server.address(), &papers, "h2").await;
    let mut served = http2(server.address(), &papers).await;
    assert_eq!(served.send_request(question("/health")).await.unwrap().status(), 200);
    tokio::task::spawn_blocking(move || silent.rest().unwrap()).await.unwrap();
    // The server's first frames, and then no more: an end without a word is an error in TLS.
    let _unclean = tokio::io::AsyncReadExt::read_to_end(&mut greeted, &mut Vec::new()).await;
    wait::until("the end of a connection that was used", || served.is_closed().then_some(()));
    let took = started.elapsed();
    assert!((1..10).contains(&took.as_secs()), "{took:?}");
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_shows_the_new_certificate_and_ends_no_connection() {
    let papers = Papers::new();
    let server = setup(&papers).start();
    let address = server.address();
    let first = shown(address, &papers).await;
    let mut old1 = http1(address, &papers).await;
    let mut old2 = http2(address, &papers).await;
    papers.renew();
    assert_eq!(shown(address, &papers).await, first, "not before it is asked to");
    server.signal("HUP");
    until_it_says(&server, "new connections get the certificate");
    let second = shown(address, &papers).await;
    assert_ne!(second, first);
    // A key that is not the certificate's, a file that is none, and none at all.
    let (_, key) = papers.authority.vouch();
    papers.put("key.pem", &key);
    for (words, broken) in
        [("not that of the first", "key.pem"), ("holds no cert", "cert.pem"), ("cannot read", "")]
    {
        if broken == "cert.pem" {
            papers.put(broken, "");
        } else if broken.is_empty() {
            std::fs::remove_file(papers.path("cert.pem")).unwrap();
        }
        server.signal("HUP");
        until_it_says(&server, words);
        assert_eq!(shown(address, &papers).await, second, "{words}");
    }
    assert!(server.log().contains("stays in use"), "{}", server.log());
    assert_eq!(old1.send_request(question("/health")).await.unwrap().status(), 200);
    assert_eq!(old2.send_request(question("/health")).await.unwrap().status(), 200);
    drop((old1, old2));
    server.stop();
}

#[test]
fn a_reload_without_tls_is_a_line_in_the_log() {
    let server = Setup::stored("memory:").start();
    let mut connection = server.connect();
    assert_eq!(connection.request("GET", "/health", "").unwrap().status, 200);
    server.signal("HUP");
    until_it_says(&server, "SIGHUP: these tokens count");
    assert_eq!(connection.request("GET", "/health", "").unwrap().status, 200);
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_under_way_at_the_signal_is_answered_in_either_http() {
    let papers = Papers::new();
    let server = setup(&papers).args(&["--drain-seconds", "6"]).start();
    let _silent = server.connect();
    let mut on1 = http1(server.address(), &papers).await;
    let mut on2 = http2(server.address(), &papers).await;
    let (open1, mut body1) = request("POST", "/registry/vms");
    let (open2, mut body2) = request("POST", "/registry/vms");
    let second = VM.replace("v1", "v2");
    let answers = [tokio::spawn(on1.send_request(open1)), tokio::spawn(on2.send_request(open2))];
    body1.send_data(Bytes::from_static(&VM.as_bytes()[..9])).await.unwrap();
    body2.send_data(Bytes::copy_from_slice(&second.as_bytes()[..9])).await.unwrap();
    // On the same connection behind the other: it is answered, so that the other has arrived.
    assert_eq!(on2.send_request(question("/health")).await.unwrap().status(), 200);
    let idle = http2(server.address(), &papers).await;
    server.signal("TERM");
    wait::until("an idle connection to end", || idle.is_closed().then_some(()));
    body1.send_data(Bytes::from_static(&VM.as_bytes()[9..])).await.unwrap();
    body2.send_data(Bytes::copy_from_slice(&second.as_bytes()[9..])).await.unwrap();
    drop((body1, body2));
    for (answer, is_1) in answers.into_iter().zip([true, false]) {
        let answer = answer.await.unwrap().unwrap();
        assert_eq!(answer.status(), 201);
        let leave = answer.headers().get("connection").is_some();
        assert_eq!(leave, is_1, "HTTP/2 has no such header: {:?}", answer.headers());
        assert!(text(answer).await.contains("registeredAt"));
    }
    let (status, log) = server.wait();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("dropped=0"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_under_load_fails_no_request_of_http_2() {
    let papers = Papers::new();
    let server = setup(&papers).start();
    let mut clients = Vec::new();
    for _ in 0..4 {
        let mut connection = http2(server.address(), &papers).await;
        clients.push(tokio::spawn(async move {
            let mut answered = 0;
            while connection.ready().await.is_ok() {
                match connection.try_send_request(question("/health")).await {
                    Ok(answer) => {
                        assert_eq!(answer.status(), 200);
                        assert_eq!(answer.headers().get("connection"), None);
                        answered += 1;
                    }
                    // What comes back was never sent.
                    Err(mut error) => assert!(error.take_message().is_some(), "{error:?}"),
                }
            }
            answered
        }));
    }
    wait::elapsed(Instant::now(), Duration::from_millis(300));
    server.signal("TERM");
    for client in clients {
        assert!(client.await.unwrap() > 10, "hardly any load");
    }
    let (status, log) = server.wait();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("dropped=0"), "{log}");
}

#[test]
fn files_that_do_not_do_are_named_with_what_to_do() {
    let papers = Papers::new();
    let (other, other_key) = Papers::new().authority.vouch();
    papers.put("other.pem", &other_key);
    papers.put("nothing.pem", "nothing\n");
    papers.put("torn.pem", &other[..other.len() / 2]);
    papers.put("locked.pem", &other_key.replace("PRIVATE", "ENCRYPTED PRIVATE"));
    papers.put("odd.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    papers.put("odd-cert.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let (cert, key, client_ca) = ("--tls-cert", "--tls-key", "--tls-client-ca");
    let both = [(cert, "cert.pem"), (key, "key.pem")];
    for (given, words) in [
        (&[(cert, "cert.pem")][..], ["--tls-cert is set", "tls_key is not"]),
        (&[(key, "key.pem")], ["--tls-key is set", "tls_cert is not"]),
        (&[(client_ca, "ca.pem")], ["--tls-client-ca is set", "tls_cert is not"]),
        (&[(cert, "none.pem"), both[1]], ["none.pem: No such file", "--tls-cert"]),
        (&[both[0], (key, "none.pem")], ["none.pem: No such file", "--tls-key"]),
        (&[(cert, "."), both[1]], ["Is a directory", "--tls-cert"]),
        (&[(cert, "nothing.pem"), both[1]], ["nothing.pem holds no certificate", "--tls-cert"]),
        (&[(cert, "key.pem"), both[1]], ["key.pem holds no certificate", "--tls-cert"]),
        (&[(cert, "torn.pem"), both[1]], ["torn.pem cannot be used", "PEM"]),
        (&[(cert, "odd-cert.pem"), both[1]], ["odd-cert.pem cannot be used", "PEM"]),
        (&[both[0], (key, "cert.pem")], ["cert.pem holds no private key", "--tls-key"]),
        (&[both[0], (key, "locked.pem")], ["without a passphrase", "--tls-key"]),
        (&[both[0], (key, "odd.pem")], ["odd.pem cannot be used", "PEM"]),
        (&[both[0], (key, "other.pem")], ["other.pem is not that of", "cert.pem"]),
        (&[both[0], both[1], (client_ca, "none.pem")], ["none.pem", "--tls-client-ca"]),
        (&[both[0], both[1], (client_ca, "key.pem")], ["key.pem holds no", "--tls-client-ca"]),
        (&[both[0], both[1], (client_ca, "odd-cert.pem")], ["client CA file", "cannot be used"]),
    ] {
        let given: Vec<_> =
            given.iter().map(|(flag, name)| [flag.to_string(), papers.path(name)]).collect();
        let given: Vec<_> = given.iter().flatten().map(String::as_str).collect();
        let (code, said) = Setup::stored("memory:").args(&given).run();
        assert_eq!(code, 64, "{given:?}: {said}");
        assert!(words.iter().all(|word| said.contains(word)), "{given:?}: {said}");
        assert!(!said.contains("panicked") && said.lines().count() == 1, "{said}");
    }
}

#[test]
fn a_key_that_others_can_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt;
    let papers = Papers::new();
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(papers.dir().join("key.pem"), open).unwrap();
    let server = setup(&papers).start();
    let advice = format!("chmod 600 {}", papers.path("key.pem"));
    assert_eq!(server.log().matches(&advice).count(), 1, "{}", server.log());
    server.stop();
}
