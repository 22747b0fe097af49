//! What goes to stdout; above all `--print-config`: the settings in effect as TOML, each with where
//! it came from.

use std::fmt::Write;
use std::io::{ErrorKind, Write as _, stdout};

use crate::auth::Auth;
use crate::config::{Config, Given, Key, without_password};
use crate::exit::{Code, Failure};

/// Prints what was asked for. Fails where it cannot be kept, as on a full disk; whoever has closed
/// the pipe did not want to know more.
pub fn to_stdout(text: &str) -> Result<(), Failure> {
    let printed = stdout().write_all(text.as_bytes()).and_then(|()| stdout().flush());
    match printed {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::new(Code::Unavailable, format!("cannot print the answer: {error}")))
        }
        _ => Ok(()),
    }
}

/// The text, which is itself a usable configuration file. Never a token: only how many there are.
pub fn print(config: &Config, auth: &Auth) -> String {
    let mut text = String::new();
    for given in &config.given {
        let (name, value) = (given.key.name(), value(given));
        // Writing to a string cannot fail.
        let _ = writeln!(text, "# {}\n{name} = {value} # {}\n", given.key.why(), given.origin);
    }
    let sources: Vec<String> =
        auth.sources().iter().map(|(source, count)| format!("{count} from {source}")).collect();
    let _ = match sources.as_slice() {
        [] => writeln!(text, "# Tokens: none, callers are not checked."),
        some => writeln!(text, "# Tokens: {} ({}).", auth.token_count(), some.join(", ")),
    };
    text
}

fn value(given: &Given) -> String {
    let quoted = |text: &String| toml::Value::String(without_password(text)).to_string();
    let is_list = given.key.default().starts_with('[');
    let is_quoted = given.key.default().starts_with('"');
    match given.values.as_slice() {
        values if is_list => {
            format!("[{}]", values.iter().map(quoted).collect::<Vec<_>>().join(", "))
        }
        [value] if given.key == Key::InsecureNoAuth => {
            let is_on = matches!(value.to_ascii_lowercase().as_str(), "true" | "1" | "yes" | "on");
            is_on.to_string()
        }
        [value] if !is_quoted => value.trim().to_string(),
        values => quoted(&values.join(",")),
    }
}
