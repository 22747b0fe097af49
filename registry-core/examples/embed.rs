//! A registry inside your own program, on sled: it survives a restart of the program.
//!
//! `cargo run --example embed -p registry-core` — run it twice and see the count go up.

#![allow(clippy::print_stdout, reason = "an example shows what it finds")]

use registry_core::{Claim, Declared, Guard, Key, OnConflict, Query, Registry, Rules, Ttl};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::temp_dir().join("rolecall-embed");
    let store = backends::open(&format!("sled:{}", path.display())).await?;

    // Records of this namespace live 30 s after each heartbeat, and may be registered again.
    let rules = Rules {
        default_ttl: Some(Ttl::from_secs(30)),
        on_conflict: OnConflict::Replace,
        ..Rules::default()
    };
    let (registry, driver) = Registry::builder(store).namespace("workers", rules).open().await?;

    // The library spawns nothing: you say where its driver runs, and when it ends.
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let driver = tokio::spawn(driver.run(async { stopped.await.unwrap_or(()) }));

    let worker = Declared {
        name: "resizer".into(),
        role: "worker".into(),
        address: "10.0.0.7:8080".into(),
        capabilities: ["jpeg".into(), "png".into()].into(),
        ..Declared::default()
    };
    let id = format!("worker-{}", std::process::id());
    registry.register(Key::new("workers", &id)?, worker, Claim::default()).await?;
    registry.heartbeat("workers", &id, &Guard::default()).await?;

    let found = registry.discover(&Query::role("worker").capability("png"));
    println!("{} worker(s) can do png:", found.len());
    for slot in &found {
        let record = slot.record();
        println!("  {} at {}", record.key, record.declared.address);
    }

    let _ended = stop.send(());
    driver.await??; // every heartbeat is at rest now
    Ok(())
}
