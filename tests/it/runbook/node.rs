//! A service of another kind: npm builds it, node runs it, and it opens its port itself.

use super::site::{Site, is_there};

/// The least that looks like the service that the profile is for.
const SOURCE: &str = r#"
const { createServer } = require("node:http");
const token = process.env.VERS_AUTH_TOKEN;
const vms = new Map();
const commits = [], events = [];
const lists = { "/board/tasks": { tasks: [] }, "/feed/events": events, "/commits": { commits } };
function answer(request, path, body) {
  if (path === "/health") return [200, { status: "ok", uptime: process.uptime() }];
  if (request.headers.authorization !== `Bearer ${token}`) return [401, { error: "Unauthorized" }];
  const [, area, what, id, act] = path.split("/");
  if (request.method === "POST" && path === "/commits") return [201, (commits.unshift(body), body)];
  if (request.method === "POST" && path === "/feed/events") return [201, (events.push(body), body)];
  if (lists[path]) return [200, lists[path]];
  if (area !== "registry") return [404, { error: "not found" }];
  if (what === "discover" || !id) {
    if (request.method === "POST") return [201, (vms.set(body.id, body), body)];
    return [200, { vms: [...vms.values()], count: vms.size }];
  }
  if (!vms.has(id)) return [404, { error: "VM not found" }];
  if (request.method === "DELETE") return [200, { deleted: vms.delete(id) }];
  return [200, act ? { id } : vms.get(id)];
}
createServer((request, response) => {
  let text = "";
  request.on("data", (part) => (text += part));
  request.on("end", () => {
    const path = request.url.split("?")[0];
    const [status, body] = answer(request, path, text && JSON.parse(text));
    const json = JSON.stringify(body);
    const length = Buffer.byteLength(json);
    response.writeHead(status, { "content-type": "application/json", "content-length": length });
    response.end(json);
  });
}).listen(process.env.PORT, "127.0.0.1", () => console.log("VERSION is running"));
"#;

const MANIFEST: &str = r#"{ "name": "tiny", "version": "1.0.0", "scripts": {
  "build": "mkdir dist && cp server.js dist/server.js && node --check dist/server.js",
  "test": "test ! -e failing" } }"#;

fn site() -> Site {
    let site = Site::empty("node-service", "VERS_AUTH_TOKEN");
    site.commit("package.json", MANIFEST);
    site.commit("server.js", &SOURCE.replace("VERSION", "first"));
    site
}

#[test]
fn a_node_service_is_deployed_asked_and_rolled_back() {
    if !is_there("node") || !is_there("npm") {
        return;
    }
    let site = site();
    site.succeed(&["deploy"]);
    let first = (site.current(), site.pid());
    assert!(site.app_log().contains("first is running"), "{}", site.app_log());
    let second = site.commit("server.js", &SOURCE.replace("VERSION", "second"));
    site.succeed(&["deploy"]);
    assert_eq!(site.current(), second);
    assert!(site.app_log().contains("second is running"), "{}", site.app_log());
    let commits = site.ask("GET", "/commits", "").json();
    let ledger: Vec<_> = commits["commits"].as_array().unwrap().iter().collect();
    assert_eq!(ledger[0]["label"], "post-deploy", "{commits}");
    let events = site.ask("GET", "/feed/events", "").json();
    assert_eq!(events[0]["summary"], format!("deployed agent-services {second}"), "{events}");

    site.commit("server.js", "this is not a program (");
    site.fail(12, &["deploy"], "the build failed");
    site.commit("server.js", "process.exit(3)");
    site.fail(14, &["deploy"], "serves again");
    assert_eq!(site.current(), second);
    let open = SOURCE.replace("request.headers.authorization !== `Bearer ${token}`", "false");
    site.commit("server.js", &open);
    site.fail(15, &["deploy"], "answered without a token");
    assert_eq!(site.current(), second);
    let blind = SOURCE.replace("vms: [...vms.values()]", "vms: []");
    site.commit("server.js", &blind);
    site.fail(15, &["deploy"], "which was registered just now");
    assert_eq!(site.current(), second);
    site.succeed(&["rollback"]);
    assert_eq!(site.current(), first.0);
    assert_ne!(site.pid(), first.1);
    assert_eq!(site.ask("GET", "/health", "").status, 200);
}
