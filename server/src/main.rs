//! The binary: flags, configuration, log, store, server, exit code.

use std::io::{Write, stderr, stdout};
use std::process::ExitCode;
use std::sync::Arc;

use mimalloc::MiMalloc;
use registry_core::encoding::DecodeError;
use registry_core::{Driver, OpenError, Registry, StoreError};
use rolecall::args::{self, Order, ServeFlags};
use rolecall::auth::{Auth, Door};
use rolecall::bind::{self, Gate};
use rolecall::config::{Config, Environment, without_password};
use rolecall::dialect::{Dialect, Doors};
use rolecall::exit::{Code, Failure};
use rolecall::metrics::{Metrics, Timed, Timing};
use rolecall::signal::{ReloadSignals, StopSignals};
use rolecall::tls::Tls;
use rolecall::{
    App, bench, dialect, environment, hold, logging, print, reload, runtime, serve, snapshot, stack,
};

// A registry allocates small things, many of them, on all cores: in profiles of registering the C
// library's allocator took a sixth of the time, and a sixth more memory than this one.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let order = match args::parse(std::env::args_os()) {
        Ok(order) => order,
        Err(detour) => {
            detour.print();
            return if detour.is_mistake() { Code::Usage } else { Code::Done }.into();
        }
    };
    let done = match &order {
        Order::Serve(flags) => run(flags),
        Order::Bench(flags) => {
            environment().and_then(|environment| bench::bench(flags, &environment))
        }
        Order::Hold(flags) => hold::hold(flags).map(|never| match never {}),
        Order::Inspect(flags) => snapshot::inspect(flags),
        Order::Verify(flags) => snapshot::verify(flags),
        Order::Restore(flags) => snapshot::restore(flags),
    };
    match done {
        Ok(()) => Code::Done.into(),
        Err(failure) => {
            // stderr may be closed, and then nobody wanted to know.
            let _ = writeln!(stderr(), "rolecall: {failure}");
            failure.code.into()
        }
    }
}

fn run(flags: &ServeFlags) -> Result<(), Failure> {
    let wrong = |error: &dyn std::fmt::Display| Failure::new(Code::Usage, error);
    let environment = environment()?;
    let file = config_file(flags, &environment)?;
    let config = Config::resolve(flags, &environment, file.as_deref());
    let mut config = config.map_err(|error| wrong(&error))?;
    let handed = bind::inherited().map_err(|error| Failure::new(error.code(), error))?;
    if let Some(socket) = &handed {
        let address = socket.local_addr().map_err(|error| Failure::new(Code::Internal, error))?;
        config = config.listening_on(address).map_err(|error| wrong(&error))?;
    }
    let auth = Auth::open(&config.tokens).map_err(|error| wrong(&error))?;
    if flags.prints_config() {
        return print::to_stdout(&print::print(&config, &auth));
    }
    let tls = config.tls.clone().map(Tls::open).transpose().map_err(|error| wrong(&error))?;
    logging::install(&config, &environment);
    let of_tls = tls.as_ref().map(Tls::warnings).unwrap_or_default();
    for warning in config.warnings.iter().chain(&auth.warnings()).chain(&of_tls) {
        tracing::warn!("{warning}");
    }
    let runtime = runtime().map_err(|error| Failure::new(Code::Internal, error))?;
    runtime.block_on(start(&config, auth, tls, handed))
}

fn environment() -> Result<Environment, Failure> {
    environment::read(std::env::vars_os()).map_err(|error| Failure::new(Code::Usage, error))
}

async fn start(
    config: &Config,
    auth: Auth,
    tls: Option<Tls>,
    handed: Option<std::net::TcpListener>,
) -> Result<(), Failure> {
    // Signals first, so that one during a long recovery is not lost; then the address, so that a
    // second server stops here before it touches the store.
    let signals = StopSignals::catch().map_err(|error| Failure::new(Code::Internal, error))?;
    let reloads = ReloadSignals::catch().map_err(|error| Failure::new(Code::Internal, error))?;
    let gate = match handed {
        Some(socket) => {
            Gate::lent(socket).map_err(|source| bind::BindError::of(config.listen, source))
        }
        None => bind::bind(config.listen),
    };
    let gate = gate.map_err(|error| Failure::new(error.code(), error))?;
    let address =
        gate.listener.local_addr().map_err(|error| Failure::new(Code::Internal, error))?;
    if let Some(snapshots) = &config.snapshots {
        snapshots.prepare().map_err(|error| {
            let directory = snapshots.directory.display();
            let code = Code::of_io(&error, Code::Unavailable);
            Failure::new(code, format!("cannot save snapshots in {directory}: {error}"))
        })?;
    }
    let timing = Arc::new(Timing::default());
    let (registry, driver) = open(config, &timing).await?;
    greet(config, &auth, address);

    // The registry outlives the server: requests that are being answered still need it.
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let driver = tokio::spawn(driver.run(async { stopped.await.unwrap_or(()) }));
    let (doors, limits) = (config.doors.clone(), config.limits.clone());
    let app = App::new(registry.clone(), auth, doors, limits, Metrics::new(timing));
    let app = Arc::new(app.with_tls(tls));
    let reloaded = Arc::clone(&app);
    let tokens = config.tokens.clone();
    tokio::spawn(reloads.each(move || reload(&reloaded, &tokens)));
    if let Some(snapshots) = config.snapshots.clone() {
        tokio::spawn(snapshot::save_regularly(Arc::clone(&app), snapshots));
    }
    let shutdown = async {
        tokio::select! {
            () = signals.first() => {}
            () = registry.closed() => tracing::error!("the store has failed: stopping"),
        }
    };
    let new_service = |peer| stack(Arc::clone(&app), peer);
    let drained = serve(gate, Arc::clone(&app), new_service, shutdown).await;
    let _ended_before = stop.send(());
    let ended = driver.await.map_err(|error| Failure::new(Code::Internal, error))?;
    ended.map_err(|error| Failure::new(Code::Internal, error))?;
    tracing::info!(accepted = drained.accepted, dropped = drained.dropped, "stopped");
    Ok(())
}

/// The registry, with everything that its store holds, and the driver that it needs.
async fn open(config: &Config, timing: &Arc<Timing>) -> Result<(Registry, Driver), Failure> {
    let way_back = || snapshot::way_back(config.snapshots.as_ref(), &config.store);
    let store = backends::open(&config.store).await;
    let store = store.map_err(|error| {
        let code = Code::of_store(&error);
        match &error {
            backends::OpenError::Unreadable { .. } => {
                Failure::new(code, format!("{error}{}", way_back()))
            }
            error => Failure::new(code, error),
        }
    })?;
    let store = Arc::new(Timed::new(store, Arc::clone(timing)));
    let mut builder = Registry::builder(store).default_rules(dialect::default_rules());
    for (name, rules) in dialect::namespaces() {
        builder = builder.namespace(name, rules);
    }
    builder.open().await.map_err(|error| match error {
        OpenError::Record(damaged @ DecodeError::Damaged { .. }) => {
            let unreadable = backends::OpenError::unreadable(&config.store, damaged.into());
            Failure::new(Code::Unavailable, format!("{unreadable}{}", way_back()))
        }
        OpenError::Store(broken @ StoreError::Broken(_)) => {
            Failure::new(Code::Unavailable, format!("{broken}{}", way_back()))
        }
        error => Failure::new(Code::Unavailable, error),
    })
}

/// Three lines for people: where it listens, where data lives, and who may call.
fn greet(config: &Config, auth: &Auth, address: std::net::SocketAddr) {
    let store = without_password(&config.store);
    let mut callers = match auth.token_count() {
        0 => "no token is set: everybody who can connect may call".to_string(),
        1 => "one token is set: callers need it".to_string(),
        several => format!("{several} tokens are set: callers need one of them"),
    };
    for dialect in Dialect::ALL {
        let door = config.doors.of(dialect);
        let is_told = match door {
            Door::Token => false,
            Door::Off => Doors::default().of(dialect) != Door::Off,
            Door::OpenReads | Door::Open => auth.token_count() > 0,
        };
        if is_told {
            callers.push_str(&format!("; {} is {door}", dialect.as_str()));
        }
    }
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    let lines = format!("listening on {scheme}://{address}\nrecords rest in {store}\n{callers}\n");
    let _ = stdout().write_all(lines.as_bytes()).and_then(|()| stdout().flush());
}

fn config_file(flags: &ServeFlags, environment: &Environment) -> Result<Option<String>, Failure> {
    let Some(path) = flags.config_path(environment) else {
        return Ok(None);
    };
    let text = std::fs::read_to_string(&path).map_err(|error| {
        let advice = "create it (--print-config writes one to begin with) or drop --config";
        Failure::new(Code::Usage, format!("cannot read {path}: {error}; {advice}"))
    })?;
    Ok(Some(text))
}
