//! The document against the server: every operation of it is called, and every answer is one that
//! it tells of. That it tells of every route is a test of the server's own.

use std::collections::{BTreeMap, BTreeSet};

use boon::{Compiler, Draft, Schemas};
use serde_json::{Map, Value, json};
use support::bytes::{Connection, Response};
use support::inside::{Inside, Making};

use super::tokens;

const TOKEN: &str = "everything-0123456789";

/// What the schema at hand is called; nobody fetches it.
const SCHEMA: &str = "http://localhost/schema.json";

/// The document, and which of it has been seen.
struct Document {
    json: Value,
    /// Statuses by operation.
    seen: BTreeMap<String, BTreeSet<u16>>,
}

/// Somebody who calls by the document.
struct Caller<'a> {
    document: &'a mut Document,
    connection: Connection,
    headers: Vec<(&'a str, &'a str)>,
}

// === impl Document ===

impl Document {
    fn of(server: &Inside) -> Self {
        let answer = super::ask(server, TOKEN, "GET", "/openapi.json", "");
        Self { json: answer.json(), seen: BTreeMap::new() }
    }

    fn paths(&self) -> &Map<String, Value> {
        self.json["paths"].as_object().unwrap()
    }

    /// The path of the document that this one is, one with more names before one with fewer.
    fn template(&self, path: &str) -> String {
        let path = path.split('?').next().unwrap_or(path);
        let meant: Vec<_> = path.split('/').collect();
        let is_it = |template: &&String| {
            let parts: Vec<_> = template.split('/').collect();
            let fits = |(part, meant): (&&str, &&str)| part.starts_with('{') || part == meant;
            parts.len() == meant.len() && parts.iter().zip(&meant).all(fits)
        };
        let found = self.paths().keys().filter(is_it);
        let found = found.min_by_key(|template| template.matches('{').count());
        found.unwrap_or_else(|| panic!("{path} is not in the document")).clone()
    }

    /// Every operation: `GET /v1`.
    fn operations(&self) -> Vec<(String, Value)> {
        let mut all = Vec::new();
        for (path, operations) in self.paths() {
            for (method, operation) in operations.as_object().unwrap() {
                if method != "parameters" {
                    all.push((format!("{} {path}", method.to_uppercase()), operation.clone()));
                }
            }
        }
        all
    }

    fn operation(&self, method: &str, path: &str) -> Value {
        let wanted = format!("{method} {}", self.template(path));
        let found = self.operations().into_iter().find(|(name, _)| *name == wanted);
        found.unwrap_or_else(|| panic!("{wanted} is not in the document")).1
    }

    /// What a reference means; anything else is itself.
    fn resolved(&self, value: &Value) -> Value {
        match value["$ref"].as_str() {
            Some(reference) => {
                let found = self.json.pointer(reference.trim_start_matches('#'));
                found.unwrap_or_else(|| panic!("{reference} leads nowhere")).clone()
            }
            None => value.clone(),
        }
    }

    /// Whether this is said of a body in the document.
    fn assert_valid(&self, place: &str, schema: &Value, body: &Value) {
        let whole = json!({"allOf": [schema], "components": self.json["components"]});
        let (mut compiler, mut schemas) = (Compiler::new(), Schemas::new());
        compiler.set_default_draft(Draft::V2020_12);
        compiler.add_resource(SCHEMA, whole).unwrap();
        let compiled = compiler.compile(SCHEMA, &mut schemas);
        let compiled = compiled.unwrap_or_else(|e| panic!("{schema}: {e}"));
        let valid = schemas.validate(body, compiled);
        valid.unwrap_or_else(|e| panic!("{place}: {body}: {e:#}"));
    }

    /// Whether the document tells of this answer; notes that it was seen.
    fn check(&mut self, method: &str, path: &str, answer: &Response) {
        let place = format!("{method} {path}: {} {}", answer.status, answer.text());
        let operation = self.operation(method, path);
        let told = &operation["responses"][answer.status.to_string()];
        assert!(!told.is_null(), "{place}: a status that the document does not tell of");
        let told = self.resolved(told);
        for (name, header) in told["headers"].as_object().into_iter().flatten() {
            let is_required = self.resolved(header)["required"] == true;
            let found = answer.header(&name.to_lowercase());
            assert!(found.is_some() || !is_required, "{place}: without {name}");
        }
        let kind = answer.header("content-type").map(|kind| kind.split(';').next().unwrap_or(kind));
        match (told.get("content"), kind) {
            (None, None) => assert!(answer.body.is_empty(), "{place}: a body"),
            (Some(content), Some(kind)) if content.get(kind).is_some() => {
                if kind.ends_with("/json") || kind.ends_with("+json") {
                    self.assert_valid(&place, &content[kind]["schema"], &answer.json());
                }
            }
            (told, kind) => panic!("{place}: {kind:?} is not what is told: {told:?}"),
        }
        let seen = self.seen.entry(format!("{method} {}", self.template(path))).or_default();
        seen.insert(answer.status);
    }
}

// === impl Caller ===

impl<'a> Caller<'a> {
    fn new(document: &'a mut Document, server: &Inside) -> Self {
        let headers = vec![("authorization", "Bearer everything-0123456789")];
        Self { document, connection: server.connect(), headers }
    }

    fn with(&mut self, name: &'a str, value: &'a str) -> &mut Self {
        self.headers.push((name, value));
        self
    }

    /// One call and its answer, both as the document tells of them. Headers are for one call.
    fn call(&mut self, method: &str, path: &str, body: &str, status: u16) -> Response {
        let headers = self.headers.clone();
        self.headers.truncate(1);
        let answer = self.connection.request_with(method, path, &headers, body).unwrap();
        assert_eq!(answer.status, status, "{method} {path} {body}: {}", answer.text());
        self.document.check(method, path, &answer);
        if answer.status < 300 && !body.is_empty() {
            let operation = self.document.operation(method, path);
            let content = operation["requestBody"]["content"].as_object().unwrap();
            let body: Value = serde_json::from_str(body).unwrap();
            for (kind, content) in content {
                let place = format!("{method} {path} as {kind}");
                self.document.assert_valid(&place, &content["schema"], &body);
            }
        }
        answer
    }
}

const W1: &str = "/v1/default/instances/w-1";
const FULL: &str = r#"{"name":"one","role":"worker","state":"running","address":"h",
    "generation":"g1","services":[{"name":"http","port":80},{"name":"rpc"}],"capabilities":["png"],
    "labels":{"zone":"a"},"registered_by":"t","ttl_ms":30000,"metadata":{"a":[1,null]}}"#;

fn keep(caller: &mut Caller<'_>) {
    caller.call("PUT", W1, FULL, 201);
    caller.call("PUT", W1, FULL, 200);
    caller.call("PUT", &format!("{W1}?on_conflict=refuse"), r#"{"generation":"g2"}"#, 409);
    caller.with("if-none-match", "*").call("PUT", W1, "{}", 412);
    caller.with("if-match", "\"99\"").call("PUT", W1, "{}", 412);
    caller.with("if-match", "*").call("PUT", "/v1/default/instances/no", "{}", 412);
    caller.with("if-match", "x").call("PUT", W1, "{}", 400);
    caller.call("PUT", W1, "{", 400);
    caller.call("PUT", W1, r#"{"role":1}"#, 422);
    caller.call("PUT", "/v1/.hidden/instances/a", "{}", 404);
    caller.call("PUT", W1, &format!("\"{}\"", "x".repeat(1024 * 1024)), 413);
    caller.call("POST", "/v1/default/instances", r#"{"role":"worker"}"#, 201);
    caller.call("POST", "/v1/default/instances", r#"{"id":"w-1"}"#, 409);
    caller.call("POST", "/v1/watch/instances", "{}", 422);
    caller.call(
        "PATCH",
        W1,
        r#"{"state":"paused","labels":{"zone":null},"metadata":{"b":1}}"#,
        200,
    );
    caller.call("PATCH", W1, r#"{"state":null,"services":[],"name":null,"ttl_ms":null}"#, 200);
    caller.with("if-match", "\"1\"").call("PATCH", W1, "{}", 412);
    caller.call("PATCH", W1, r#"{"generation":"g0"}"#, 409);
    caller.call("PATCH", W1, r#"{"id":"x"}"#, 422);
    caller.call("PATCH", "/v1/default/instances/no", "{}", 404);
    let beat = format!("{W1}/heartbeat");
    caller.call("POST", &beat, "", 200);
    caller.call("POST", &beat, r#"{"generation":"g1","register":{"role":"worker"}}"#, 200);
    caller.call("POST", &beat, r#"{"generation":"g0"}"#, 409);
    caller.call("POST", "/v1/default/instances/no/heartbeat", "", 404);
    caller.call("POST", "/v1/default/instances/new/heartbeat", r#"{"register":{}}"#, 201);
    let beats = r#"{"ids":["w-1","no"],"heartbeats":[{"namespace":"vms","id":"x"},
        {"id":"w-1","generation":"g0"},{"namespace":".hidden","id":"x"}]}"#;
    for path in ["/v1/heartbeats", "/v1/default/heartbeats"] {
        caller.call("POST", path, beats, 200);
        caller.call("POST", path, "[", 400);
        caller.call("POST", path, r#"{"ids":[1]}"#, 422);
    }
    let ids = vec!["\"w-1\""; 10_001].join(",");
    caller.call("POST", "/v1/heartbeats", &format!(r#"{{"ids":[{ids}]}}"#), 413);
    let many = "/v1/default/registrations";
    let body = r#"{"instances":[{"id":"b-1"},{},{"id":"w-1","generation":"g9"}]}"#;
    caller.call("POST", many, body, 200);
    caller.call("POST", &format!("{many}?on_conflict=refuse"), body, 200);
    caller.call("POST", many, "{}", 422);
    caller.call("DELETE", &format!("{W1}?generation=g0"), "", 409);
    caller.with("if-match", "\"1\"").call("DELETE", W1, "", 412);
    caller.call("DELETE", &format!("{W1}?force=1"), "", 400);
    caller.call("DELETE", W1, "", 204);
    caller.call("DELETE", W1, "", 404);
    caller.call("PUT", W1, FULL, 201);
}

fn look(caller: &mut Caller<'_>) {
    let all = "name=one&service=http&capability=png&label=zone%3Da&state=running&standing=any\
               &id=w-1&limit=5";
    for path in ["/v1/instances?role=worker", "/v1/discover/worker?", "/v1/default/instances?"] {
        let found = caller.call("GET", &format!("{path}&{all}"), "", 200);
        assert_eq!(found.json()["count"], 1, "{path}");
        let etag = found.header("etag").unwrap().to_owned();
        let tag: &'static str = etag.leak();
        caller.with("if-none-match", tag).call("GET", &format!("{path}&{all}"), "", 304);
        caller.call("GET", &format!("{path}&fields=id,standing"), "", 200);
        caller.call("GET", &format!("{path}&fields=ip"), "", 400);
        caller.call("GET", &format!("{path}&state=asleep"), "", 422);
    }
    let page = caller.call("GET", "/v1/instances?limit=1", "", 200).json();
    let next = page["next_cursor"].as_str().unwrap();
    caller.call("GET", &format!("/v1/instances?limit=1&cursor={next}"), "", 200);
    let found = caller.call("GET", W1, "", 200);
    let whole = json!({"$ref": "#/components/schemas/Instance"});
    caller.document.assert_valid("an instance", &whole, &found.json());
    let tag: &'static str = found.header("etag").unwrap().to_owned().leak();
    caller.with("if-none-match", tag).call("GET", W1, "", 304);
    caller.call("GET", &format!("{W1}?x=1"), "", 400);
    caller.call("GET", "/v1/default/instances/no", "", 404);
    let query = r#"{"namespace":"default","role":"worker","label":{"zone":"a"},"fields":["id"],
        "id":["w-1"],"capability":"png","standing":"any","limit":3}"#;
    caller.call("POST", "/v1/query", query, 200);
    caller.call("POST", "/v1/query", r#"{"rol":1}"#, 422);
    caller.call("POST", "/v1/query", "", 400);
    let explain = format!("{W1}/explain");
    caller.call("GET", &explain, "", 200);
    caller.call("GET", "/v1/default/instances/no/explain", "", 404);
    caller.call("GET", "/v1/watch?after=0&standing=any", "", 200);
    caller.call("GET", "/v1/watch?after=0&wait=1ms&role=nobody", "", 200);
    caller.call("GET", "/v1/watch?after=99999", "", 410);
    caller.call("GET", "/v1/watch?wait=soon", "", 400);
    for path in ["/v1", "/v1/limits", "/v1/namespaces", "/openapi.json", "/health", "/readyz"] {
        caller.call("GET", path, "", 200);
    }
    caller.call("GET", "/metrics", "", 200);
    caller.call("POST", "/v1/admin/snapshot", "", 200);
    caller.call("POST", "/v1/admin/snapshot?namespace=vms", "", 400);
}

/// What a stream tells is what the document says of its frames.
fn follow(document: &mut Document, server: &Inside) {
    let headers = [("authorization", "Bearer everything-0123456789")];
    let mut stream = super::watch(server, "?standing=any", &headers);
    for wanted in ["present", "synced"] {
        let frame = loop {
            let frame = stream.expect();
            let name = format!("{}{}", frame.event[..1].to_uppercase(), &frame.event[1..]);
            let schema = json!({"$ref": format!("#/components/schemas/{name}")});
            document.assert_valid(&name, &schema, &frame.data);
            if frame.event == wanted {
                break frame;
            }
        };
        assert_eq!(frame.data["type"], wanted);
    }
    let head = server.connect().request_with(
        "HEAD",
        "/v1/watch",
        &[headers[0], ("accept", "text/event-stream")],
        "",
    );
    document.check("GET", "/v1/watch", &head.unwrap());
}

#[test]
fn every_operation_answers_as_the_document_tells() {
    let auth = tokens(&[TOKEN, "narrow-0123456789 read@nothing"]);
    let server = Inside::with(Making { auth, ..Making::default() });
    let mut document = Document::of(&server);
    keep(&mut Caller::new(&mut document, &server));
    look(&mut Caller::new(&mut document, &server));
    follow(&mut document, &server);

    for (operation, told) in document.operations() {
        let (method, template) = operation.split_once(' ').unwrap();
        let path = template.replace("{namespace}", "default").replace("{id}", "w-1");
        let path = path.replace("{role}", "worker");
        // Nobody is let in but where the document says so.
        let answer = server.request(method, &path, "");
        let is_open = told["security"].as_array().is_some_and(Vec::is_empty);
        assert_eq!(answer.status, if is_open { 200 } else { 401 }, "{operation}");
        document.check(method, &path, &answer);
        // And whom the token does not allow it is told so, where a namespace is meant.
        if told["responses"]["403"].is_object() && template.contains("{namespace}") {
            let answer = super::ask(&server, "narrow-0123456789", method, &path, "");
            assert_eq!(answer.status, 403, "{operation}");
            document.check(method, &path, &answer);
        }
        let seen = document.seen.get(&operation).cloned().unwrap_or_default();
        assert!(seen.iter().any(|status| *status < 300), "{operation} never succeeded: {seen:?}");
        let fails =
            told["responses"].as_object().unwrap().keys().any(|status| status.starts_with('4'));
        assert!(!fails || seen.iter().any(|status| *status >= 400), "{operation} never failed");
    }
}

#[test]
fn every_example_in_the_document_is_one() {
    let auth = tokens(&[TOKEN]);
    let document = Document::of(&Inside::with(Making { auth, ..Making::default() }));
    let mut bodies = Vec::new();
    for (operation, told) in document.operations() {
        bodies.push((operation.clone(), told["requestBody"].clone()));
        for (status, response) in told["responses"].as_object().unwrap() {
            bodies.push((format!("{operation} {status}"), document.resolved(response)));
        }
    }
    let mut count = 0;
    for (place, body) in bodies {
        for (kind, content) in body["content"].as_object().into_iter().flatten() {
            if kind.ends_with("json") && !content["example"].is_null() {
                document.assert_valid(&place, &content["schema"], &content["example"]);
                count += 1;
            }
        }
    }
    assert!(count > 50, "{count} examples");
}
