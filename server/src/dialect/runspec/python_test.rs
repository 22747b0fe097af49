//! Each expectation is what Python 3.11 does with the same text.

use super::*;

#[test]
fn what_is_no_json_is_told_in_pythons_words() {
    let name = "Expecting property name enclosed in double quotes";
    let open = "Unterminated string starting at";
    for (text, at, why) in [
        ("", 0, "Expecting value"),
        ("  ", 2, "Expecting value"),
        ("nul", 0, "Expecting value"),
        ("-", 0, "Expecting value"),
        ("[1,]", 3, "Expecting value"),
        ("[", 1, "Expecting value"),
        ("{\"a\":", 5, "Expecting value"),
        ("{", 1, name),
        ("{a:1}", 1, name),
        ("{\"a\":1,}", 7, name),
        ("{\"a\" 1}", 5, "Expecting ':' delimiter"),
        ("[1 2]", 3, "Expecting ',' delimiter"),
        ("{\"a\":1", 6, "Expecting ',' delimiter"),
        ("[1.]", 2, "Expecting ',' delimiter"),
        ("01", 1, "Extra data"),
        ("1.", 1, "Extra data"),
        ("1e", 1, "Extra data"),
        ("{\"a\":1}x", 7, "Extra data"),
        ("\"abc", 0, open),
        ("[\"é\",\"a\\", 5, open),
        ("\"a\nb\"", 2, "Invalid control character at"),
        ("\"\\x\"", 1, "Invalid \\escape"),
        ("\"\\u12\"", 2, "Invalid \\uXXXX escape"),
        ("\"é\\u123", 3, "Invalid \\uXXXX escape"),
        ("\"\\u1234", 2, "Invalid \\uXXXX escape"),
    ] {
        assert_eq!(parse(text.as_bytes()), Err(Unreadable::Syntax { at, why }), "{text:?}");
    }
}

#[test]
fn numbers_come_back_as_python_writes_them() {
    for (sent, kept) in [
        ("0", "0"),
        ("-0", "0"),
        ("-0.0", "-0.0"),
        ("1.0", "1.0"),
        ("1e2", "100.0"),
        ("1E+2", "100.0"),
        ("0.1", "0.1"),
        ("1e-7", "1e-7"),
        ("123456789.123456789", "123456789.12345679"),
        ("12345678901234567890123", "12345678901234567890123"),
        ("1e999", "null"),
        ("-1e999", "null"),
        ("NaN", "null"),
        ("[Infinity, -Infinity]", "[null,null]"),
    ] {
        assert_eq!(parse(sent.as_bytes()).unwrap().to_text(), kept, "{sent}");
    }
}

#[test]
fn strings_and_objects_keep_what_can_be_kept() {
    for (sent, kept) in [
        (r#""\ud83d\ude00""#, "\"😀\""),
        (r#""\ud800""#, "\"\u{FFFD}\""),
        (r#""\ud800\u0041\udc00""#, "\"\u{FFFD}A\u{FFFD}\""),
        (r#""\/\u0000\u007f""#, "\"/\\u0000\u{7f}\""),
        (r#" { "b" : 1 , "a" : [ ] , "b" : 2 } "#, r#"{"b":2,"a":[]}"#),
        ("\u{FEFF}{}", "{}"),
    ] {
        assert_eq!(parse(sent.as_bytes()).unwrap().to_text(), kept, "{sent}");
    }
}

#[test]
fn what_python_gives_up_on_is_hopeless() {
    let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    assert!(parse(deep(JSON_DEPTH_MAX).as_bytes()).is_ok());
    let digits = "1".repeat(INTEGER_DIGITS_MAX + 1);
    assert!(parse(&digits.as_bytes()[1..]).is_ok());
    for body in [b"\xFF".as_slice(), b"\"\xFF\"", digits.as_bytes(), deep(200_000).as_bytes()] {
        assert_eq!(parse(body), Err(Unreadable::Hopeless));
    }
}

proptest::proptest! {
    #[test]
    fn no_body_makes_it_panic(body in "[\\[\\]{}\",:\\\\uU0-9eE+. ntfaINé-]{0,40}") {
        if let Ok(value) = parse(body.as_bytes()) {
            let text = value.to_text();
            proptest::prop_assert_eq!(parse(text.as_bytes()), Ok(value), "{}", text);
        }
    }
}
