//! Hosts as files that two SSH clients import: SuperPuTTY's XML and MobaXterm's bookmarks.
//!
//! Whatever a host calls itself, the files stay well-formed: XML holds no character that XML has
//! none for, and a bookmark stays one line of as many fields as it should have.

use std::fmt::Write;
use std::sync::Arc;

use registry_core::Slot;

use super::wire::first_of_each_host;

/// The sessions as SuperPuTTY imports them.
pub(super) fn superputty(slots: &[Arc<Slot>], user: &str) -> String {
    let mut text = String::from(concat!(
        r#"<?xml version="1.0" encoding="utf-8"?>"#,
        "\n",
        r#"<ArrayOfSessionData xmlns="http://schemas.datacontract.org/2004/07/SuperPuTTY""#,
        r#" xmlns:i="http://www.w3.org/2001/XMLSchema-instance">"#,
        "\n",
    ));
    for slot in first_of_each_host(slots) {
        let declared = &slot.record().declared;
        let (name, host) = (&declared.name, &declared.address);
        text.push_str("  <SessionData>\n");
        for (tag, content) in [
            ("Host", &**host),
            ("Port", "22"),
            ("Proto", "SSH"),
            ("PuttySession", "Default Settings"),
            ("SessionId", &format!("runspec/{name}/{host}")),
            ("SessionName", &format!("{name} ({host})")),
            ("Username", user),
        ] {
            let content = escaped(content);
            writeln!(text, "    <{tag}>{content}</{tag}>").expect("a string takes text");
        }
        text.push_str("  </SessionData>\n");
    }
    text.push_str("</ArrayOfSessionData>");
    text
}

/// The bookmarks as MobaXterm imports them.
pub(super) fn mobaxterm(slots: &[Arc<Slot>], user: &str) -> String {
    let mut text = String::from("[Bookmarks]\nSubRep=runspec\nImgNum=42\n\n");
    let user = field(user);
    for slot in first_of_each_host(slots) {
        let declared = &slot.record().declared;
        let (mut name, host) = (field(&declared.name), field(&declared.address));
        // Such a line would be a section or a comment.
        if name.starts_with(['[', ';']) {
            name.replace_range(..1, "_");
        }
        writeln!(text, "{name} ({host}) =#109#0#{host}#22#{user}##-1#0#0#0#1080##0#0#0#-1#0#0#0#0")
            .expect("a string takes text");
    }
    text
}

/// The text as the content of an XML element. What XML has no character for is U+FFFD.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#x27;"),
            '\t' | '\n' | '\r' => escaped.push(c),
            '\0'..='\u{1F}' | '\u{FFFE}' | '\u{FFFF}' => escaped.push(char::REPLACEMENT_CHARACTER),
            _ => escaped.push(c),
        }
    }
    escaped
}

/// The text without what ends a line, a field or a key.
fn field(text: &str) -> String {
    let ends = |c: char| c.is_control() || matches!(c, '#' | '=' | '\u{2028}' | '\u{2029}');
    text.chars().map(|c| if ends(c) { '_' } else { c }).collect()
}
