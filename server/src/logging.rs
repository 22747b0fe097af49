//! Where log lines go: stderr, as text or JSON, and never a panic because nobody reads them.

use std::io::{IsTerminal, stderr};
use std::panic;

use tracing_subscriber::EnvFilter;

use crate::config::{Config, Environment, LogFormat};

/// Installs the one subscriber of the process, and sends panics through it.
pub fn install(config: &Config, environment: &Environment) {
    let no_color = environment.get("NO_COLOR").is_some_and(|value| !value.is_empty());
    // What an engine does inside is told to whoever asks for it by its name.
    let filter = format!("fjall=warn,lsm_tree=warn,{}", config.log);
    let lines = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter)) // checked when the configuration was read
        .with_writer(stderr)
        .with_ansi(!no_color && stderr().is_terminal())
        .log_internal_errors(false); // it would report a closed stderr to stderr, and panic
    // An error here means that a subscriber is there already, which then gets the lines.
    let _ = match config.log_format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or("no message");
        tracing::error!(place, message, "panic");
    }));
}
