//! One connection: one request, and its answer.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Request};
use axum::response::{IntoResponse as _, Response};
use http_body_util::{BodyExt as _, Collected};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use restante_interface::{Refusal, VERSION};
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;
use tokio::time::timeout;
use tracing::debug;

use super::answer::{Refused, mark};
use super::caller::Caller;
use super::server::PATIENCE;
use super::stream::Guarded;
use super::wire::{HEAD_BYTES_MAX, JSON, VERSION_HEADER};

/// Fields in the head of a request, at most.
const FIELDS_MAX: usize = 64;

type Answering = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

/// Serves the one request of a connection, and tells whether it is that the node stops.
///
/// # Cancel safety
///
/// Dropping the future ends the connection.
pub(super) async fn serve(stream: UnixStream, router: Router, caller: Caller) -> bool {
    let is_asked = Arc::new(AtomicBool::new(false));
    let caller = Arc::new(caller);
    let routes = TowerToHyperService::new(router);
    let answering = service_fn({
        let (caller, is_asked) = (Arc::clone(&caller), Arc::clone(&is_asked));
        move |mut request: Request<Incoming>| -> Answering {
            is_asked.store(true, Ordering::Relaxed);
            request.extensions_mut().insert(Arc::clone(&caller));
            let admitted = admit(request.headers());
            let routes = routes.clone();
            Box::pin(async move {
                let mut response = match admitted {
                    Ok(()) => routes.call(request).await?,
                    Err(refusal) => Refused(refusal).into_response(),
                };
                mark(&mut response);
                Ok(response)
            })
        }
    });
    let guarded = Guarded::new(stream, Arc::clone(&is_asked), PATIENCE);
    let mut connection = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(FIELDS_MAX)
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(guarded), answering);
    let ended = poll_fn(|cx| connection.poll_without_shutdown(cx)).await;
    let mut io = connection.into_parts().io.into_inner();
    if let Err(error) = ended {
        debug!(%error, "a client was not served to the end");
        if !is_asked.swap(true, Ordering::Relaxed) {
            refuse(&mut io, &error).await;
        }
    }
    let _gone = timeout(PATIENCE, io.shutdown()).await;
    caller.wants_stop()
}

/// Answers what is no request; who has gone away does not get it.
async fn refuse(io: &mut Guarded, error: &hyper::Error) {
    let refusal = if error.is_parse_too_large() {
        let max_bytes = HEAD_BYTES_MAX as u64;
        Refusal::HeadTooLarge { max_bytes }
    } else if error.is_timeout() {
        Refusal::TimedOut
    } else if error.is_parse() {
        let why = error.to_string();
        Refusal::Malformed { why }
    } else {
        return;
    };
    let mut response = Refused(refusal).into_response();
    mark(&mut response);
    let (head, body) = response.into_parts();
    let Ok(content) = body.collect().await.map(Collected::to_bytes) else {
        return;
    };
    let reason = head.status.canonical_reason().unwrap_or_default();
    let text = format!(
        "HTTP/1.1 {} {reason}\r\ncontent-type: {JSON}\r\n{VERSION_HEADER}: {VERSION}\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n",
        head.status.as_str(),
        content.len(),
    );
    let writing = async {
        io.write_all(text.as_bytes()).await?;
        io.write_all(&content).await?;
        io.flush().await
    };
    let _gone = timeout(PATIENCE, writing).await;
}

/// Refuses clients of another version, and requests that a browser makes for the page of another site, or by the name
/// of another host (DNS rebinding): a browser reaches what carries this socket further, such as a bridge to a port.
fn admit(headers: &HeaderMap) -> Result<(), Refusal> {
    let foreign = |header: &str| {
        let header = header.to_owned();
        Err(Refusal::Foreign { header })
    };
    if headers.contains_key(ORIGIN) {
        return foreign("origin");
    }
    if !headers.get(HOST).is_none_or(is_here) {
        return foreign("host");
    }
    let Some(version) = headers.get(VERSION_HEADER) else {
        return Ok(());
    };
    let version = version.to_str().ok().and_then(|text| text.parse().ok());
    match version {
        Some(VERSION) => Ok(()),
        Some(command) => Err(Refusal::Version {
            node: VERSION,
            command,
        }),
        None => Err(Refusal::InvalidParameter {
            name: VERSION_HEADER.to_owned(),
        }),
    }
}

/// Tells whether a host is this machine, whatever the port is.
fn is_here(host: &HeaderValue) -> bool {
    let authority = host.to_str().ok().and_then(|text| text.parse().ok());
    authority.is_some_and(|authority: Authority| {
        let host = authority.host();
        host.eq_ignore_ascii_case("localhost") || matches!(host, "127.0.0.1" | "[::1]")
    })
}
