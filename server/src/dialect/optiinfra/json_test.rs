//! Tests of the reader and writer, against what Go does.

use super::*;

#[derive(Default)]
struct Probe {
    text: String,
    port: i64,
    list: Option<Vec<String>>,
    facts: Metadata,
}

impl Fields for Probe {
    const NAME: &'static str = "Probe";

    fn set(&mut self, field: &str, value: Raw<'_>) -> Result<(), Mismatch> {
        match field {
            "status" => self.text.set(value),
            "port" => self.port.set(value),
            "list" => self.list.set(value),
            "facts" => self.facts.set(value),
            _ => Ok(()),
        }
    }
}

fn refused(body: &[u8]) -> String {
    read::<Probe>(body).err().unwrap_or_default()
}

fn facts(json: &str) -> String {
    let probe: Probe = read(format!(r#"{{"facts":{json}}}"#).as_bytes()).ok().unwrap();
    escaped(serde_json::to_string(&probe.facts).unwrap())
}

#[test]
fn what_is_not_json_is_refused_in_gos_words() {
    for (body, message) in [
        ("", "EOF"),
        (" \n", "EOF"),
        ("{", "unexpected EOF"),
        ("{\"a\":\"", "unexpected EOF"),
        ("{\"a\":\"\\u12", "unexpected EOF"),
        ("nul", "unexpected EOF"),
        ("x", "invalid character 'x' looking for beginning of value"),
        ("\u{FEFF}{}", "invalid character 'ï' looking for beginning of value"),
        ("{\"a\":1,}", "invalid character '}' looking for beginning of object key string"),
        ("{\"a\" 1}", "invalid character '1' after object key"),
        ("{\"a\":1 2}", "invalid character '2' after object key:value pair"),
        ("[1 2]", "invalid character '2' after array element"),
        ("[1,]", "invalid character ']' looking for beginning of value"),
        ("{\"a\":\"\tb\"}", "invalid character '\\t' in string literal"),
        ("{\"a\":\"\u{1}b\"}", "invalid character '\\x01' in string literal"),
        ("{\"a\":\"\\x\"}", "invalid character 'x' in string escape code"),
        ("{\"a\":\"\\u1g\"}", "invalid character 'g' in \\u hexadecimal character escape"),
        ("[-x]", "invalid character 'x' in numeric literal"),
        ("[1.x]", "invalid character 'x' after decimal point in numeric literal"),
        ("[1e\"]", "invalid character '\"' in exponent of numeric literal"),
        ("trve", "invalid character 'v' in literal true (expecting 'u')"),
        ("['a']", "invalid character '\\'' looking for beginning of value"),
    ] {
        assert_eq!(refused(body.as_bytes()), message, "{body}");
    }
}

#[test]
fn what_has_the_wrong_type_is_refused_with_its_field() {
    for (body, found) in [
        ("[]", "array into Go value of type registry.Probe"),
        ("\"x\"", "string into Go value of type registry.Probe"),
        ("5", "number into Go value of type registry.Probe"),
        (r#"{"status":5}"#, "number into Go struct field Probe.status of type string"),
        (r#"{"STATUS":{}}"#, "object into Go struct field Probe.status of type string"),
        (r#"{"port":"1"}"#, "string into Go struct field Probe.port of type int"),
        (r#"{"port":true}"#, "bool into Go struct field Probe.port of type int"),
        (r#"{"port":1.0}"#, "number 1.0 into Go struct field Probe.port of type int"),
        (r#"{"port":1e3}"#, "number 1e3 into Go struct field Probe.port of type int"),
        (
            r#"{"port":9223372036854775808}"#,
            "number 9223372036854775808 into Go struct field Probe.port of type int",
        ),
        (r#"{"list":"x"}"#, "string into Go struct field Probe.list of type []string"),
        (r#"{"list":[1]}"#, "number into Go struct field Probe.list of type string"),
        (
            r#"{"facts":[]}"#,
            "array into Go struct field Probe.facts of type map[string]interface {}",
        ),
        (
            r#"{"facts":{"a":[1e400]}}"#,
            "number 1e400 into Go struct field Probe.facts of type float64",
        ),
        (r#"{"port":"a","list":"b"}"#, "string into Go struct field Probe.port of type int"),
    ] {
        assert_eq!(refused(body.as_bytes()), format!("json: cannot unmarshal {found}"), "{body}");
    }
    // What is not JSON comes before what has the wrong type.
    assert_eq!(refused(br#"{"port":"a","list":"#), "unexpected EOF");
}

#[test]
fn fields_are_found_in_any_case_and_the_last_value_counts_unless_it_is_null() {
    for (body, text, port) in [
        ("null", "", 0),
        ("{} trailing", "", 0),
        (r#"{"status":"a"}{"status":"b"}"#, "a", 0),
        (r#"{"Status":"a","STATUS":"b","pOrT":7}"#, "b", 7),
        (r#"{"ſtatuſ":"a"}"#, "a", 0),
        (r#"{"status":"a","status":null,"port":7,"port":null}"#, "a", 7),
        (r#"{"stat\u0075s":"\ud800\u0041\ud83d\ude00"}"#, "\u{FFFD}A😀", 0),
        (r#"{"port":-0,"other":[{"x":1e400}]}"#, "", 0),
        (r#"{"port":-9223372036854775808}"#, "", i64::MIN),
    ] {
        let probe: Probe = read(body.as_bytes()).ok().unwrap();
        assert_eq!((&*probe.text, probe.port), (text, port), "{body}");
    }
    for (body, list) in [
        (r#"{"list":null}"#, None),
        (r#"{"list":[]}"#, Some(vec![])),
        (r#"{"list":["a",null,"a"]}"#, Some(vec!["a", "", "a"])),
        (r#"{"list":["a"],"list":["b"]}"#, Some(vec!["b"])),
        (r#"{"list":["a"],"list":null}"#, None),
    ] {
        let probe: Probe = read(body.as_bytes()).ok().unwrap();
        let expected = list.map(|list| list.into_iter().map(str::to_owned).collect());
        assert_eq!(probe.list, expected, "{body}");
    }
}

#[test]
fn free_facts_are_sorted_and_their_numbers_are_floats() {
    for (sent, kept) in [
        (r#"{"b":1,"a":{"d":[],"c":{}}}"#, r#"{"a":{"c":{},"d":[]},"b":1}"#),
        (r#"{"a":{"x":1},"a":{"y":2}}"#, r#"{"a":{"y":2}}"#),
        (r#"{"a":{"x":1,"x":2}}"#, r#"{"a":{"x":2}}"#),
        (r#"{"a":9007199254740993,"b":12345678901234567890}"#, {
            r#"{"a":9007199254740992,"b":12345678901234567000}"#
        }),
        (r#"{"a":[1.0,-0,1e21,1E-7,0.1,1e20]}"#, {
            r#"{"a":[1,-0,1e+21,1e-7,0.1,100000000000000000000]}"#
        }),
        (r#"{"<&>":"\u2028\u2029\u007f\/"}"#, {
            "{\"\\u003c\\u0026\\u003e\":\"\\u2028\\u2029\u{7f}/\"}"
        }),
        (r#"{"a":null,"b":true}"#, r#"{"a":null,"b":true}"#),
    ] {
        assert_eq!(facts(sent), kept, "{sent}");
    }
    let repeated: Probe = read(br#"{"facts":{"a":1,"b":1},"facts":{"b":2,"c":3}}"#).ok().unwrap();
    assert_eq!(serde_json::to_string(&repeated.facts).unwrap(), r#"{"a":1,"b":2,"c":3}"#);
    let undone: Probe = read(br#"{"facts":{"a":1},"facts":null}"#).ok().unwrap();
    assert!(undone.facts.is_empty());
}

#[test]
fn each_byte_that_is_not_utf8_becomes_one_replacement_character() {
    for (bytes, count) in [(&b"\xFF"[..], 1), (b"\xE2\x82", 2), (b"\xED\xA0\x80", 3)] {
        let body = [b"{\"status\":\"a", bytes, b"z\"}"].concat();
        let probe: Probe = read(&body).ok().unwrap();
        assert_eq!(probe.text, format!("a{}z", "\u{FFFD}".repeat(count)));
    }
}

#[test]
fn nesting_is_bounded() {
    let nested = |levels: usize| {
        format!(r#"{{"facts":{{"a":{}{}}}}}"#, "[".repeat(levels), "]".repeat(levels))
    };
    assert!(read::<Probe>(nested(AGENT_JSON_DEPTH_MAX - 1).as_bytes()).is_ok());
    let message = format!("exceeded max depth of {AGENT_JSON_DEPTH_MAX}");
    assert_eq!(refused(nested(AGENT_JSON_DEPTH_MAX).as_bytes()), message);
    assert_eq!(refused("[{\"a\":".repeat(100_000).as_bytes()), message);
}
