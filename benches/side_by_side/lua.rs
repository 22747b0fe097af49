//! The scripts that tell wrk what to send: one request again and again, or one made anew each time.

use std::fmt::Write as _;
use std::net::SocketAddr;

use crate::caller::Question;
use crate::population::{ANY, ANY_CODED, NEW, NEW_CODED, digits};

/// What wrk says about a run, in a line of its own.
pub(crate) const REPORT: &str = "measured";

/// What it says when it has begun, as a line of its own.
pub(crate) const BEGUN: &str = "begun\n";

/// A request with more random numbers than this is made ahead, since making it would be most of
/// what is measured. A batch of a thousand heartbeats is one.
const MADE_ANEW_MAX: usize = 8;

/// How many are made ahead.
const MADE_AHEAD: usize = 64;

/// What stands for numbers in a request, and the function that makes them.
const BLANKS: [(&str, &str); 4] =
    [(ANY, "any"), (NEW, "new"), (ANY_CODED, "any64"), (NEW_CODED, "new64")];

/// The numbers that no other run has used: ids of twelve digits, of which the first is 9.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp(pub(crate) u32);

// === impl Stamp ===

impl Stamp {
    /// The number of the first new record of this run, which wrk leaves out.
    fn first(self) -> usize {
        900_000_000_000 + self.0 as usize * 1_000_000
    }
}

/// A request with numbers in its blanks, as an example of all.
pub(crate) fn example(question: &Question, stamp: Stamp) -> Question {
    let fill = |text: &str| {
        let text = text.replace(ANY, &digits(0)).replace(NEW, &digits(stamp.first()));
        // Zeros in base64, and `9` with zeros, which is not what any script makes.
        text.replace(ANY_CODED, "MDAwMDAwMDAwMDAw").replace(NEW_CODED, "OTk5OTk5OTk5OTk5")
    };
    Question { method: question.method, path: fill(&question.path), body: fill(&question.body) }
}

/// The script for a request to this server, with numbers of so many records in its blanks.
pub(crate) fn script(
    address: SocketAddr,
    question: &Question,
    records: usize,
    stamp: Stamp,
) -> String {
    let Question { method, path, body } = question;
    // What stands in a blank has a fixed length, so that the length of the body is known.
    let length = example(question, stamp).body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    );
    let parts = parts(&request);
    let blanks = parts.iter().filter(|part| !part.starts_with('"')).count();
    let seed = stamp.0;
    let mut script = format!("local records, stamp, seed = {records}, {}, {seed}\n", stamp.first());
    script.push_str(NUMBERS);
    let _ = writeln!(script, "local parts = {{ {} }}", parts.join(", "));
    script.push_str(BUILD);
    script.push_str(match blanks {
        0 => "local text = build()\nrequest = function() return text end\n",
        1..=MADE_ANEW_MAX => "request = build\n",
        _ => AHEAD,
    });
    script.push_str(FIRST);
    script.push_str(DONE);
    let script = script.replace("MADE_AHEAD", &MADE_AHEAD.to_string());
    script.replace("REPORT", REPORT).replace("BEGUN", BEGUN.trim_end())
}

/// A text as expressions of Lua: what is fixed in quotes, and the functions for the blanks.
fn parts(text: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut rest = text;
    let next = |rest: &str| {
        let found = BLANKS.iter().filter_map(|blank| Some((rest.find(blank.0)?, *blank)));
        found.min_by_key(|(at, _)| *at)
    };
    while let Some((at, (blank, function))) = next(rest) {
        parts.push(format!("{:?}", &rest[..at]));
        parts.push(function.to_owned());
        rest = &rest[at + blank.len()..];
    }
    parts.push(format!("{rest:?}"));
    parts
}

const NUMBERS: &str = r#"
math.randomseed(seed)
local function twelve(number) return string.format("%012.0f", number) end
local function any() return twelve(math.random(0, records - 1)) end
local function new() stamp = stamp + 1 return twelve(stamp) end

local letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
local function coded(text)
  return (text:gsub("...", function(three)
    local a, b, c = three:byte(1, 3)
    local bits, four = a * 65536 + b * 256 + c, ""
    for _, size in ipairs({ 262144, 4096, 64, 1 }) do
      local at = math.floor(bits / size) % 64 + 1
      four = four .. letters:sub(at, at)
    end
    return four
  end))
end
local function any64() return coded(any()) end
local function new64() return coded(new()) end

"#;

const BUILD: &str = r#"
local function build()
  local text = {}
  for at, part in ipairs(parts) do
    text[at] = type(part) == "function" and part() or part
  end
  return table.concat(text)
end
"#;

const AHEAD: &str = r#"
local ready, at = {}, 0
for each = 1, MADE_AHEAD do ready[each] = build() end
request = function()
  at = at % MADE_AHEAD + 1
  return ready[at]
end
"#;

/// wrk asks for one request to look at, before it begins.
const FIRST: &str = r#"
local send, calls = request, 0
request = function()
  calls = calls + 1
  if calls == 2 then
    io.write("BEGUN\n")
    io.flush()
    request = send
  end
  return send()
end
"#;

const DONE: &str = r#"
done = function(summary, latency)
  local errors = summary.errors
  local broken = errors.connect + errors.read + errors.write + errors.timeout
  io.write(string.format("\nREPORT %.0f %.0f %.0f %.0f %.0f %.0f\n",
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.status, broken))
end
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_at_its_blanks() {
        assert_eq!(
            parts("a {any}\r\n\"{new64}"),
            ["\"a \"", "any", "\"\\r\\n\\\"\"", "new64", "\"\""]
        );
        assert_eq!(parts("plain"), ["\"plain\""]);
    }

    #[test]
    fn an_example_is_as_long_as_what_is_sent() {
        let question = Question::post("/{any}", "{new} {any64} {new64}");
        let example = example(&question, Stamp(7));
        assert_eq!(example.path, "/000000000000");
        assert_eq!(example.body, "900007000000 MDAwMDAwMDAwMDAw OTk5OTk5OTk5OTk5");
        let script = script(([127, 0, 0, 1], 1).into(), &question, 10, Stamp(7));
        assert!(script.contains("Content-Length: 46\\r\\n"), "{script}");
    }
}
