//! What a record must be, by what its writer was told, and whether what is found can be it.

use serde_json::Value;

/// A record as it must be.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Every field but the two times.
    pub(crate) fields: Value,
    /// `None` where no answer told it.
    pub(crate) registered_at: Option<String>,
    /// Where it stands among this writer's registrations.
    pub(crate) place: u64,
    /// When it was last written, as told. What is durable cannot be older.
    pub(crate) written: String,
    /// When it was last heard of, as told. The truth cannot be younger.
    pub(crate) heard: String,
}

/// A request under way, and what its id holds once it is done.
#[derive(Clone, Debug)]
pub(crate) struct Open {
    pub(crate) id: String,
    pub(crate) after: Option<Entry>,
}

/// What an id holds, given what it held before, what was asked, and what is found.
pub(crate) fn settle(
    before: Option<Entry>,
    open: Option<&Open>,
    found: Option<&Value>,
) -> Result<Option<Entry>, String> {
    let Some(found) = found else {
        return match (before, open) {
            (None, _) | (_, Some(Open { after: None, .. })) => Ok(None),
            (Some(lost), _) => Err(format!("lost: {lost:?}")),
        };
    };
    let after = open.and_then(|open| open.after.clone());
    let candidates: Vec<Entry> = before.into_iter().chain(after).collect();
    let mut why = format!("nobody registered it: {found}");
    for mut entry in candidates {
        match entry.allows(found, open.is_none()) {
            Ok(()) => {
                entry.registered_at = Some(text(found, "registeredAt"));
                entry.written = text(found, "lastSeen");
                entry.heard = text(found, "lastSeen");
                return Ok(Some(entry));
            }
            Err(reason) => why = reason,
        }
    }
    Err(why)
}

// === impl Entry ===

impl Entry {
    /// Whether what is found can be this entry.
    pub(crate) fn allows(&self, found: &Value, is_settled: bool) -> Result<(), String> {
        let mut fields = found.clone();
        let times = ["registeredAt", "lastSeen"].map(|field| {
            let time = fields.as_object_mut().and_then(|fields| fields.remove(field));
            time.and_then(|time| time.as_str().map(str::to_owned)).unwrap_or_default()
        });
        let [registered_at, last_seen] = times;
        if fields != self.fields {
            return Err(format!("found {fields}, expected {}", self.fields));
        }
        if self.registered_at.as_ref().is_some_and(|told| *told != registered_at) {
            return Err(format!(
                "registeredAt is {registered_at}, told was {:?}",
                self.registered_at
            ));
        }
        if last_seen < self.written || (is_settled && last_seen > self.heard) {
            let (written, heard) = (&self.written, &self.heard);
            return Err(format!("lastSeen is {last_seen}, not from {written} to {heard}"));
        }
        Ok(())
    }
}

/// A field of an entry.
pub(crate) fn text(json: &Value, field: &str) -> String {
    json[field].as_str().unwrap_or_else(|| panic!("no {field}: {json}")).to_owned()
}
