//! What SIGHUP does: reads again what may change while the server runs.

use crate::app::App;
use crate::auth::TokenSources;

/// Reads the token files and certificates again that `app` was made of. What cannot be used
/// changes nothing, and connections stay in either case.
pub fn reload(app: &App, tokens: &TokenSources) {
    match app.auth.reload(tokens) {
        Ok(()) => {
            let count = app.auth.token_count();
            tracing::info!(count, "SIGHUP: these tokens count from now on");
        }
        Err(error) => tracing::error!(
            "SIGHUP: {error}; until then the tokens from before count; send SIGHUP again once it \
             is mended"
        ),
    }
    for warning in app.auth.warnings() {
        tracing::warn!("{warning}");
    }
    let Some(tls) = &app.tls else { return };
    match tls.reload() {
        Ok(()) => tracing::info!("SIGHUP: new connections get the certificate that is there now"),
        Err(error) => tracing::error!(
            "SIGHUP: {error}; until then the certificate from before stays in use; send SIGHUP \
             again once it is mended"
        ),
    }
    for warning in tls.warnings() {
        tracing::warn!("{warning}");
    }
}
