//! Tests of the door: which headers open it, and which token files are usable.

use std::io::Write;
use std::path::PathBuf;

use hyper::header::HeaderValue;

use super::*;

const MISSING: Forbidden = Forbidden::Unknown(Denied::Missing);
const INVALID: Forbidden = Forbidden::Unknown(Denied::Invalid);

fn auth(tokens: &[&str]) -> Auth {
    let secrets = tokens.iter().filter_map(|token| Secret::new(token));
    let environment = secrets.map(|secret| ("TOKEN", secret)).collect();
    Auth::open(&TokenSources { environment, files: Vec::new() }).unwrap()
}

/// Whether these headers let the caller register something.
fn write(auth: &Auth, door: Door, headers: &HeaderMap) -> Result<(), Forbidden> {
    auth.caller(door, Credential::Bearer, headers).demand(Scope::Write, "default")
}

fn headers(values: &[&str]) -> HeaderMap {
    let value = |text: &&str| (AUTHORIZATION, HeaderValue::from_bytes(text.as_bytes()).unwrap());
    values.iter().map(value).collect()
}

#[test]
fn only_the_exact_token_opens_and_the_scheme_has_no_case() {
    let auth = auth(&["s3cret", "other"]);
    for (given, expected) in [
        (&["Bearer s3cret"][..], Ok(())),
        (&["bearer s3cret"], Ok(())),
        (&["BEARER\ts3cret"], Ok(())),
        (&["Bearer   other"], Ok(())),
        (&[], Err(MISSING)),
        (&[""], Err(INVALID)),
        (&["Bearer"], Err(INVALID)),
        (&["Bearer "], Err(INVALID)),
        (&["Bearers3cret"], Err(INVALID)),
        (&["Bearer S3cret"], Err(INVALID)),
        (&["Bearer s3cre"], Err(INVALID)),
        (&["Bearer s3cret2"], Err(INVALID)),
        (&["Basic s3cret"], Err(INVALID)),
        (&["s3cret"], Err(INVALID)),
        (&["é"], Err(INVALID)),
        (&["Bearer s3cret", "Bearer s3cret"], Err(INVALID)),
    ] {
        assert_eq!(write(&auth, Door::Token, &headers(given)), expected, "{given:?}");
    }
}

#[test]
fn without_a_token_any_header_is_ignored() {
    assert_eq!(write(&auth(&[]), Door::Token, &headers(&["nonsense"])), Ok(()));
    assert_eq!(write(&auth(&["", " \t"]), Door::Token, &headers(&[])), Ok(()));
}

#[test]
fn a_secret_never_prints_itself() {
    let sources = TokenSources {
        environment: vec![("TOKEN", Secret::new("s3cret").unwrap())],
        files: Vec::new(),
    };
    let auth = Auth::open(&sources).unwrap();
    assert!(!format!("{sources:?} {auth:?}").contains("s3cret"));
}

#[test]
fn a_token_file_has_one_token_a_line() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(file, "# ops\n\n  first-token-of-the-file \r\n  # old\nsecond\n").unwrap();
    let sources = TokenSources { environment: vec![], files: vec![file.path().to_path_buf()] };
    let auth = Auth::open(&sources).unwrap();
    assert_eq!(auth.token_count(), 2);
    for token in ["first-token-of-the-file", "second"] {
        let given = headers(&[&format!("Bearer {token}")]);
        assert_eq!(write(&auth, Door::Token, &given), Ok(()), "{token}");
    }
    assert_eq!(auth.warnings().len(), 1, "one token is short: {:?}", auth.warnings());
}

#[test]
fn an_unusable_token_file_says_what_to_do() {
    let empty = tempfile::NamedTempFile::new().unwrap();
    let missing = PathBuf::from("/nowhere/tokens");
    for (path, advice) in [(empty.path(), "holds no token"), (&missing, "cannot read token file")] {
        let sources = TokenSources { environment: vec![], files: vec![path.to_path_buf()] };
        let error = Auth::open(&sources).unwrap_err().to_string();
        assert!(error.contains(advice) && error.contains("--token-file"), "{error}");
    }
}

#[cfg(unix)]
#[test]
fn a_token_file_that_others_can_read_earns_a_warning() {
    use std::os::unix::fs::PermissionsExt;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(file, "a-token-of-good-length").unwrap();
    let files = vec![file.path().to_path_buf()];
    for (mode, warnings) in [(0o600, 0), (0o640, 1), (0o604, 1)] {
        file.as_file().set_permissions(std::fs::Permissions::from_mode(mode)).unwrap();
        let auth = Auth::open(&TokenSources { environment: vec![], files: files.clone() });
        assert_eq!(auth.unwrap().warnings().len(), warnings, "{mode:o}");
    }
}

#[test]
fn a_token_does_what_its_line_grants_and_no_more() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let lines = "reader-of-everything read\nwriter-of-tools name=ci write@tools read@default\n";
    write!(file, "{lines}").unwrap();
    let sources = TokenSources { environment: vec![], files: vec![file.path().to_path_buf()] };
    let auth = Auth::open(&sources).unwrap();
    let insufficient = Err(Forbidden::Insufficient);
    for (token, scope, namespace, expected) in [
        ("reader-of-everything", Scope::Read, "tools", Ok(())),
        ("reader-of-everything", Scope::Write, "tools", insufficient),
        ("writer-of-tools", Scope::Write, "tools", Ok(())),
        ("writer-of-tools", Scope::Write, "default", insufficient),
        ("writer-of-tools", Scope::Read, "default", Ok(())),
        ("writer-of-tools", Scope::Read, "vms", insufficient),
        ("writer-of-tools", Scope::Admin, "tools", insufficient),
    ] {
        let given = headers(&[&format!("Bearer {token}")]);
        let caller = auth.caller(Door::Token, Credential::Bearer, &given);
        assert_eq!(caller.demand(scope, namespace), expected, "{token} {scope} {namespace}");
    }

    let given = headers(&["Bearer writer-of-tools"]);
    assert_eq!(auth.caller(Door::Token, Credential::Bearer, &given).name(), "ci");

    writeln!(file, "another-token-of-the-file raed").unwrap();
    let error = auth.reload(&sources).unwrap_err().to_string();
    assert!(error.contains("line 3") && !error.contains("raed"), "{error}");
    assert_eq!(auth.token_count(), 2, "what was there stays");
}

#[test]
fn a_door_lets_everybody_do_what_it_says() {
    let auth = auth(&["s3cret"]);
    let (nobody, wrong) = (headers(&[]), headers(&["Bearer wrong"]));
    let read =
        |door, given| auth.caller(door, Credential::Bearer, given).demand(Scope::Read, "default");
    assert_eq!(read(Door::Token, &nobody), Err(MISSING));
    assert_eq!(read(Door::OpenReads, &nobody), Ok(()));
    assert_eq!(read(Door::OpenReads, &wrong), Ok(()));
    assert_eq!(write(&auth, Door::OpenReads, &nobody), Err(MISSING));
    assert_eq!(write(&auth, Door::OpenReads, &wrong), Err(INVALID));
    assert_eq!(write(&auth, Door::Open, &nobody), Ok(()));
    let caller = auth.caller(Door::Open, Credential::Bearer, &nobody);
    assert_eq!(caller.demand_everywhere(Scope::Admin), Err(MISSING));
}

#[test]
fn an_api_key_is_a_token_in_another_header() {
    let auth = auth(&["s3cret"]);
    for (given, expected) in [
        (&["s3cret"][..], Ok(())),
        (&["s3cret", "wrong"], Ok(())),
        (&["Bearer s3cret"], Err(INVALID)),
        (&[], Err(MISSING)),
    ] {
        let value = |text: &&str| ("x-api-key".parse().unwrap(), text.parse().unwrap());
        let headers = given.iter().map(value).collect();
        let caller = auth.caller(Door::OpenReads, Credential::ApiKey, &headers);
        assert_eq!(caller.demand(Scope::Write, "tools"), expected, "{given:?}");
    }
}

#[test]
fn a_token_of_any_letters_is_known_however_it_was_sent() {
    let auth = auth(&["schlüssel-schlüssel"]);
    for (given, expected) in [
        ("schlüssel-schlüssel".as_bytes(), Ok(())),
        (b"schl\xfcssel-schl\xfcssel", Ok(())),
        (b"schl\xfcssel-schl\xfcsse", Err(INVALID)),
        (b"schlussel-schlussel", Err(INVALID)),
    ] {
        let value = hyper::header::HeaderValue::from_bytes(given).unwrap();
        let headers = [("x-api-key".parse().unwrap(), value)].into_iter().collect();
        let caller = auth.caller(Door::Token, Credential::ApiKey, &headers);
        assert_eq!(caller.demand(Scope::Write, "tools"), expected, "{given:?}");
    }
}

#[test]
fn a_token_that_stands_there_twice_must_mean_the_same() {
    for (lines, fine) in [
        ("a-token-of-good-length read\na-token-of-good-length read\n", true),
        ("a-token-of-good-length name=a read\na-token-of-good-length\n", false),
        ("a-token-of-good-length\na-token-of-good-length name=a read\n", false),
        ("the-one-of-the-environment read\n", false),
        ("\u{FEFF}a-token-of-good-length read\n", true),
    ] {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        write!(file, "{lines}").unwrap();
        let secret = Secret::new("the-one-of-the-environment").unwrap();
        let files = vec![file.path().to_path_buf()];
        let opened = Auth::open(&TokenSources { environment: vec![("TOKEN", secret)], files });
        assert_eq!(opened.is_ok(), fine, "{lines}");
    }
}
