//! The floor: the least that a server on this stack can do. It answers every request with the same
//! bytes, after it has read as much of the request as the work demands of any server.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rolecall::limits::{
    CONNECTION_BUFFER_BYTES_MAX, H2_CONNECTION_WINDOW_BYTES, H2_STREAM_WINDOW_BYTES,
    H2_STREAMS_MAX, HEADER_BYTES_MAX, HEADER_COUNT_MAX, Limits, UNREAD_ANSWER_TIMEOUT,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::caller::{Answer, Outcome};
use crate::keeper::Keeper;

/// How a floor is made.
#[derive(Debug, Args)]
pub(crate) struct FloorFlags {
    /// What it answers, as this program writes it.
    #[arg(long)]
    pub(crate) answer: PathBuf,
    /// What it does with a body before it answers.
    #[arg(long, value_enum)]
    pub(crate) reads: Reads,
    /// A folder with `cert.pem` and `key.pem`: then it speaks HTTP/2 over TLS.
    #[arg(long)]
    pub(crate) tls: Option<PathBuf>,
    /// A new folder in which it keeps each record that it parses, with sled and nothing else.
    #[arg(long)]
    pub(crate) keeps: Option<PathBuf>,
    /// How many it keeps from the start.
    #[arg(long, default_value_t = 0)]
    pub(crate) records: usize,
}

/// What is done with a request's body: no less than any server must do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Reads {
    /// There is none to be read.
    Nothing,
    /// It is read, whatever it is.
    Bytes,
    /// It is parsed as one record, or as some of its fields.
    Record,
    /// It is parsed as a list of ids.
    Ids,
}

/// A record as far as any registry must look at it; what it only keeps is only skimmed.
#[derive(Debug, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[derive(Default)]
struct Record {
    id: String,
    name: String,
    role: String,
    address: String,
    registered_by: String,
    services: Option<Box<RawValue>>,
    metadata: Option<Box<RawValue>>,
}

#[derive(Debug, Deserialize)]
struct Ids {
    ids: Vec<String>,
}

/// What all connections share.
struct Floor {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    reads: Reads,
    keeper: Option<Keeper>,
}

// === impl Reads ===

impl Reads {
    /// As the command line says it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Reads::Nothing => "nothing",
            Reads::Bytes => "bytes",
            Reads::Record => "record",
            Reads::Ids => "ids",
        }
    }
}

/// Serves until it is killed.
#[expect(clippy::print_stdout, reason = "its parent waits for this line")]
pub(crate) fn serve(flags: &FloorFlags) -> Outcome<()> {
    let answer: Answer = serde_json::from_slice(&std::fs::read(&flags.answer)?)?;
    let mut headers = HeaderMap::new();
    for (name, value) in &answer.headers {
        headers.append(name.parse::<hyper::header::HeaderName>()?, value.parse()?);
    }
    let (status, body) = (StatusCode::from_u16(answer.status)?, answer.body.into());
    let keeper = flags.keeps.as_deref().map(|dir| Keeper::open(dir, flags.records)).transpose()?;
    let floor = Arc::new(Floor { status, headers, body, reads: flags.reads, keeper });
    let tls = flags.tls.as_deref().map(encryption).transpose()?;
    rolecall::runtime()?.block_on(async {
        let gate = rolecall::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        println!("listening on {}", gate.listener.local_addr()?);
        let (http1, http2) = (http1(), http2());
        loop {
            let (stream, _) = gate.listener.accept().await?;
            stream.set_nodelay(true)?;
            SockRef::from(&stream).set_tcp_user_timeout(Some(UNREAD_ANSWER_TIMEOUT))?;
            let floor = Arc::clone(&floor);
            match &tls {
                None => tokio::spawn(converse(http1.clone(), stream, floor)),
                Some(tls) => tokio::spawn(encrypted(http2.clone(), tls.clone(), stream, floor)),
            };
        }
    })
}

async fn converse(http1: http1::Builder, stream: TcpStream, floor: Arc<Floor>) {
    let service = service_fn(move |request| answer(Arc::clone(&floor), request));
    // Whoever asked has gone away, which is no news.
    let _ended = http1.serve_connection(TokioIo::new(stream), service).await;
}

async fn encrypted(
    http2: http2::Builder<TokioExecutor>,
    tls: TlsAcceptor,
    stream: TcpStream,
    floor: Arc<Floor>,
) {
    let Ok(stream) = tls.accept(stream).await else { return };
    let service = service_fn(move |request| answer(Arc::clone(&floor), request));
    let _ended = http2.serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(floor: Arc<Floor>, request: Request<Incoming>) -> Outcome<Response<Full<Bytes>>> {
    if floor.reads != Reads::Nothing {
        let body = request.into_body().collect().await?.to_bytes();
        match floor.reads {
            Reads::Nothing | Reads::Bytes => {}
            Reads::Record => {
                let record: Record = serde_json::from_slice(&body)?;
                look_at(&record);
                if let Some(keeper) = &floor.keeper {
                    keeper.keep(record.id, body).await?;
                }
            }
            Reads::Ids => drop(std::hint::black_box(serde_json::from_slice::<Ids>(&body)?.ids)),
        }
    }
    let mut response = Response::new(Full::new(floor.body.clone()));
    *response.status_mut() = floor.status;
    *response.headers_mut() = floor.headers.clone();
    Ok(response)
}

/// Keeps the compiler from leaving out what nobody seems to need.
fn look_at(record: &Record) {
    let texts = [&record.id, &record.name, &record.role, &record.address, &record.registered_by];
    std::hint::black_box((texts, &record.services, &record.metadata));
}

/// As the server sets it; without its bounds the floor would be a little faster, and no server
/// that anybody should run.
fn http1() -> http1::Builder {
    let mut http1 = http1::Builder::new();
    http1
        .timer(TokioTimer::new())
        .header_read_timeout(Limits::default().idle)
        .max_headers(HEADER_COUNT_MAX)
        .max_header_size(HEADER_BYTES_MAX)
        .max_buf_size(CONNECTION_BUFFER_BYTES_MAX);
    http1
}

fn http2() -> http2::Builder<TokioExecutor> {
    let mut http2 = http2::Builder::new(TokioExecutor::new());
    http2
        .timer(TokioTimer::new())
        .max_header_list_size(HEADER_BYTES_MAX as u32)
        .max_concurrent_streams(H2_STREAMS_MAX)
        .initial_stream_window_size(H2_STREAM_WINDOW_BYTES)
        .initial_connection_window_size(H2_CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(CONNECTION_BUFFER_BYTES_MAX);
    http2
}

fn encryption(folder: &std::path::Path) -> Outcome<TlsAcceptor> {
    let certificate = CertificateDer::from_pem_file(folder.join("cert.pem"))?;
    let key = PrivateKeyDer::from_pem_file(folder.join("key.pem"))?;
    let provider = tokio_rustls::rustls::crypto::ring::default_provider();
    let config = ServerConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth();
    let mut config = config.with_single_cert(vec![certificate], key)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
