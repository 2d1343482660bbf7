//! TLS of the listener: certificate and key from files, TLS 1.2 and 1.3.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig, crypto::ring};

use super::Tls;

/// The listener's TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{what} {} cannot be read", path.display())]
    Read {
        /// Certificate or key.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{} holds no {what} in PEM form", path.display())]
    NotFound {
        /// Certificate or key.
        what: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// Certificate and key do not serve together.
    #[error("certificate {} and key {} do not serve together", certificate.display(), key.display())]
    Unfit {
        /// File of the certificate chain.
        certificate: PathBuf,
        /// File of the key.
        key: PathBuf,
        /// Why.
        source: rustls::Error,
    },
}

/// Reads certificate and key. What either holds never shows in an error.
pub(super) fn acceptor(tls: &Tls) -> Result<TlsAcceptor, TlsError> {
    let certificates = read("certificate", &tls.cert_file, |path| {
        let certificates = CertificateDer::pem_file_iter(path)?;
        let certificates = certificates.collect::<Result<Vec<_>, _>>()?;
        if certificates.is_empty() {
            return Err(pem::Error::NoItemsFound);
        }
        Ok(certificates)
    })?;
    let key = read("private key", &tls.key_file, |path| {
        PrivateKeyDer::from_pem_file(path)
    })?;
    let unfit = |source| TlsError::Unfit {
        certificate: tls.cert_file.clone(),
        key: tls.key_file.clone(),
        source,
    };
    let provider = Arc::new(ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(unfit)?
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .map_err(unfit)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn read<T>(
    what: &'static str,
    path: &Path,
    parse: impl FnOnce(&Path) -> Result<T, pem::Error>,
) -> Result<T, TlsError> {
    parse(path).map_err(|failure| {
        let path = path.to_owned();
        if let pem::Error::Io(source) = failure {
            TlsError::Read { what, path, source }
        } else {
            TlsError::NotFound { what, path }
        }
    })
}
