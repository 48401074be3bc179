//! One connection: HTTP until its end, or until a handler takes it over.

use std::{convert::Infallible, os::fd::AsFd, sync::Arc, time::Duration};

use axum::body::Body;
use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::AsyncWriteExt;
use tokio_util::sync::CancellationToken;

use super::{
    Limits,
    departure::{self, Activity},
    transport::Transport,
};
use crate::{
    api::Api,
    body::DrainedBody,
    hijack::{Hijacked, Pause, Port, Takeover},
};

/// How long the first byte of a hijacked stream waits for the client to read the head.
const HEAD_READ_TIME: Duration = Duration::from_millis(50);

enum Ended {
    /// HTTP ended, well or not.
    Done,
    /// A handler takes the connection over.
    Taken(Takeover),
}

pub(super) async fn serve(
    transport: Transport,
    api: &Api,
    limits: &Limits,
    stop: CancellationToken,
) {
    // A second descriptor to ask the kernel about the socket while hyper owns the first.
    let socket = match transport.as_fd().try_clone_to_owned() {
        Ok(socket) => socket,
        Err(error) => return tracing::warn!(%error, "cannot serve a connection"),
    };
    let (port, mut takeover) = Port::new();
    let activity = Arc::new(Activity::default());
    let service = service_fn(|request| answer(api, request, &port, Arc::clone(&activity)));
    let mut connection = builder(limits).serve_connection(TokioIo::new(transport), service);
    let mut is_stopping = false;
    let ended = loop {
        tokio::select! {
            biased;
            Ok(takeover) = &mut takeover => break Ended::Taken(takeover),
            result = &mut connection => {
                if let Err(error) = result {
                    tracing::debug!(%error, "a connection ended badly");
                }
                break Ended::Done;
            }
            () = departure::watch(&socket, &activity) => break Ended::Done,
            () = stop.cancelled(), if !is_stopping => {
                is_stopping = true;
                std::pin::Pin::new(&mut connection).graceful_shutdown();
            }
        }
    };
    if let Ended::Taken(takeover) = ended {
        let parts = connection.into_parts();
        hand_over(parts.io.into_inner(), parts.read_buf, takeover).await;
    }
}

fn builder(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_time)
        .max_buf_size(limits.head_bytes)
        .max_headers(limits.headers)
        .title_case_headers(true)
        .half_close(true);
    builder
}

async fn answer(
    api: &Api,
    request: Request<Incoming>,
    port: &Port,
    activity: Arc<Activity>,
) -> Result<Response<Body>, Infallible> {
    let answering = activity.begin(request.uri().path());
    let (mut parts, body) = request.into_parts();
    parts.extensions.insert(port.clone());
    let body = Body::new(DrainedBody::new(body, &parts.headers));
    let response = api.answer(Request::from_parts(parts, body)).await;
    Ok(response.map(|body| answering.until_sent(body)))
}

/// Sends the head and serves what follows on this task, so that the connection keeps counting.
async fn hand_over(mut transport: Transport, early: bytes::Bytes, takeover: Takeover) {
    if let Err(error) = send(&mut transport, &takeover.head).await {
        return tracing::debug!(%error, "a client went away before its hijacked stream began");
    }
    if takeover.pause == Pause::UntilHeadIsRead {
        until_read(&transport).await;
    }
    (takeover.serve)(Hijacked::new(early, transport)).await;
}

async fn send(transport: &mut Transport, head: &[u8]) -> std::io::Result<()> {
    transport.write_all(head).await?;
    transport.flush().await
}

/// Waits until the peer has taken everything from the socket, but not for long.
async fn until_read(transport: &Transport) {
    let deadline = tokio::time::Instant::now() + HEAD_READ_TIME;
    while tokio::time::Instant::now() < deadline {
        match sys::socket_queue::unsent_bytes(transport.as_fd()) {
            Ok(0) | Err(_) => return,
            Ok(_) => tokio::time::sleep(Duration::from_micros(200)).await,
        }
    }
}
