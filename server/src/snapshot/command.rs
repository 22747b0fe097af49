//! What is done with the file of a snapshot: look into it, check it, restore it.

use std::fs::File;
use std::io::{BufReader, Write};
use std::path::Path;

use backends::snapshot::{Contents, Reader, SnapshotError};
use registry_core::store::{Records, StoreError};
use serde_json::json;

use super::{Regular, file};
use crate::args::{InspectFlags, RestoreFlags, VerifyFlags};
use crate::exit::{Code, Failure};
use crate::print::to_stdout;
use crate::timestamp::push_timestamp;

/// A store that is being filled says how far it is after so many records.
const PROGRESS_RECORDS: u64 = 250_000;

/// `snapshot inspect`: what it is of, and how many records each role has.
pub fn inspect(flags: &InspectFlags) -> Result<(), Failure> {
    let contents = read(&flags.file)?;
    let text = if flags.json { as_json(&contents) } else { as_table(&flags.file, &contents) };
    to_stdout(&text)
}

/// `snapshot verify`: whether it can be restored.
pub fn verify(flags: &VerifyFlags) -> Result<(), Failure> {
    let contents = read(&flags.file)?;
    to_stdout(&format!("sound: {}\n", summary(&contents)))
}

/// `restore`: fills a store that is not there yet, or empty.
pub fn restore(flags: &RestoreFlags) -> Result<(), Failure> {
    // The whole of it first: a store is only begun for a snapshot that will fill it.
    let contents = read(&flags.file)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(Code::Internal, error))?;
    runtime.block_on(fill(flags))?;
    to_stdout(&format!(
        "restored {} into {}\nserve it with: rolecall --store {}\n",
        summary(&contents),
        flags.store,
        flags.store
    ))
}

async fn fill(flags: &RestoreFlags) -> Result<(), Failure> {
    let store = backends::open(&flags.store)
        .await
        .map_err(|error| Failure::new(Code::of_store(&error), error))?;
    if !store.capabilities().durable {
        let text = format!(
            "{} would forget it at once; restore into sled:PATH or fjall:PATH",
            flags.store
        );
        return Err(Failure::new(Code::Usage, text));
    }
    let reader = open(&flags.file)?;
    let loaded = reader.loaded();
    let records = (1..).zip(reader).map(|(number, record)| {
        if number % PROGRESS_RECORDS == 0 {
            let _nobody_looks = writeln!(std::io::stderr(), "{number} records");
        }
        record.map_err(Into::into)
    });
    let records: Records = Box::new(records);
    let restored = store.restore(records, loaded).await;
    let closed = store.close().await;
    restored.map_err(|error| match error {
        StoreError::NotDone(reason) => {
            let text = format!(
                "nothing was restored into {}: {reason}; choose another --store, and start the \
                 server with that",
                flags.store
            );
            Failure::new(Code::Usage, text)
        }
        error => Failure::new(Code::Unavailable, error),
    })?;
    closed.map_err(|error| Failure::new(Code::Unavailable, error))
}

/// What to say of a store that cannot be read: which snapshot to restore, and how. Nothing where
/// none are taken, or none is sound.
pub fn way_back(regular: Option<&Regular>, store: &str) -> String {
    let latest = regular.and_then(|regular| file::latest_sound(&regular.directory));
    let Some(latest) = latest else { return String::new() };
    let latest = quoted(&latest.display().to_string());
    let place = quoted(&format!("{}.restored", store.split('?').next().unwrap_or_default()));
    format!(
        "\nthe latest snapshot is {latest}; to go on from there:\n  \
         rolecall restore {latest} --store {place}"
    )
}

/// As a shell takes it for one word.
fn quoted(text: &str) -> String {
    let is_plain = |character: char| character.is_alphanumeric() || "_./:=-".contains(character);
    if text.chars().all(is_plain) {
        text.into()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

fn open(path: &Path) -> Result<Reader<BufReader<File>>, Failure> {
    let file = File::open(path).map_err(|error| {
        let text = format!("the snapshot {} cannot be opened: {error}", path.display());
        Failure::new(Code::of_io(&error, Code::Usage), text)
    })?;
    Reader::open(BufReader::new(file)).map_err(|error| unsound(path, &error))
}

fn read(path: &Path) -> Result<Contents, Failure> {
    open(path)?.verify().map_err(|error| unsound(path, &error))
}

fn unsound(path: &Path, error: &SnapshotError) -> Failure {
    let code = if matches!(error, SnapshotError::Io(_)) { Code::Unavailable } else { Code::Data };
    Failure::new(code, format!("the snapshot {}: {error}", path.display()))
}

fn summary(contents: &Contents) -> String {
    let Contents { records, loaded, .. } = contents;
    let revision = loaded.revision.0;
    format!("{records} records as of revision {revision}, taken at {}", taken(contents))
}

fn taken(contents: &Contents) -> String {
    let mut text = String::new();
    push_timestamp(&mut text, contents.loaded.mark.unwrap_or_default().wall);
    text
}

fn as_table(path: &Path, contents: &Contents) -> String {
    let Contents { written_by, records, bytes, roles, loaded } = contents;
    let (path, revision, taken) = (path.display(), loaded.revision.0, taken(contents));
    let mut text = format!(
        "snapshot    {path}\nrevision    {revision}\ntaken at    {taken}\n\
         written by  {written_by}\nrecords     {records} in {bytes} bytes\n"
    );
    let width = |of: fn(&(String, String)) -> &str, title: &str| {
        roles.keys().map(|place| of(place).chars().count()).chain([title.len()]).max().unwrap_or(0)
    };
    let names = width(|(namespace, _)| namespace, "NAMESPACE");
    let of_roles = width(|(_, role)| role, "ROLE");
    if !roles.is_empty() {
        text += &format!("\n{:names$}  {:of_roles$}  RECORDS\n", "NAMESPACE", "ROLE");
    }
    for ((namespace, role), count) in roles {
        let role = role.escape_debug().to_string();
        text += &format!("{namespace:names$}  {role:of_roles$}  {count:7}\n");
    }
    text
}

fn as_json(contents: &Contents) -> String {
    let Contents { written_by, records, bytes, roles, loaded } = contents;
    let roles = roles.iter().map(|((namespace, role), records)| {
        json!({"namespace": namespace, "role": role, "records": records})
    });
    let all = json!({
        "revision": loaded.revision.0,
        "taken_at": taken(contents),
        "written_by": written_by,
        "records": records,
        "bytes": bytes,
        "roles": roles.collect::<Vec<_>>(),
    });
    format!("{all}\n")
}
