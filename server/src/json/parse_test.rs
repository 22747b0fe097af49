//! Tests of the JSON reader and writer, against a table from Node and against serde_json.

use proptest::prelude::*;

use super::super::body_text;
use super::*;

/// What `JSON.stringify(JSON.parse(text))` gives.
fn round(text: &str) -> String {
    parse(text).map(|json| json.to_text()).unwrap_or_else(|error| error.to_string())
}

#[test]
fn texts_come_back_as_node_writes_them() {
    for (text, expected) in [
        (" null ", "null"),
        ("1.0", "1"),
        ("12345678901234567890", "12345678901234567000"),
        ("1e400", "null"),
        ("-1e400", "null"),
        ("-0", "0"),
        ("1e21", "1e+21"),
        ("1E-7", "1e-7"),
        ("0.1", "0.1"),
        ("5e-324", "5e-324"),
        ("123456789012345680000", "123456789012345680000"),
        ("9007199254740993", "9007199254740992"),
        (r#""\u00e9\/\b\f\n\r\t\"\\""#, r#""é/\b\f\n\r\t\"\\""#),
        (r#""\u0000\u001f\u007f""#, "\"\\u0000\\u001f\u{7f}\""),
        ("\"\u{2028}\u{2029}\"", "\"\u{2028}\u{2029}\""),
        (r#""\ud83d\ude00""#, "\"😀\""),
        (r#""\ud800""#, "\"\u{FFFD}\""),
        (r#""\udc00x""#, "\"\u{FFFD}x\""),
        (r#""\ud800\ud83d\ude00""#, "\"\u{FFFD}😀\""),
        (r#""\ud800\u0041\ud800\n""#, "\"\u{FFFD}A\u{FFFD}\\n\""),
        (r#"{"b":1,"a":2,"b":3}"#, r#"{"b":3,"a":2}"#),
        (r#"{"b":1,"10":2,"9":3,"a":4,"01":5}"#, r#"{"9":3,"10":2,"b":1,"a":4,"01":5}"#),
        (
            r#"{"x":0,"4294967295":1,"4294967294":2,"-1":3,"1.5":4}"#,
            r#"{"4294967294":2,"x":0,"4294967295":1,"-1":3,"1.5":4}"#,
        ),
        (r#"{"__proto__":1,"":2}"#, r#"{"__proto__":1,"":2}"#),
        ("[ ]", "[]"),
        ("{ }", "{}"),
        ("[1 , [2,{\"a\" : []}]]", "[1,[2,{\"a\":[]}]]"),
    ] {
        assert_eq!(round(text), expected, "{text}");
    }
}

#[test]
fn what_node_refuses_is_refused_where_it_goes_wrong() {
    for (text, at) in [
        ("", 0),
        ("{", 1),
        ("{} x", 3),
        ("[1,]", 3),
        ("{\"a\":1,}", 7),
        ("{a:1}", 1),
        ("'a'", 0),
        ("01", 1),
        ("1.", 2),
        (".5", 0),
        ("+1", 0),
        ("1e", 2),
        ("-", 1),
        ("NaN", 0),
        ("tru", 3),
        ("\"a", 2),
        ("\"a\nb\"", 2),
        ("\"\\x\"", 2),
        ("\"\\u12g4\"", 5),
        ("\"\\u12", 5),
        ("\"\\ud800\\u12\"", 11),
        ("\u{a0}1", 0),
        ("\u{FEFF}1", 0),
    ] {
        assert_eq!(round(text), format!("not valid JSON at byte {at}"), "{text}");
    }
}

#[test]
fn nesting_is_bounded_and_the_bound_is_exact() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert!(parse(&nested(JSON_DEPTH_MAX)).is_ok());
    assert!(parse(&nested(JSON_DEPTH_MAX + 1)).is_ok(), "the innermost is empty");
    let too_deep = Err(JsonError::TooDeep { depth_max: JSON_DEPTH_MAX });
    assert_eq!(parse(&nested(JSON_DEPTH_MAX + 2)), too_deep);
    assert_eq!(parse(&"[{\"a\":".repeat(100_000)), too_deep);
}

#[test]
fn bytes_of_a_body_become_text_as_node_decodes_them() {
    assert_eq!(body_text(b"\xEF\xBB\xBF{}"), "{}");
    assert_eq!(body_text(b"\xEF\xBB\xBF\xEF\xBB\xBF{}"), "\u{FEFF}{}");
    assert_eq!(body_text(b"\"a\xFFb\xE2\x82\""), "\"a\u{FFFD}b\u{FFFD}\"");
}

#[test]
fn many_members_are_read_in_time_and_repeats_still_found() {
    let member = |n: usize| format!("\"k{n}\":{n}");
    let all: Vec<String> = (0..50_000).chain([7, 49_999]).map(member).collect();
    let text = format!("{{{}}}", all.join(","));
    let Json::Object(object) = parse(&text).unwrap() else {
        panic!("an object was written");
    };
    assert_eq!(object.members().len(), 50_000);
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(text in "[\\[\\]{}\",:0-9eE+.\\-\\\\utrfalsn \u{e9}]{0,40}") {
        let _ = parse(&text);
    }

    #[test]
    fn it_accepts_what_serde_json_accepts(text in "[\\[\\]{}\",:0-9e.\\-\\\\un ]{0,12}") {
        let theirs = serde_json::from_str::<serde_json::Value>(&text);
        if let Ok(value) = theirs {
            let ours = parse(&text);
            prop_assert!(ours.is_ok(), "{text} is {value}");
        } else if parse(&text).is_ok() {
            // What only we accept: numbers out of range, and lone surrogates.
            prop_assert!(text.contains(['e', 'u']) , "{text}");
        }
    }

    #[test]
    fn what_it_writes_serde_json_reads_back(value in any_json()) {
        let text = value.to_text();
        prop_assert_eq!(parse(&text).unwrap(), value.clone());
        prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{}", text);
    }
}

fn any_json() -> impl Strategy<Value = Json<'static>> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        (-1e300..1e300).prop_map(Json::Number),
        any::<String>().prop_map(|text| Json::String(text.into())),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let object = prop::collection::vec((any::<String>(), inner.clone()), 0..6);
        prop_oneof![
            prop::collection::vec(inner, 0..6).prop_map(Json::Array),
            object.prop_map(|list| {
                Made::object(list.into_iter().map(|(key, value)| (key.into(), value)).collect())
            }),
        ]
    })
}
