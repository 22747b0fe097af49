//! A caller that writes, remembers what it was told, and can say afterwards what must be there.

use std::collections::BTreeMap;
use std::io;

use serde_json::{Value, json};

use crate::bytes::{Connection, Response};
use crate::dice::Dice;
use crate::entry::{Entry, Open, settle, text};

/// One caller with ids of its own. What it sends is different each time, so that a record made of
/// two halves would show.
pub struct Writer {
    name: String,
    dice: Dice,
    version: u64,
    /// What it was told of each of its ids: its entry, or that there is none.
    known: BTreeMap<String, Option<Entry>>,
    /// The request that has not been answered.
    open: Option<Open>,
    acknowledged: usize,
}

/// Ids a writer uses: few, so that each has a life of many steps.
const IDS: usize = 24;
/// Lengths of what a record carries: some take several rows at rest.
const LENGTHS: [usize; 5] = [0, 20, 300, 4_000, 9_000];

// === impl Writer: writing ===

impl Writer {
    /// A writer whose ids begin with `name`.
    #[must_use]
    pub fn new(name: &str, seed: u64) -> Self {
        Self {
            name: name.to_owned(),
            dice: Dice::new(seed),
            version: 0,
            known: BTreeMap::new(),
            open: None,
            acknowledged: 0,
        }
    }

    /// How many writes were acknowledged.
    #[must_use]
    pub fn acknowledged(&self) -> usize {
        self.acknowledged
    }

    /// One request, and its answer checked against everything told before.
    ///
    /// # Errors
    /// If no answer came. What was asked may have been done: [`Writer::check`] allows both.
    ///
    /// # Panics
    /// If the answer is wrong.
    pub fn step(&mut self, connection: &mut Connection) -> io::Result<Response> {
        let id = id_of(&self.name, &mut self.dice);
        let before = self.known.get(&id).cloned().flatten();
        match (before, self.dice.below(100)) {
            (None, 0..10) => self.refused(connection, &id, "/heartbeat", 404),
            (None, _) => self.register(connection, id),
            (Some(_), 0..5) => self.refused(connection, &id, "", 409),
            (Some(entry), 5..45) => self.patch(connection, id, entry),
            (Some(entry), 45..75) => self.heartbeat(connection, id, entry),
            (Some(_), _) => self.deregister(connection, id),
        }
    }

    fn register(&mut self, connection: &mut Connection, id: String) -> io::Result<Response> {
        let fields = self.fields(&id);
        let place = self.version;
        let after = Entry {
            fields: fields.clone(),
            registered_at: None,
            place,
            written: String::new(),
            heard: String::new(),
        };
        self.open = Some(Open { id, after: Some(after) });
        let answer = connection.request("POST", "/registry/vms", &fields.to_string())?;
        self.written(&answer, 201);
        Ok(answer)
    }

    fn patch(
        &mut self,
        connection: &mut Connection,
        id: String,
        mut entry: Entry,
    ) -> io::Result<Response> {
        let fresh = self.fields(&id);
        let mut sent = json!({});
        for field in ["name", "status", "address", "metadata"] {
            if self.dice.below(2) == 0 {
                sent[field] = fresh[field].clone();
                entry.fields[field] = fresh[field].clone();
            }
        }
        let path = format!("/registry/vms/{id}");
        self.open = Some(Open { id, after: Some(entry) });
        let answer = connection.request("PATCH", &path, &sent.to_string())?;
        self.written(&answer, 200);
        Ok(answer)
    }

    /// A write was answered: what was open is known now.
    fn written(&mut self, answer: &Response, status: u16) {
        let open = self.open.take().expect("an answer has a request");
        assert_eq!(answer.status, status, "{open:?}: {}", answer.text());
        let told = answer.json();
        let mut entry = open.after.expect("only a deregister leaves nothing");
        if let Err(why) = entry.allows(&told, false) {
            panic!("{} was answered with something else: {why}", open.id);
        }
        entry.registered_at = Some(text(&told, "registeredAt"));
        entry.written = text(&told, "lastSeen");
        entry.heard = text(&told, "lastSeen");
        self.known.insert(open.id, Some(entry));
        self.acknowledged += 1;
    }

    fn deregister(&mut self, connection: &mut Connection, id: String) -> io::Result<Response> {
        let path = format!("/registry/vms/{id}");
        self.open = Some(Open { id: id.clone(), after: None });
        let answer = connection.request("DELETE", &path, "")?;
        assert_eq!((answer.status, &*answer.text()), (200, r#"{"deleted":true}"#), "{id}");
        self.open = None;
        self.known.insert(id, None);
        self.acknowledged += 1;
        Ok(answer)
    }

    fn heartbeat(
        &mut self,
        connection: &mut Connection,
        id: String,
        mut entry: Entry,
    ) -> io::Result<Response> {
        let path = format!("/registry/vms/{id}/heartbeat");
        self.open = Some(Open { id: id.clone(), after: Some(entry.clone()) });
        let answer = connection.request("POST", &path, "")?;
        assert_eq!(answer.status, 200, "{id}: {}", answer.text());
        let seen = text(&answer.json(), "lastSeen");
        assert!(seen >= entry.heard, "{id}: lastSeen went back from {} to {seen}", entry.heard);
        entry.heard = seen;
        self.open = None;
        self.known.insert(id, Some(entry));
        Ok(answer)
    }

    /// A request that must be refused, and changes nothing.
    fn refused(
        &mut self,
        connection: &mut Connection,
        id: &str,
        verb: &str,
        status: u16,
    ) -> io::Result<Response> {
        let answer = match verb {
            "" => connection.request("POST", "/registry/vms", &self.fields(id).to_string())?,
            verb => connection.request("POST", &format!("/registry/vms/{id}{verb}"), "")?,
        };
        assert_eq!(answer.status, status, "{id}: {}", answer.text());
        Ok(answer)
    }

    /// A record unlike all before.
    fn fields(&mut self, id: &str) -> Value {
        self.version += 1;
        let version = self.version;
        let length = *self.dice.one(&LENGTHS);
        let status = *self.dice.one(&["running", "running", "running", "paused", "stopped"]);
        json!({
            "id": id,
            "name": format!("name {version}"),
            "role": "worker",
            "status": status,
            "address": format!("10.0.0.1:{version}"),
            "registeredBy": self.name,
            "metadata": {"version": version, "text": version.to_string().repeat(length)},
        })
    }
}

// === impl Writer: looking back ===

impl Writer {
    /// Whether the list of all records holds of this writer's exactly what it was told, where the
    /// one request that was not answered may have been done or not. What was found is then known.
    ///
    /// # Errors
    /// Says which record is not as it must be.
    pub fn check(&mut self, list: &Value) -> Result<(), String> {
        let list = list["vms"].as_array().ok_or("no list")?;
        let mut found: BTreeMap<String, &Value> = BTreeMap::new();
        for entry in list.iter().filter(|entry| entry["registeredBy"] == *self.name) {
            if found.insert(text(entry, "id"), entry).is_some() {
                return Err(format!("{} is listed twice", entry["id"]));
            }
        }
        let open = self.open.take();
        let mut ids: Vec<String> = self.known.keys().chain(found.keys()).cloned().collect();
        ids.extend(open.iter().map(|open| open.id.clone()));
        ids.sort();
        ids.dedup();
        for id in ids {
            let before = self.known.get(&id).cloned().flatten();
            let open = open.as_ref().filter(|open| open.id == id);
            let state = settle(before, open, found.get(&id).copied());
            self.known.insert(id.clone(), state.map_err(|why| format!("{id}: {why}"))?);
        }
        Ok(())
    }

    /// The ids that must be discovered, in order of registration. To be asked after a check.
    #[must_use]
    pub fn running(&self) -> Vec<String> {
        let entries = self.known.iter().filter_map(|(id, entry)| Some((id, entry.as_ref()?)));
        let running = entries.filter(|(_, entry)| entry.fields["status"] == "running");
        let mut running: Vec<_> = running.map(|(id, entry)| (entry.place, id.clone())).collect();
        running.sort();
        running.into_iter().map(|(_, id)| id).collect()
    }

    /// The id whose request was not answered, and the name its record has if it was done.
    #[must_use]
    pub fn unanswered(&self) -> Option<(&str, Option<&str>)> {
        let open = self.open.as_ref()?;
        let name = open.after.as_ref().and_then(|entry| entry.fields["name"].as_str());
        Some((&open.id, name))
    }
}

/// One of the ids of the writer of this name.
pub fn id_of(name: &str, dice: &mut Dice) -> String {
    format!("{name}-{}", dice.below(IDS))
}
