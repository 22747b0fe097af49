//! What JavaScript does to strings and values in sentences: `trim()` and `String(value)`.

use super::Json;

/// Strips what `String.prototype.trim` strips: U+FEFF and no-break spaces too, but not U+0085.
pub(crate) fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| c == '\u{FEFF}' || (c != '\u{85}' && c.is_whitespace()))
}

/// `String(value)`, for messages that quote what was sent; `None` is `undefined`.
pub(crate) fn display(value: Option<&Json<'_>>) -> String {
    match value {
        None => "undefined".to_string(),
        Some(Json::String(text)) => text.to_string(),
        Some(Json::Object(_)) => "[object Object]".to_string(),
        Some(Json::Array(elements)) => elements.iter().map(element).collect::<Vec<_>>().join(","),
        Some(Json::Number(number)) => ryu_js::Buffer::new().format(*number).to_string(),
        Some(Json::Null) => "null".to_string(),
        Some(Json::Bool(value)) => value.to_string(),
    }
}

/// An element as `Array.prototype.join` writes it: null is nothing.
fn element(value: &Json<'_>) -> String {
    match value {
        Json::Null => String::new(),
        other => display(Some(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse;

    #[test]
    fn trim_strips_what_javascript_strips() {
        let stripped = "\t\n\u{b}\u{c}\r \u{a0}\u{1680}\u{2000}\u{200a}\u{2028}\u{2029}\u{202f}\
                        \u{205f}\u{3000}\u{feff}";
        assert_eq!(trim(&format!("{stripped}a b{stripped}")), "a b");
        for kept in ["\u{85}", "\u{200b}", "\u{180e}", "\u{0}", "\u{1f}"] {
            assert_eq!(trim(kept), kept, "{kept:?}");
        }
        assert_eq!(trim(stripped), "");
    }

    #[test]
    fn values_are_displayed_as_javascript_does() {
        assert_eq!(display(None), "undefined");
        for (text, expected) in [
            ("null", "null"),
            ("true", "true"),
            ("1.50", "1.5"),
            ("-0", "0"),
            ("1e400", "Infinity"),
            ("\" a \"", " a "),
            ("{\"a\":1}", "[object Object]"),
            ("[]", ""),
            ("[\"worker\"]", "worker"),
            ("[1,null,[2,[null]],{}]", "1,,2,,[object Object]"),
        ] {
            assert_eq!(display(Some(&parse(text).unwrap())), expected, "{text}");
        }
    }

    #[test]
    fn truth_is_javascripts() {
        for (text, truthy) in [
            ("null", false),
            ("false", false),
            ("0", false),
            ("-0", false),
            ("\"\"", false),
            ("\"0\"", true),
            ("[]", true),
            ("{}", true),
            ("1e400", true),
        ] {
            assert_eq!(parse(text).unwrap().is_truthy(), truthy, "{text}");
        }
    }
}
