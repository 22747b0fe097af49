//! What SIGHUP does: reads again what may change while the server runs.

use crate::app::App;

/// Reads the files again that `app` was made of. Connections stay, whatever comes of it.
pub fn reload(app: &App) {
    let Some(tls) = &app.tls else {
        tracing::info!("SIGHUP: TLS is off, so that there is nothing to read again");
        return;
    };
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
