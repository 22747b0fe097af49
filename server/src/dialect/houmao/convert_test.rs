//! Tests of what is taken and what is refused, field by field, and of how it is written.

use serde_json::json;

use super::super::wire::canonical;
use super::*;

/// 2026-01-31T23:00:00Z
const WALL: Timestamp = Timestamp(1_769_900_400_000);

/// An active record with everything that one may have.
fn full() -> Value {
    json!({
        "schema_version": 3,
        "agent_name": "HOUMAO-gpu",
        "agent_id": "a1",
        "generation_id": "g1",
        "lifecycle": {
            "state": "active",
            "relaunchable": true,
            "state_updated_at": "2026-01-31T22:59:00+00:00",
            "stopped_at": null,
            "stop_reason": null
        },
        "identity": {"backend": "codex_headless", "tool": "codex"},
        "runtime": {"manifest_path": "/r/manifest.json", "session_root": "/r"},
        "terminal": {"current_session_name": "gpu-1", "last_session_name": "gpu-1"},
        "liveness": {
            "published_at": "2026-01-31T22:59:00+00:00",
            "lease_expires_at": "2026-01-31T23:00:10.5+00:00"
        },
        "gateway": {
            "host": "127.0.0.1", "port": 8080, "state_path": "/g", "protocol_version": "v1"
        },
        "mailbox": {
            "transport": "filesystem", "principal_id": "p", "address": "gpu@host",
            "filesystem_root": "/m", "bindings_version": "1"
        }
    })
}

/// The same session after its end.
fn stopped() -> Value {
    let mut record = full();
    record["lifecycle"]["state"] = json!("stopped");
    record["lifecycle"]["stopped_at"] = json!("2026-01-31T22:59:30Z");
    record["terminal"]["current_session_name"] = Value::Null;
    record["liveness"] = Value::Null;
    record["gateway"] = Value::Null;
    record
}

/// The same as version 2.
fn old() -> Value {
    let full = full();
    json!({
        "schema_version": 2,
        "agent_name": full["agent_name"], "agent_id": "a1", "generation_id": "g1",
        "published_at": full["liveness"]["published_at"],
        "lease_expires_at": full["liveness"]["lease_expires_at"],
        "identity": full["identity"], "runtime": full["runtime"],
        "terminal": {"session_name": "gpu-1"}, "gateway": full["gateway"]
    })
}

fn stalwart() -> Value {
    let mut record = full();
    record["mailbox"] = json!({
        "transport": "stalwart", "principal_id": "p", "address": "a", "bindings_version": "1",
        "jmap_url": "http://u:p@h", "management_url": "m", "login_identity": "l",
        "credential_ref": "c"
    });
    record
}

/// The record with one field changed, or without it.
fn with(mut record: Value, pointer: &str, value: Option<Value>) -> Value {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let fields = record.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    match value {
        Some(value) => fields.insert(name.to_string(), value),
        None => fields.remove(name),
    };
    record
}

fn read(record: &Value) -> Result<Publication, String> {
    let read = Publication::read(record.to_string().as_bytes(), "a1", WALL);
    read.map_err(|refusal| match refusal {
        Refusal::Plain(StatusCode::BAD_REQUEST, detail) => detail,
        other => panic!("{other:?}"),
    })
}

fn refused(record: &Value) -> String {
    read(record).err().unwrap_or_else(|| panic!("taken: {record}"))
}

#[test]
fn a_record_goes_where_it_can_be_found() {
    let publication = read(&full()).unwrap();
    let declared = &publication.declared;
    assert_eq!(publication.key.to_string(), "sessions/a1");
    assert_eq!(publication.generation.as_str(), "g1");
    assert_eq!((&*declared.name, &*declared.role), ("HOUMAO-gpu", "codex"));
    assert_eq!(declared.address, "127.0.0.1:8080".into());
    assert_eq!(&declared.labels["terminal"], "gpu-1");
    assert_eq!(declared.term, Term::For(Ttl::from_ms(10_500)));
    let declared = read(&stopped()).unwrap().declared;
    assert_eq!((declared.state, declared.term), (State::Stopped, Term::Endless));
    assert_eq!((&*declared.address, declared.labels.len()), ("gpu-1", 0));
}

#[test]
fn a_lease_ends_after_now_and_one_that_outlasts_all_others_never() {
    let expires = |at: &str| {
        let record = with(full(), "/liveness/lease_expires_at", Some(json!(at)));
        read(&record).map(|publication| publication.declared.term)
    };
    let until = |ms| Ok(Term::For(Ttl::from_ms(ms)));
    assert_eq!(expires("2026-01-31T23:00:00.001Z"), until(1));
    assert_eq!(expires("2026-02-01T00:00:01+01:00"), until(1_000));
    assert_eq!(expires("2027-02-01T23:00:00Z"), until(TTL_MS_MAX));
    assert_eq!(expires("2027-02-01T23:00:00.001Z"), Ok(Term::Endless));
    assert_eq!(expires("9999-12-31T23:59:59Z"), Ok(Term::Endless));
    let error = expires("2026-01-31T23:00:00Z").unwrap_err();
    assert_eq!(
        error,
        "lease_expires_at must be in the future: here it is 2026-01-31T23:00:00.000Z"
    );
}

#[test]
fn what_is_optional_may_be_missing_or_null() {
    for pointer in ["/gateway", "/mailbox", "/runtime/session_root", "/lifecycle/stopped_at"] {
        for value in [None, Some(Value::Null)] {
            assert!(read(&with(full(), pointer, value)).is_ok(), "{pointer}");
        }
    }
    for record in [stalwart(), stopped(), old()] {
        assert!(read(&record).is_ok(), "{record}");
    }
    assert!(read(&with(stopped(), "/lifecycle/stop_reason", Some(json!("x")))).is_ok());
    assert!(read(&with(full(), "/generation_id", Some(json!("\u{200B}\u{0}")))).is_ok());
}

#[test]
fn each_wrong_field_is_named_with_what_is_allowed() {
    let retired = with(stopped(), "/lifecycle/state", Some(json!("retired")));
    for (record, pointer, value, expected) in [
        (full(), "/agent_id", json!("a1\n"), "agent_id must be letters, digits"),
        (full(), "/agent_id", json!("a2"), "agent_id must be that of the path, `a1`"),
        (full(), "/agent_name", json!("-a"), "agent_name must be letters"),
        (full(), "/agent_name", json!(" a"), "agent_name must be letters"),
        (full(), "/agent_name", json!("a".repeat(1_025)), "agent_name has 1025 bytes; at most"),
        (full(), "/generation_id", json!("\u{A0}\u{1F}"), "generation_id must not be blank"),
        (full(), "/generation_id", json!("g".repeat(129)), "generation_id has 129 bytes; at most"),
        (full(), "/generation_id", json!(1), "generation_id: invalid type: integer `1`"),
        (full(), "/lifecycle/state", json!("paused"), "lifecycle.state: unknown variant `paused`"),
        (full(), "/lifecycle/relaunchable", json!(1), "lifecycle.relaunchable: invalid type"),
        (retired, "/lifecycle/relaunchable", json!(true), "lifecycle.relaunchable must be false"),
        (full(), "/lifecycle/stopped_at", json!("x"), "lifecycle.stopped_at must be null when"),
        (full(), "/lifecycle/stop_reason", json!("x"), "lifecycle.stop_reason must be null when"),
        (stopped(), "/lifecycle/stopped_at", json!(null), "lifecycle.stopped_at is required"),
        (stopped(), "/lifecycle/stop_reason", json!(" "), "lifecycle.stop_reason must not be"),
        (full(), "/identity/backend", json!("x"), "identity.backend: unknown variant `x`"),
        (full(), "/identity/tool", json!(""), "identity.tool must not be blank"),
        (full(), "/runtime/manifest_path", json!(""), "runtime.manifest_path must not be blank"),
        (full(), "/runtime/session_root", json!(""), "runtime.session_root must not be blank"),
        (full(), "/terminal/kind", json!("screen"), "terminal.kind: unknown variant `screen`"),
        (full(), "/terminal/current_session_name", json!(null), "terminal.current_session_name is"),
        (stopped(), "/terminal/current_session_name", json!("x"), "terminal.current_session_name"),
        (full(), "/terminal/last_session_name", json!("\t"), "terminal.last_session_name must not"),
        (full(), "/liveness", json!(null), "liveness is required here"),
        (stopped(), "/liveness", full()["liveness"].clone(), "liveness must be null when"),
        (stopped(), "/gateway", full()["gateway"].clone(), "gateway must be null when"),
        (full(), "/gateway/host", json!("localhost"), "gateway.host must be 127.0.0.1 or 0.0.0.0"),
        (full(), "/gateway/port", json!(0), "gateway.port must be 1 to 65535"),
        (full(), "/gateway/port", json!(65_536), "gateway.port must be 1 to 65535"),
        (full(), "/gateway/port", json!(80.0), "gateway.port: invalid type: floating point"),
        (full(), "/gateway/protocol_version", json!("v2"), "gateway.protocol_version must be v1"),
        (full(), "/gateway/state_path", json!(" "), "gateway.state_path must not be blank"),
        (full(), "/mailbox/transport", json!("smtp"), "mailbox.transport: unknown variant"),
        (full(), "/mailbox/address", json!(" "), "mailbox.address must not be blank"),
        (full(), "/mailbox/filesystem_root", json!(null), "mailbox.filesystem_root is required"),
        (full(), "/mailbox/jmap_url", json!("x"), "mailbox.jmap_url does not belong to this"),
        (stalwart(), "/mailbox/filesystem_root", json!("x"), "mailbox.filesystem_root does not"),
        (stalwart(), "/mailbox/credential_ref", json!(""), "mailbox.credential_ref must not be"),
    ] {
        let error = refused(&with(record, pointer, Some(value)));
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn what_is_required_is_missed_and_what_is_unknown_refused_at_every_depth() {
    for pointer in [
        "/agent_id",
        "/lifecycle",
        "/lifecycle/state",
        "/identity/tool",
        "/runtime/manifest_path",
        "/terminal/last_session_name",
        "/liveness/published_at",
        "/gateway/host",
        "/mailbox/transport",
    ] {
        let error = refused(&with(full(), pointer, None));
        let name = pointer.rsplit('/').next().unwrap();
        assert!(error.contains(&format!("missing field `{name}`")), "{error}");
    }
    for parent in [
        "",
        "/lifecycle",
        "/identity",
        "/runtime",
        "/terminal",
        "/liveness",
        "/gateway",
        "/mailbox",
    ] {
        let error = refused(&with(full(), &format!("{parent}/secret"), Some(json!("x"))));
        let field = format!("{}.secret", &parent.replace('/', "")).trim_matches('.').to_string();
        assert!(error.starts_with(&format!("{field}: unknown field `secret`")), "{error}");
    }
    for parent in ["", "/terminal"] {
        let error = refused(&with(old(), &format!("{parent}/secret"), Some(json!("x"))));
        assert!(error.contains("unknown field `secret`"), "{error}");
    }
}

#[test]
fn nothing_else_is_taken_for_an_object_or_for_a_word() {
    for (pointer, value, expected) in [
        ("/identity", json!(["cao_rest", "claude"]), "identity must not be a list"),
        ("/identity/backend", json!({"cao_rest": null}), "identity.backend must be neither"),
        ("/agent_id", json!({"a": 1}), "agent_id: invalid type: map"),
    ] {
        let error = refused(&with(full(), pointer, Some(value)));
        assert!(error.starts_with(expected), "{error}");
    }
    assert!(refused(&json!([])).starts_with("the body must be an object"));
}

#[test]
fn times_are_those_that_the_original_can_read() {
    let read_time = |text: &str| {
        let record = with(full(), "/lifecycle/state_updated_at", Some(json!(text)));
        read(&record).map(|_| ())
    };
    for fine in [
        "2026-01-31T23:59:59+00:00",
        "2026-01-31T23:59:59Z",
        "2026-01-31 23:59:59.123456789-11:30",
        "0001-01-01T00:00:00Z",
    ] {
        assert_eq!(read_time(fine), Ok(()), "{fine}");
    }
    for wrong in [
        "",
        "now",
        "2026-01-31",
        "2026-01-31T23:59:59",
        "2026-01-31T23:59:59z",
        "2026-01-31T23:59:60Z",
        "2026-01-31T24:00:00Z",
        "2026-02-30T00:00:00Z",
        "9999-12-31T23:59:59-01:00",
        "0000-12-31T00:00:00Z",
        "10000-01-01T00:00:00Z",
    ] {
        let error = read_time(wrong).unwrap_err();
        assert!(error.starts_with("lifecycle.state_updated_at must be a time with"), "{error}");
    }
    let published = full()["liveness"]["lease_expires_at"].clone();
    let error = refused(&with(full(), "/liveness/published_at", Some(published)));
    assert_eq!(error, "liveness.lease_expires_at must be later than liveness.published_at");
}

#[test]
fn versions_are_told_apart_and_unknown_ones_refused() {
    for version in [json!(1), json!(4), json!(3.0), json!("3"), json!(true), json!(null)] {
        let error = refused(&with(full(), "/schema_version", Some(version)));
        assert_eq!(error, "schema_version must be 3, or 2, which is kept as 3");
    }
    let error = refused(&with(full(), "/schema_version", None));
    assert!(error.starts_with("lifecycle: unknown field"), "{error}");
    assert!(error.ends_with("without schema_version it is read as version 2"), "{error}");
    for (pointer, value) in [("/published_at", "x"), ("/lease_expires_at", "x")] {
        let error = refused(&with(old(), pointer, Some(json!(value))));
        assert!(error.starts_with(&format!("{} must be a time", &pointer[1..])), "{error}");
    }
    let error = refused(&with(old(), "/terminal/session_name", Some(json!(" "))));
    assert_eq!(error, "terminal.session_name must not be blank");
}

#[test]
fn version_2_becomes_version_3() {
    for version in [Some(json!(2)), None] {
        let record = with(old(), "/schema_version", version);
        let read = read_record(record).unwrap();
        let mut expected = with(full(), "/mailbox", Some(Value::Null));
        expected["lifecycle"]["state_updated_at"] = expected["liveness"]["published_at"].clone();
        assert_eq!(read, shaped(expected).unwrap());
    }
    let rootless = read_record(with(old(), "/runtime/session_root", None)).unwrap();
    assert!(!rootless.lifecycle.relaunchable, "nothing to relaunch from");
}

#[test]
fn bodies_that_are_no_record_are_refused() {
    let nested = "[".repeat(100_000);
    let digits = format!("{{\"schema_version\":{}}}", "9".repeat(5_000));
    for body in
        ["", "null", "[]", "1", "{} x", "\u{FEFF}{}", "{\"a\":\"\\ud800\"}", &nested, &digits]
    {
        let read = Publication::read(body.as_bytes(), "a1", WALL);
        assert!(matches!(read, Err(Refusal::Plain(StatusCode::BAD_REQUEST, _))), "{body:.20}");
    }
    let invalid_utf8 = Publication::read(b"{\"a\":\"\xFF\"}", "a1", WALL);
    assert!(invalid_utf8.is_err());
    let repeated = full().to_string().replacen('{', "{\"agent_id\":\"first\",", 1);
    assert!(Publication::read(repeated.as_bytes(), "a1", WALL).is_ok(), "the last one counts");
}

#[test]
fn a_record_is_written_as_python_writes_it() {
    let mut record = with(full(), "/identity/tool", Some(json!("é \u{7F}\u{1F600}\t\"\\/\u{1}")));
    record["gateway"] = Value::Null;
    record["mailbox"] = Value::Null;
    // json.dumps(record, indent=2, sort_keys=True) + "\n"
    let expected = r#"{
  "agent_id": "a1",
  "agent_name": "HOUMAO-gpu",
  "gateway": null,
  "generation_id": "g1",
  "identity": {
    "backend": "codex_headless",
    "tool": "\u00e9 \u007f\ud83d\ude00\t\"\\/\u0001"
  },
  "lifecycle": {
    "relaunchable": true,
    "state": "active",
    "state_updated_at": "2026-01-31T22:59:00+00:00",
    "stop_reason": null,
    "stopped_at": null
  },
  "liveness": {
    "lease_expires_at": "2026-01-31T23:00:10.5+00:00",
    "published_at": "2026-01-31T22:59:00+00:00"
  },
  "mailbox": null,
  "runtime": {
    "agent_def_dir": null,
    "manifest_path": "/r/manifest.json",
    "session_root": "/r"
  },
  "schema_version": 3,
  "terminal": {
    "current_session_name": "gpu-1",
    "kind": "tmux",
    "last_session_name": "gpu-1"
  }
}
"#;
    assert_eq!(canonical(&read_record(record).unwrap()), expected);
}
