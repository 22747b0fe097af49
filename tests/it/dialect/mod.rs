//! The shapes that others already speak: their contracts, replayed to the letter.
//!
//! A conversation is a file in `tests/golden`. It may begin with `# token: T`, and then its server
//! knows that token; with lines `# token-line: T GRANT`, which are its token file; and with
//! `# flags: --a --b`, and then its server is started with them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use support::golden::replay;
use support::process::Setup;

mod houmao;
mod optiinfra;
mod runspec;
mod runspec_client;
mod native;
mod vers;
mod vers_board;
mod vers_feed;

/// One test for each file of a folder of golden conversations, and one that none is forgotten.
macro_rules! conversations {
    ($folder:literal; $($case:ident = $name:literal,)+) => {
        $(
            #[test]
            fn $case() {
                $crate::dialect::tell($folder, $name);
            }
        )+

        #[test]
        fn every_golden_file_is_replayed() {
            $crate::dialect::assert_complete($folder, &[$($name),+]);
        }
    };
}
use conversations;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(name)
}

/// Replays one file against a server of its own.
fn tell(dialect: &str, name: &str) {
    let path = folder(dialect).join(format!("{name}.http"));
    let text = std::fs::read_to_string(&path).unwrap();
    let said = |prefix: &str| text.lines().find_map(|line| line.strip_prefix(prefix));
    let data = tempfile::tempdir().unwrap();
    let mut setup = Setup::new(&data.path().join("store"));
    if let Some(token) = said("# token: ") {
        setup = setup.env("ROLECALL_TOKEN", token);
    }
    let lines: Vec<_> =
        text.lines().filter_map(|line| line.strip_prefix("# token-line: ")).collect();
    let tokens = data.path().join("tokens");
    if !lines.is_empty() {
        std::fs::write(&tokens, lines.join("\n")).unwrap();
        setup = setup.args(&["--token-file", &tokens.display().to_string()]);
    }
    let flags: Vec<_> = said("# flags: ").unwrap_or_default().split_whitespace().collect();
    replay(&path, &setup.args(&flags).start());
}

fn assert_complete(dialect: &str, names: &[&str]) {
    let files = std::fs::read_dir(folder(dialect)).unwrap();
    let files: BTreeSet<_> =
        files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    let expected: BTreeSet<_> = names.iter().map(|name| format!("{name}.http")).collect();
    assert_eq!(files, expected);
}
