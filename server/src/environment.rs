//! The names in the environment that mean something, and a hint about those that almost do.

use std::ffi::OsString;

use crate::config::{Environment, Key};

/// Variables whose value is a token. The second is the name that users of the original know.
pub(crate) const TOKEN_VARIABLES: [&str; 2] = ["ROLECALL_TOKEN", "VERS_AUTH_TOKEN"];

/// Variables of ours that are no settings of the server.
const OTHERS: [&str; 2] = ["ROLECALL_CONFIG", "ROLECALL_BUILD_ID"];

/// The variables as text. One that is not UTF-8 is left out, unless its name is ours: then its
/// name is the error, since to ignore a token would open the door.
pub fn read(variables: impl Iterator<Item = (OsString, OsString)>) -> Result<Environment, String> {
    let mut environment = Environment::new();
    for (name, value) in variables {
        let Ok(name) = name.into_string() else {
            continue;
        };
        match value.into_string() {
            Ok(value) => {
                environment.insert(name, value);
            }
            Err(_) if name.starts_with("ROLECALL_") || TOKEN_VARIABLES.contains(&&*name) => {
                return Err(format!("environment {name} is not UTF-8"));
            }
            Err(_) => {}
        }
    }
    Ok(environment)
}

/// A warning for each `ROLECALL_…` that means nothing, with the nearest name that does.
pub(crate) fn warnings(environment: &Environment) -> Vec<String> {
    let settings = Key::ALL.iter().map(|key| key.variable());
    let others = TOKEN_VARIABLES.iter().chain(&OTHERS).map(ToString::to_string);
    let known: Vec<String> = settings.chain(others).collect();
    let ours = environment.keys().filter(|name| name.starts_with("ROLECALL_"));
    let unknown = ours.filter(|name| !known.contains(name) && !name.starts_with("ROLECALL_TEST_"));
    let hint = |name: &String| {
        let nearest = known.iter().min_by_key(|known| distance(name, known));
        let nearest = nearest.map(String::as_str).unwrap_or_default();
        format!("environment {name} means nothing here; did you mean {nearest}?")
    };
    unknown.map(hint).collect()
}

/// How many letters must be added, removed or changed to get from one word to the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let change = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_almost_right_gets_the_right_one() {
        let names = ["ROLECALL_LISTN", "ROLECALL_TOKENFILE", "ROLECALL_STORE", "ROLECALL_TEST_X"];
        let environment = names.map(|name| (name.to_string(), "x".to_string())).into();
        let warnings = warnings(&environment);
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert!(warnings[0].ends_with("did you mean ROLECALL_LISTEN?"), "{warnings:?}");
        assert!(warnings[1].ends_with("did you mean ROLECALL_TOKEN_FILE?"), "{warnings:?}");
    }

    #[test]
    fn the_distance_counts_letters() {
        for (from, to, letters) in [("", "abc", 3), ("abc", "abc", 0), ("abc", "axcd", 2)] {
            assert_eq!(distance(from, to), letters, "{from} {to}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_token_that_is_not_text_is_an_error_not_an_open_door() {
        use std::os::unix::ffi::OsStringExt;
        let broken = || OsString::from_vec(vec![0xFF]);
        assert!(read([("VERS_AUTH_TOKEN".into(), broken())].into_iter()).is_err());
        assert_eq!(read([("OTHER".into(), broken())].into_iter()), Ok(Environment::new()));
    }
}
