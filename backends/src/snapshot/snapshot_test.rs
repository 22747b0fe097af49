//! What was written is read back the same; what is not whole is not read.

use std::io::BufReader;

use proptest::prelude::*;
use registry_core::store::{Loaded, Stored};
use registry_core::testkit::fixture::{awkward_keys, beat, mark};
use registry_core::{Key, Revision, limits};

use super::*;

const LOADED: Loaded = Loaded { revision: Revision(9_000), mark: None };

fn loaded() -> Loaded {
    Loaded { mark: Some(mark(7)), ..LOADED }
}

/// A body that a registry understands.
fn body(document: &str) -> Vec<u8> {
    let document = serde_json::to_string(document).unwrap();
    let text = format!(
        r#"{{"v":1,"generation":"g","registered_at":5,"state":"running","role":"r",
            "document":{document}}}"#
    );
    // On one line, as bodies are.
    text.replace("\n            ", "").into_bytes()
}

fn records() -> Vec<Stored> {
    let record = |(n, key): (u64, _)| Stored {
        key,
        created: Revision(2 * n + 1),
        modified: Revision(2 * n + 2),
        body: body(&"say \"hi\"\n🦀".repeat(n as usize)),
        beat: beat(n),
    };
    (0..).zip(awkward_keys()).map(record).collect()
}

fn written(records: Vec<Stored>) -> Vec<u8> {
    let mut out = Vec::new();
    let written = write(&mut out, loaded(), records.into_iter(), "a test").unwrap();
    assert_eq!(written.bytes, out.len() as u64);
    out
}

fn read(bytes: &[u8]) -> Result<Vec<Stored>, SnapshotError> {
    Reader::open(bytes)?.collect()
}

fn verify(bytes: &[u8]) -> Result<Contents, SnapshotError> {
    Reader::open(bytes)?.verify()
}

/// The same, with a last line that is right for what stands before it.
fn sealed(bytes: &[u8]) -> Vec<u8> {
    let tail = bytes.windows(TAIL_START.len()).rposition(|part| part == TAIL_START).unwrap();
    let sum = hex(Sha256::new_with_prefix(&bytes[..tail]));
    let records = bytes[..tail].iter().filter(|byte| **byte == b'\n').count() - 1;
    let end = format!("{{\"end\":{{\"records\":{records},\"sha256\":\"{sum}\"}}}}\n");
    [&bytes[..tail], end.as_bytes()].concat()
}

#[test]
fn what_was_written_is_read_back_the_same() {
    for records in [Vec::new(), records()] {
        let bytes = written(records.clone());
        let reader = Reader::open(BufReader::with_capacity(7, &bytes[..])).unwrap();
        assert_eq!(reader.loaded(), loaded());
        let found: Vec<_> = reader.map(Result::unwrap).collect();
        assert!(found == records);
    }
}

#[test]
fn the_largest_record_fits_in_a_line() {
    let mut record = records().remove(0);
    record.key =
        Key::new(&"n".repeat(limits::NAMESPACE_BYTES_MAX), &"\u{1}".repeat(limits::ID_BYTES_MAX))
            .unwrap();
    let overhead = body("").len();
    record.body = body(&"x".repeat(limits::RECORD_BYTES_MAX - overhead));
    assert_eq!(record.body.len(), limits::RECORD_BYTES_MAX);
    assert!(read(&written(vec![record.clone()])).unwrap() == [record]);
}

#[test]
fn a_snapshot_cut_short_anywhere_is_refused() {
    let bytes = written(records().into_iter().take(3).collect());
    for length in 0..bytes.len() {
        let refused = read(&bytes[..length]).unwrap_err();
        match refused {
            SnapshotError::NotASnapshot | SnapshotError::CutShort { .. } => {}
            other => panic!("{length} of {} bytes: {other}", bytes.len()),
        }
    }
}

#[test]
fn each_way_to_be_wrong_is_told() {
    let text = String::from_utf8(written(records())).unwrap();
    let with = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        sealed(text.replacen(from, to, 1).as_bytes())
    };
    let lines: Vec<_> = text.split_inclusive('\n').collect();
    let twice = [&lines[..2], &lines[1..]].concat().concat();
    for (bytes, expected) in [
        (b"{}".to_vec(), "does not begin as a snapshot"),
        (b"\x1f\x8b\x08\0".to_vec(), "does not begin as a snapshot"),
        (with("snapshot\":1", "snapshot\":2"), "has format 2; this build reads up to 1"),
        (with("\"created\":1,", "\"created\":7,"), "line 2: "),
        (with("\"created\":1,", ""), "line 2: missing field `created`"),
        (with("\"revision\":9000", "\"revision\":5"), "line 4: "),
        (with("\"revision\":9000", "\"revision\":18446744073709551615"), "line 1: "),
        (with("\"created\":3,", "\"created\":1,"), "line 3: another record"),
        (with("\"id\":\"a\"", "\"id\":\"\""), "line 2: "),
        (with("\"v\":1", "\"v\":9"), "has format 9"),
        (with("\"running\"", "\"dancing\""), "is damaged"),
        (sealed(twice.as_bytes()), "line 3: "),
        (text.replacen("9000", "9001", 1).into_bytes(), "checksum"),
        ([lines[0], lines.last().unwrap()].concat().into_bytes(), "not as many records"),
        (format!("{text}\n").into_bytes(), "behind its last line"),
        (format!("{}{}", lines[0], "x".repeat(2 << 20)).into_bytes(), "line 2: it is longer"),
    ] {
        let refused = verify(&bytes).unwrap_err().to_string();
        assert!(refused.contains(expected), "{refused:?} does not contain {expected:?}");
    }
}

#[test]
fn what_a_sound_one_contains_is_told() {
    let contents = verify(&written(records())).unwrap();
    assert_eq!(contents.records, records().len() as u64);
    assert_eq!(contents.written_by, "a test");
    assert_eq!(contents.roles[&("on".to_owned(), "r".to_owned())], 1);
    let Loaded { revision, mark } = contents.loaded;
    assert_eq!((revision, mark), (LOADED.revision, loaded().mark));
}

proptest! {
    #[test]
    fn no_flipped_byte_goes_unnoticed(at in any::<prop::sample::Index>(), flip in 1_u8..) {
        let mut bytes = written(records().into_iter().take(4).collect());
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        prop_assert!(verify(&bytes).is_err(), "byte {at} flipped by {flip:#x}");
    }
}
