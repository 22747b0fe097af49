//! Which of the databases in a store's directory counts, and the steps by which that changes
//! without a moment in which a crash would leave it in two minds.
//!
//! ```text
//! PATH/CURRENT         names the database that counts; any other is a leftover
//! PATH/CURRENT.next    on its way to become CURRENT
//! PATH/sled-000001/    one sled database
//! ```

use std::fs;
use std::io::{self, Write};

use crate::embedded::{Directory, open_private, sync_directory};

const CURRENT: &str = "CURRENT";
const NEXT: &str = "CURRENT.next";
const DATABASE: &str = "sled-";

// === impl Directory: generations ===

impl Directory {
    /// The name of the database that counts; `None` if there is no `CURRENT` yet.
    pub(in crate::sled) fn current(&self) -> io::Result<Option<String>> {
        match fs::read_to_string(self.path().join(CURRENT)) {
            // Earlier builds wrote a second line.
            Ok(text) => Ok(Some(text.lines().next().unwrap_or_default().trim().to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Every database that is there, in order of age.
    pub(in crate::sled) fn databases(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for item in fs::read_dir(self.path())? {
            let name = item?.file_name().to_string_lossy().into_owned();
            if number(&name).is_some() {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// A name for the database that comes after `name`.
    pub(in crate::sled) fn name_after(name: Option<&str>) -> String {
        let number = name.and_then(number).unwrap_or(0) + 1;
        format!("{DATABASE}{number:06}")
    }

    /// Prepares what `CURRENT` will say. Nothing has changed yet.
    pub(in crate::sled) fn stage(&self, database: &str) -> io::Result<()> {
        let mut next = open_private(&self.path().join(NEXT))?;
        next.set_len(0)?;
        writeln!(next, "{database}")?;
        next.sync_all()
    }

    /// Lets `CURRENT` say what was staged.
    ///
    /// After an error nobody can tell which of the two a crash would leave.
    pub(in crate::sled) fn publish(&self) -> io::Result<()> {
        fs::rename(self.path().join(NEXT), self.path().join(CURRENT))?;
        sync_directory(self.path())
    }

    /// Removes what a crash in the middle of a change left behind.
    pub(in crate::sled) fn remove_leftovers(&self, current: &str) -> io::Result<()> {
        for name in self.databases()? {
            if name != current {
                let path = self.path().display();
                tracing::info!(%path, %name, "removing a database that does not count");
                fs::remove_dir_all(self.path().join(name))?;
            }
        }
        match fs::remove_file(self.path().join(NEXT)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

fn number(name: &str) -> Option<u64> {
    name.strip_prefix(DATABASE)?.parse().ok()
}
