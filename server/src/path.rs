//! The path of a request, as decoded segments that a slice pattern can match.

use std::borrow::Cow;

use crate::limits::PATH_SEGMENTS_MAX;

/// A normalised path whose segments are percent-decoded exactly once.
///
/// The rules are those of a browser's URL, because the first original applies them: a backslash
/// is a slash, `.` and `..` (also written `%2e`) are resolved before routing, `a%2Fb` is one
/// segment, `+` is a plus, and an escape that is malformed or not UTF-8 stays as it was written.
/// A path without `%`, `\` and dot segments is not copied.
#[derive(Debug)]
pub(crate) struct Path<'a> {
    text: Cow<'a, str>,
    // Where each segment lies in `text`. Not found by looking for slashes: a decoded segment may
    // contain one.
    bounds: [(u16, u16); PATH_SEGMENTS_MAX],
    count: usize,
    has_empty: bool,
}

/// The segments of a [`Path`], on the stack.
#[derive(Debug)]
pub(crate) struct Segments<'a> {
    list: [&'a str; PATH_SEGMENTS_MAX],
    count: usize,
}

/// Why a path is refused: a byte beyond ASCII that is not percent-encoded.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RawByte;

// === impl Path ===

impl<'a> Path<'a> {
    /// Reads the path of a request target, `/` first; one without it has no segments.
    ///
    /// Fails when it has raw bytes beyond ASCII.
    pub(crate) fn parse(target: &'a str) -> Result<Self, RawByte> {
        if !target.is_ascii() {
            return Err(RawByte);
        }
        Ok(Self::plain(target).unwrap_or_else(|| Self::normalised(target)))
    }

    /// The segments; those beyond [`PATH_SEGMENTS_MAX`] are not among them.
    pub(crate) fn segments(&self) -> Segments<'_> {
        let mut list = [""; PATH_SEGMENTS_MAX];
        for (slot, (start, end)) in list.iter_mut().zip(self.bounds).take(self.count) {
            *slot = &self.text[usize::from(start)..usize::from(end)];
        }
        Segments { list, count: self.count }
    }

    /// Whether a slash is doubled or trails: such a path belongs to no route.
    pub(crate) fn has_empty_segment(&self) -> bool {
        self.has_empty
    }

    /// Reads, in one pass, a path in which nothing is to be decoded or resolved; `None` for others.
    fn plain(target: &'a str) -> Option<Self> {
        let mut path = Self::empty(Cow::Borrowed(target));
        let mut start = None; // what stands before the first slash is no segment
        for (at, byte) in target.bytes().chain([b'/']).enumerate() {
            match (byte, start) {
                (b'%' | b'\\', _) => return None,
                (b'/', Some(start)) if matches!(&target[start..at], "." | "..") => return None,
                (b'/', Some(start)) => path.push(start, at),
                _ => {}
            }
            if byte == b'/' {
                start = Some(at + 1);
            }
        }
        Some(path)
    }

    fn normalised(target: &str) -> Self {
        let mut kept: Vec<&str> = Vec::new();
        let mut segments = target.split(['/', '\\']).skip(1).peekable();
        while let Some(segment) = segments.next() {
            let is_dots = match dots(segment) {
                0 => {
                    kept.push(segment);
                    false
                }
                1 => true,
                _ => {
                    kept.pop();
                    true
                }
            };
            if is_dots && segments.peek().is_none() {
                kept.push(""); // `/a/..` is `/`, and `/a/.` is `/a/`
            }
        }
        let mut text = String::with_capacity(target.len());
        let mut bounds = Vec::with_capacity(kept.len());
        for segment in kept {
            let start = text.len();
            decode_into(&mut text, segment);
            bounds.push((start, text.len()));
        }
        let mut path = Self::empty(Cow::Owned(text));
        for (start, end) in bounds {
            path.push(start, end);
        }
        path
    }

    fn empty(text: Cow<'a, str>) -> Self {
        Self { text, bounds: [(0, 0); PATH_SEGMENTS_MAX], count: 0, has_empty: false }
    }

    fn push(&mut self, start: usize, end: usize) {
        self.has_empty |= start == end;
        // A target has at most `HEADER_BYTES_MAX` bytes, which fits; were it longer, the segment
        // would be left out and no route would match.
        let (Ok(start), Ok(end)) = (u16::try_from(start), u16::try_from(end)) else {
            self.has_empty = true;
            return;
        };
        if let Some(slot) = self.bounds.get_mut(self.count) {
            *slot = (start, end);
            self.count += 1;
        }
    }
}

/// 1 for a segment that means "here", 2 for one that means "up", else 0.
fn dots(segment: &str) -> usize {
    let mut rest = segment;
    let mut count = 0;
    while !rest.is_empty() {
        rest = match rest.as_bytes() {
            [b'.', ..] => &rest[1..],
            [b'%', b'2', b'e' | b'E', ..] => &rest[3..],
            _ => return 0,
        };
        count += 1;
    }
    if count <= 2 { count } else { 0 }
}

/// Appends `segment` with its escapes decoded, one run of escapes at a time: a run that is not
/// UTF-8 is kept as written.
fn decode_into(text: &mut String, segment: &str) {
    let mut rest = segment;
    while let Some(at) = rest.find('%') {
        text.push_str(&rest[..at]);
        let run = escaped_run(&rest.as_bytes()[at..]);
        if run.is_empty() {
            text.push('%');
            rest = &rest[at + 1..];
            continue;
        }
        let end = at + run.len() * 3;
        match std::str::from_utf8(&run) {
            Ok(decoded) => text.push_str(decoded),
            Err(_) => text.push_str(&rest[at..end]),
        }
        rest = &rest[end..];
    }
    text.push_str(rest);
}

/// The bytes of the escapes `%XX%XX…` that `text` begins with.
fn escaped_run(text: &[u8]) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    text.chunks_exact(3)
        .map_while(|chunk| match chunk {
            [b'%', high, low] => Some((digit(*high)? * 16 + digit(*low)?) as u8),
            _ => None,
        })
        .collect()
}

// === impl Segments ===

impl<'a> std::ops::Deref for Segments<'a> {
    type Target = [&'a str];

    fn deref(&self) -> &Self::Target {
        &self.list[..self.count]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments(target: &str) -> Vec<String> {
        let path = Path::parse(target).unwrap();
        let segments = path.segments();
        segments.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn segments_are_decoded_once_and_dots_are_resolved() {
        let table: &[(&str, &[&str])] = &[
            ("/", &[""]),
            ("/registry/vms", &["registry", "vms"]),
            ("/registry/vms/", &["registry", "vms", ""]),
            ("//registry", &["", "registry"]),
            ("/a//b", &["a", "", "b"]),
            ("/vms/a%2Fb", &["vms", "a/b"]),
            ("/vms/a%2520b", &["vms", "a%20b"]),
            ("/vms/a%20b+c", &["vms", "a b+c"]),
            ("/vms/%E6%97%A5%e6%9c%ac", &["vms", "日本"]),
            ("/vms/%zz%4", &["vms", "%zz%4"]),
            ("/vms/%zz%41", &["vms", "%zzA"]),
            ("/vms/%FF", &["vms", "%FF"]),
            ("/vms/x%FFy%41", &["vms", "x%FFyA"]),
            ("/%72egistry/vms", &["registry", "vms"]),
            ("/health/../registry/vms", &["registry", "vms"]),
            ("/health/%2E%2e/registry", &["registry"]),
            ("/health/.%2E/registry", &["registry"]),
            ("/health/..\\registry\\vms", &["registry", "vms"]),
            ("/../../registry", &["registry"]),
            ("/registry/./vms", &["registry", "vms"]),
            ("/registry/vms/.", &["registry", "vms", ""]),
            ("/registry/vms/..", &["registry", ""]),
            ("/registry/vms/%2e", &["registry", "vms", ""]),
            ("/registry/vms/...", &["registry", "vms", "..."]),
            ("/registry/vms/.x", &["registry", "vms", ".x"]),
            ("/registry%2Fvms", &["registry/vms"]),
            ("/a%5Cb", &["a\\b"]),
            ("/a/%2e%2e%2fb", &["a", "../b"]),
            ("", &[]),
            ("*", &[]),
        ];
        for (target, expected) in table {
            assert_eq!(segments(target), *expected, "{target}");
        }
    }

    #[test]
    fn only_a_path_that_needs_it_is_copied() {
        for (target, copied) in
            [("/registry/vms/v-1.2..3", false), ("/a/./b", true), ("/%61", true)]
        {
            let is_owned = matches!(Path::parse(target).unwrap().text, Cow::Owned(_));
            assert_eq!(is_owned, copied, "{target}");
        }
    }

    #[test]
    fn an_empty_segment_is_noticed_wherever_it_is() {
        for (target, empty) in [
            ("/a/b", false),
            ("/a/b/", true),
            ("/a//b", true),
            ("/", true),
            ("/a/b/%2e", true),
            ("/1/2/3/4/5/6/7/8/9/10/11/12/13//14", true),
        ] {
            assert_eq!(Path::parse(target).unwrap().has_empty_segment(), empty, "{target}");
        }
    }

    #[test]
    fn a_raw_byte_beyond_ascii_is_refused() {
        assert_eq!(Path::parse("/vms/é").unwrap_err(), RawByte);
    }

    #[test]
    fn a_path_too_deep_keeps_its_first_segments() {
        let deep = "/registry".to_string() + &"/x".repeat(50);
        assert_eq!(segments(&deep).len(), PATH_SEGMENTS_MAX);
        assert_eq!(segments(&deep)[0], "registry");
    }

    proptest::proptest! {
        #[test]
        fn any_segment_survives_being_encoded(id in "\\PC{1,20}") {
            let encoded: String = id.bytes().map(|byte| format!("%{byte:02X}")).collect();
            proptest::prop_assume!(id != "." && id != "..");
            let target = format!("/vms/{encoded}");
            let path = Path::parse(&target).unwrap();
            proptest::prop_assert_eq!(&path.segments()[..], &["vms", id.as_str()]);
        }
    }
}
