//! What a crash left at the end of fjall's journal, and what is no crash's doing.
//!
//! Fjall cuts its journal at the first thing that it cannot read, whatever stands behind it, and
//! refuses for ever one in which a batch has its length but not its content. A loss of power may
//! leave either at the very end, since the pages of a batch reach the disk in any order: nobody was
//! told of that batch, so it can go. Anything else of the kind is damage. So the journals are read
//! here before fjall sees them, and where what was confirmed cannot be read, nothing is changed.
//!
//! | entry | bytes; numbers are little-endian |
//! |---|---|
//! | start | 1; number of rows: 4; sequence: 8 |
//! | row | 2; kind, compression: 1, 1; keyspace: 8; sizes of key, value, packed: 2, 4, 4; both |
//! | end | 3; checksum of the rows: 8; `FJL` 3 |
//!
//! Behind the last batch there are zeros.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use registry_core::Revision;
use xxhash_rust::xxh3::Xxh3;

use super::layout::{Damage, HEAD_ROW, Head};
use crate::embedded::{Failure, Note};

/// The version that is read here. What fjall makes of another it says itself.
const VERSION: &[u8] = b"FJL\x03";

const START: u8 = 1;
const START_BYTES: usize = 1 + 4 + 8;
const ROW: u8 = 2;
const ROW_BYTES: usize = 1 + 1 + 1 + 8 + 2 + 4 + 4;
const END: u8 = 3;

/// A journal, as far as it can be read.
struct Journal {
    /// The latest revision in it.
    revision: Option<Revision>,
    /// Bytes of the batches that are whole.
    whole: u64,
    /// What follows them, but for zeros at its end.
    rest: Vec<u8>,
}

/// Where entries are read from, and how many bytes are left there.
struct Source<R> {
    from: R,
    left: u64,
}

/// Takes away what a crash left half written at the end of the journals in `path`.
///
/// Fails, with nothing changed, if a part of them is damaged, or if they end before `note`.
pub(super) fn mend(path: &Path, note: Option<Note>) -> Result<(), Failure> {
    if fs::read(path.join("version"))? != VERSION {
        return Ok(());
    }
    let numbers = numbers(path)?;
    // Fjall would begin an empty one, and drop what it finds in none.
    if numbers.is_empty() && note.is_some_and(|note| note.revision > Revision(0)) {
        return Err(Damage::of_file("fjall", "has no journal").into());
    }
    let mut revision = None;
    for number in &numbers {
        let name = format!("{number}.jnl");
        let mut file = File::options().read(true).write(true).open(path.join(&name))?;
        let journal = Journal::read(&mut file)?;
        revision = journal.revision.or(revision);
        if journal.rest.is_empty() {
            continue;
        }
        let at = journal.whole;
        if Some(number) != numbers.last() || journal.goes_on() {
            let reason = format!("is damaged at byte {at}, and goes on behind that");
            return Err(Damage::of_file(&format!("fjall/{name}"), reason).into());
        }
        if let (Some(note), Some(revision)) = (note, revision) {
            note.check(revision)?;
        }
        tracing::warn!(
            path = %path.display(), %name, at,
            "removing what a crash left half written at the end of the journal"
        );
        file.set_len(at)?;
        file.sync_all()?;
    }
    Ok(())
}

/// Of the journals that are there, in order.
fn numbers(path: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for item in fs::read_dir(path)? {
        let name = item?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".jnl")?.parse::<u64>().ok());
        numbers.extend(number);
    }
    numbers.sort_unstable();
    Ok(numbers)
}

// === impl Journal ===

impl Journal {
    fn read(file: &mut File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        let mut source = Source { from: BufReader::new(&*file), left: length };
        let (mut revision, mut whole) = (None, 0);
        loop {
            match source.batch() {
                Ok(found) => {
                    revision = found.or(revision);
                    whole = length - source.left;
                }
                Err(error) if is_end(&error) => break,
                Err(error) => return Err(error),
            }
        }
        file.seek(SeekFrom::Start(whole))?;
        Ok(Self { revision, whole, rest: without_zeros(file)? })
    }

    /// Whether there is a whole batch behind what cannot be read.
    fn goes_on(&self) -> bool {
        (1..self.rest.len()).any(|at| {
            let from = &self.rest[at..];
            from[0] == START && Source { from, left: from.len() as u64 }.batch().is_ok()
        })
    }
}

/// Everything up to the last byte that is not zero. A journal has its full length from the
/// beginning, so most of it may be zeros: they are not kept.
fn without_zeros(from: &mut impl Read) -> io::Result<Vec<u8>> {
    static NONE: [u8; 65_536] = [0; 65_536];
    let (mut all, mut zeros, mut some) = (Vec::new(), 0, NONE.to_vec());
    loop {
        let read = from.read(&mut some)?;
        let some = &some[..read];
        if read == 0 {
            return Ok(all);
        }
        if some == &NONE[..read] {
            zeros += read;
            continue;
        }
        let last = some.iter().rposition(|byte| *byte != 0).unwrap_or(0);
        all.resize(all.len() + zeros, 0);
        all.extend_from_slice(&some[..=last]);
        zeros = read - last - 1;
    }
}

/// Whether it is the journal that ends, and not the reading of it that failed.
fn is_end(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}

// === impl Source ===

impl<R: Read> Source<R> {
    /// Reads a whole batch; the revision in it, if there is one.
    fn batch(&mut self) -> io::Result<Option<Revision>> {
        let [START, start @ ..] = self.array::<START_BYTES>()? else { return Err(wrong()) };
        let [a, b, c, d, _sequence @ ..] = start;
        let (mut hash, mut revision) = (Xxh3::new(), None);
        for _ in 0..u32::from_le_bytes([a, b, c, d]) {
            let row = self.array::<ROW_BYTES>()?;
            // A compressed value has another length than the one after it: we write none.
            let [ROW, _kind, 0, lengths @ ..] = row else { return Err(wrong()) };
            let [.., k0, k1, v0, v1, v2, v3, _, _, _, _] = lengths;
            let key = self.bytes(u16::from_le_bytes([k0, k1]).into())?;
            let value = self.bytes(u32::from_le_bytes([v0, v1, v2, v3]))?;
            [&row[..], &key, &value].iter().for_each(|part| hash.update(part));
            if key == HEAD_ROW {
                revision = Head::read(&value).ok().map(|head| head.revision);
            }
        }
        let [END, sum @ ..] = self.array::<9>()? else { return Err(wrong()) };
        let is_whole = u64::from_le_bytes(sum) == hash.digest() && self.array::<4>()? == VERSION;
        if is_whole { Ok(revision) } else { Err(wrong()) }
    }

    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut array = [0; N];
        self.from.read_exact(&mut array)?;
        self.left = self.left.saturating_sub(N as u64);
        Ok(array)
    }

    fn bytes(&mut self, length: u32) -> io::Result<Vec<u8>> {
        if u64::from(length) > self.left {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut bytes = vec![0; length as usize];
        self.from.read_exact(&mut bytes)?;
        self.left -= u64::from(length);
        Ok(bytes)
    }
}

fn wrong() -> io::Error {
    io::ErrorKind::InvalidData.into()
}
