//! A client that speaks TLS, and HTTP of either kind over it, step by step.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::BodyExt;
use http_body_util::channel::{Channel, Sender};
use hyper::client::conn::{http1, http2};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::paper::Papers;

/// What either kind of HTTP sends: text that may come bit by bit.
pub(super) type Body = Channel<Bytes>;

/// An encrypted connection on which this protocol has been agreed.
pub(super) async fn connect(to: SocketAddr, papers: &Papers, alpn: &str) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(papers.path("ca.pem")).unwrap()).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots);
    let mut config = config.with_no_client_auth();
    config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TcpStream::connect(to).await.unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(alpn.as_bytes()));
    stream
}

/// The certificate that the server shows on a new connection.
pub(super) async fn shown(to: SocketAddr, papers: &Papers) -> CertificateDer<'static> {
    let stream = connect(to, papers, "h2").await;
    stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
}

pub(super) async fn http1(to: SocketAddr, papers: &Papers) -> http1::SendRequest<Body> {
    let stream = TokioIo::new(connect(to, papers, "http/1.1").await);
    let (sender, connection) = http1::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    sender
}

pub(super) async fn http2(to: SocketAddr, papers: &Papers) -> http2::SendRequest<Body> {
    let stream = TokioIo::new(connect(to, papers, "h2").await);
    let handshake = http2::handshake(TokioExecutor::new(), stream);
    let (sender, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    sender
}

/// A request and what its body is sent with: it ends when that is dropped.
pub(super) fn request(method: &str, target: &str) -> (Request<Body>, Sender<Bytes>) {
    let (sender, body) = Channel::new(4);
    let request = Request::builder().method(method).uri(target);
    let request = request.header("host", "localhost").header("content-type", "application/json");
    (request.body(body).unwrap(), sender)
}

/// A question without a body.
pub(super) fn question(target: &str) -> Request<Body> {
    request("GET", target).0
}

/// The whole body of an answer.
pub(super) async fn text(answer: Response<hyper::body::Incoming>) -> String {
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}
