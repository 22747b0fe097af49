//! Certificates for a test, made on the spot and kept in a directory of its own.

use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::TempDir;

/// Somebody who vouches for servers and clients.
pub(super) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A directory with `ca.pem`, `cert.pem` and `key.pem`, as a server wants them.
pub(super) struct Papers {
    pub(super) authority: Authority,
    home: TempDir,
}

// === impl Authority ===

impl Authority {
    pub(super) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        Self { issuer: CertifiedIssuer::self_signed(params, key).unwrap() }
    }

    /// Its own certificate as PEM.
    pub(super) fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate for this host, or client, and its key, both as PEM.
    pub(super) fn vouch(&self) -> (String, String) {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(names).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }
}

// === impl Papers ===

impl Papers {
    pub(super) fn new() -> Self {
        let papers = Self { authority: Authority::new("us"), home: tempfile::tempdir().unwrap() };
        papers.put("ca.pem", &papers.authority.pem());
        papers.renew();
        papers
    }

    /// Another certificate and another key, by the same authority.
    pub(super) fn renew(&self) {
        let (certificate, key) = self.authority.vouch();
        self.put("cert.pem", &certificate);
        self.put("key.pem", &key);
    }

    pub(super) fn put(&self, name: &str, text: &str) {
        use std::os::unix::fs::PermissionsExt;
        std::fs::write(self.home.path().join(name), text).unwrap();
        let nobody_else = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(self.home.path().join(name), nobody_else).unwrap();
    }

    pub(super) fn path(&self, name: &str) -> String {
        self.dir().join(name).display().to_string()
    }

    pub(super) fn dir(&self) -> &Path {
        self.home.path()
    }
}
