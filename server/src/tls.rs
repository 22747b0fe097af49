//! TLS: the certificate that is shown, the clients that are let in, and how both are replaced.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::{self, InconsistentKeys, RootCertStore, ServerConfig};
use tokio_rustls::server::TlsStream;

use crate::auth::is_readable_by_others;
use crate::limits::REFUSAL_LOG_LINES_PER_SECOND_MAX;
use crate::log_budget::LogBudget;

/// The name of HTTP/2 in a handshake.
pub(crate) const H2: &[u8] = b"h2";

/// The files that TLS is made of, all of them PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// Our certificate, then those between it and its root.
    pub certificate: PathBuf,
    /// The key of the first certificate.
    pub key: PathBuf,
    /// Who vouches for clients. If given, a client needs a certificate of theirs.
    pub client_ca: Option<PathBuf>,
}

/// What connections are encrypted with at this moment.
pub struct Tls {
    files: TlsFiles,
    // A handshake takes what is there when it begins; connections keep what they began with.
    config: ArcSwap<ServerConfig>,
    refusals: LogBudget,
}

/// A file that TLS cannot be made of. None says a word of what is in a key.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// It cannot be read.
    #[error(
        "cannot read {what} {path}: {source}; create it, readable by the user that runs rolecall, \
         or point {flag} elsewhere"
    )]
    Unreadable {
        /// What it should hold.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
        /// The setting that names it.
        flag: &'static str,
    },
    /// It holds nothing of the kind.
    #[error("{what} {path} holds no {wanted}; point {flag} to a PEM file that does")]
    Empty {
        /// What it should hold.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The same, as it would look like.
        wanted: &'static str,
        /// The setting that names it.
        flag: &'static str,
    },
    /// It holds something of the kind, which cannot be understood.
    #[error("{what} {path} cannot be used: {reason}; make it anew as PEM")]
    Damaged {
        /// What it should hold.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Each is fine, and they do not belong together.
    #[error(
        "the key in {key} is not that of the first certificate in {certificate}; give the key that \
         the certificate was made with, and put the server's own certificate first"
    )]
    Mismatch {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
    },
}

/// One of the files: what it is called in messages, and where it is.
#[derive(Clone, Copy)]
struct Source<'a> {
    what: &'static str,
    wanted: &'static str,
    flag: &'static str,
    path: &'a Path,
}

// === impl Tls ===

impl Tls {
    /// Reads the files.
    pub fn open(files: TlsFiles) -> Result<Self, TlsError> {
        let config = ArcSwap::from_pointee(files.read()?);
        let refusals = LogBudget::per_second(REFUSAL_LOG_LINES_PER_SECOND_MAX);
        Ok(Self { files, config, refusals })
    }

    /// Reads the files again, for the handshakes from now on. If one cannot be used, all stays as
    /// it was.
    pub fn reload(&self) -> Result<(), TlsError> {
        self.config.store(Arc::new(self.files.read()?));
        Ok(())
    }

    /// What an operator should know about the files.
    pub fn warnings(&self) -> Vec<String> {
        let key = &self.files.key;
        let is_open = is_readable_by_others(key);
        let key = key.display();
        let advice = format!("TLS key file {key} is open to other users: chmod 600 {key}");
        is_open.then_some(advice).into_iter().collect()
    }

    /// Shakes hands with a client. `None` if that fails, and it is worth no more than a line.
    pub(crate) async fn accept(&self, stream: TcpStream) -> Option<TlsStream<TcpStream>> {
        let peer = stream.peer_addr().ok().map(tracing::field::display);
        match TlsAcceptor::from(self.config.load_full()).accept(stream).await {
            Ok(stream) => Some(stream),
            Err(error) => {
                // Whoever hangs up half-way is no news: that is what probes of a port do.
                if error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>())
                    && let Some(withheld) = self.refusals.take()
                {
                    tracing::warn!(peer, %error, withheld, "a TLS handshake failed");
                }
                None
            }
        }
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("files", &self.files).finish_non_exhaustive()
    }
}

// === impl TlsFiles ===

impl TlsFiles {
    fn read(&self) -> Result<ServerConfig, TlsError> {
        let chain = self.certificate().certificates()?;
        let key = self.key().key()?;
        let provider = Arc::new(ring::default_provider());
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("ring has the ciphers of TLS 1.2 and 1.3")
            .with_client_cert_verifier(match self.client_ca() {
                Some(source) => source.verifier(provider)?,
                None => WebPkiClientVerifier::no_client_auth(),
            });
        let mut config = config.with_single_cert(chain, key).map_err(|error| self.wrong(error))?;
        config.alpn_protocols = vec![H2.to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }

    /// Why a certificate and its key were refused.
    fn wrong(&self, error: rustls::Error) -> TlsError {
        match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                TlsError::Mismatch { certificate: self.certificate.clone(), key: self.key.clone() }
            }
            rustls::Error::InvalidCertificate(_) => self.certificate().damaged(&error),
            error => self.key().damaged(&error),
        }
    }

    fn certificate(&self) -> Source<'_> {
        Source {
            what: "TLS certificate file",
            wanted: "certificate (-----BEGIN CERTIFICATE-----)",
            flag: "--tls-cert",
            path: &self.certificate,
        }
    }

    fn key(&self) -> Source<'_> {
        Source {
            what: "TLS key file",
            wanted: "private key without a passphrase (-----BEGIN PRIVATE KEY-----)",
            flag: "--tls-key",
            path: &self.key,
        }
    }

    fn client_ca(&self) -> Option<Source<'_>> {
        self.client_ca.as_deref().map(|path| Source {
            what: "TLS client CA file",
            wanted: "certificate (-----BEGIN CERTIFICATE-----)",
            flag: "--tls-client-ca",
            path,
        })
    }
}

// === impl Source ===

impl Source<'_> {
    fn certificates(self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let text = self.text()?;
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
        match found {
            Ok(found) if found.is_empty() => Err(self.empty()),
            Ok(found) => Ok(found),
            Err(_) => Err(self.damaged(&"not whole PEM")),
        }
    }

    fn key(self) -> Result<PrivateKeyDer<'static>, TlsError> {
        PrivateKeyDer::from_pem_slice(&self.text()?).map_err(|error| match error {
            pem::Error::NoItemsFound => self.empty(),
            _ => self.damaged(&"not whole PEM"),
        })
    }

    /// Lets in whom one of these certificates vouches for.
    fn verifier(
        self,
        provider: Arc<rustls::crypto::CryptoProvider>,
    ) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in self.certificates()? {
            roots.add(certificate).map_err(|error| self.damaged(&error))?;
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        verifier.build().map_err(|error| self.damaged(&error))
    }

    fn text(self) -> Result<Vec<u8>, TlsError> {
        let Self { what, flag, path, .. } = self;
        let path = path.to_path_buf();
        std::fs::read(&path).map_err(|source| TlsError::Unreadable { what, path, source, flag })
    }

    fn empty(self) -> TlsError {
        let Self { what, wanted, flag, path } = self;
        TlsError::Empty { what, path: path.to_path_buf(), wanted, flag }
    }

    fn damaged(self, reason: &dyn fmt::Display) -> TlsError {
        let path = self.path.to_path_buf();
        TlsError::Damaged { what: self.what, path, reason: reason.to_string() }
    }
}
