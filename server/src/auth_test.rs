//! Tests of the door: which headers open it, and which token files are usable.

use std::io::Write;

use hyper::header::HeaderValue;

use super::*;

fn auth(tokens: &[&str]) -> Auth {
    let secrets = tokens.iter().filter_map(|token| Secret::new(token));
    let environment = secrets.map(|secret| ("TOKEN", secret)).collect();
    Auth::open(&TokenSources { environment, files: Vec::new() }).unwrap()
}

fn headers(values: &[&str]) -> HeaderMap {
    let value = |text: &&str| (AUTHORIZATION, HeaderValue::from_bytes(text.as_bytes()).unwrap());
    values.iter().map(value).collect()
}

#[test]
fn only_the_exact_token_opens_and_the_scheme_has_no_case() {
    let auth = auth(&["s3cret", "other"]);
    for (given, expected) in [
        (&["Bearer s3cret"][..], Ok(Caller::Known)),
        (&["bearer s3cret"], Ok(Caller::Known)),
        (&["BEARER\ts3cret"], Ok(Caller::Known)),
        (&["Bearer   other"], Ok(Caller::Known)),
        (&[], Err(Denied::Missing)),
        (&[""], Err(Denied::Invalid)),
        (&["Bearer"], Err(Denied::Invalid)),
        (&["Bearer "], Err(Denied::Invalid)),
        (&["Bearers3cret"], Err(Denied::Invalid)),
        (&["Bearer S3cret"], Err(Denied::Invalid)),
        (&["Bearer s3cre"], Err(Denied::Invalid)),
        (&["Bearer s3cret2"], Err(Denied::Invalid)),
        (&["Basic s3cret"], Err(Denied::Invalid)),
        (&["s3cret"], Err(Denied::Invalid)),
        (&["é"], Err(Denied::Invalid)),
        (&["Bearer s3cret", "Bearer s3cret"], Err(Denied::Invalid)),
    ] {
        assert_eq!(auth.check_bearer(&headers(given)), expected, "{given:?}");
    }
}

#[test]
fn without_a_token_any_header_is_ignored() {
    assert_eq!(auth(&[]).check_bearer(&headers(&["nonsense"])), Ok(Caller::Anyone));
    assert_eq!(auth(&["", " \t"]).check_bearer(&headers(&[])), Ok(Caller::Anyone));
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
        assert_eq!(auth.check_bearer(&given), Ok(Caller::Known), "{token}");
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
