//! `/containers/{id}`: logs, attach, wait, stats, export.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use engine_api::container::{WaitError, WaitResponse};
use futures_util::{FutureExt, StreamExt, stream};
use http::{HeaderMap, HeaderValue, header};

use super::Backend;
use crate::{
    Answer, ApiError, ApiVersion, answer,
    backend::{
        ContainerBackend,
        container::{AttachOptions, LogOptions, StatsOptions, Tail, WaitCondition},
    },
    detach_keys,
    hijack::Hijack,
    parameters::{ObjectName, Parameters},
    websocket,
};

pub(super) fn router() -> Router<Arc<dyn ContainerBackend>> {
    Router::new()
        .route("/containers/{id}/logs", get(logs))
        .route("/containers/{id}/attach", post(attach))
        .route("/containers/{id}/attach/ws", get(attach_websocket))
        .route("/containers/{id}/wait", post(wait))
        .route("/containers/{id}/stats", get(stats))
        .route("/containers/{id}/export", get(export))
}

async fn logs(
    State(backend): Backend,
    version: ApiVersion,
    ObjectName(id): ObjectName,
    query: Parameters,
) -> Answer<Response> {
    let options = log_options(&query)?;
    let log = backend.logs(&id, options).await?;
    Ok(answer::bytes(answer::media_type(log.framing, version), log.bytes))
}

fn log_options(query: &Parameters) -> Answer<LogOptions> {
    let (stdout, stderr) = (query.flag("stdout"), query.flag("stderr"));
    if !stdout && !stderr {
        return Err(ApiError::invalid("Bad parameters: you must choose at least one stream"));
    }
    Ok(LogOptions {
        follow: query.flag("follow"),
        stdout,
        stderr,
        since: query.timestamp("since")?.filter(|since| since.total_nanoseconds() != 0),
        until: query.timestamp("until")?.filter(|until| until.total_nanoseconds() != 0),
        timestamps: query.flag("timestamps"),
        details: query.flag("details"),
        tail: tail(query.text("tail")),
    })
}

/// Anything that is not a number of lines means all of them, as in Docker.
fn tail(text: &str) -> Tail {
    text.parse().map_or(Tail::All, Tail::Lines)
}

async fn attach(
    State(backend): Backend,
    ObjectName(id): ObjectName,
    query: Parameters,
    hijack: Hijack,
) -> Answer<Response> {
    let options = AttachOptions {
        logs: query.flag("logs"),
        stream: query.flag("stream"),
        stdin: query.flag("stdin"),
        stdout: query.flag("stdout"),
        stderr: query.flag("stderr"),
        detach_keys: detach_keys::parse(query.text("detachKeys"))?,
    };
    hijack.take(backend.attach(&id, options).await?)
}

/// Before 1.42 every stream was attached, whatever the query said.
async fn attach_websocket(
    State(backend): Backend,
    version: ApiVersion,
    ObjectName(id): ObjectName,
    query: Parameters,
    headers: HeaderMap,
    hijack: Hijack,
) -> Answer<Response> {
    let head = websocket::handshake(&headers)?;
    let has_all = version.is_before(42);
    let options = AttachOptions {
        logs: query.flag("logs"),
        stream: query.flag("stream"),
        stdin: has_all || query.flag("stdin"),
        stdout: has_all || query.flag("stdout"),
        stderr: has_all || query.flag("stderr"),
        detach_keys: detach_keys::parse(query.text("detachKeys"))?,
    };
    hijack.take_websocket(&head, backend.attach(&id, options).await?)
}

async fn wait(
    State(backend): Backend,
    version: ApiVersion,
    ObjectName(id): ObjectName,
    query: Parameters,
) -> Answer<Response> {
    let condition = match query.text("condition") {
        _ if version.is_before(30) => WaitCondition::NotRunning,
        "" | "not-running" => WaitCondition::NotRunning,
        "next-exit" => WaitCondition::NextExit,
        "removed" => WaitCondition::Removed,
        other => return Err(ApiError::invalid(format!("invalid condition: {other:?}"))),
    };
    let waiting = backend.wait(&id, condition).await?;
    if version.is_before(30) {
        return answer::document(&waiting.await?);
    }
    // The head goes out at once: clients start the container when they have it.
    let lines = stream::once(waiting.map(|result| Ok(result.unwrap_or_else(failed_wait))));
    Ok(answer::json_lines(HeaderValue::from_static("application/json"), lines))
}

fn failed_wait(error: ApiError) -> WaitResponse {
    WaitResponse { status_code: 0, error: Some(WaitError { message: error.message }) }
}

async fn stats(
    State(backend): Backend,
    version: ApiVersion,
    ObjectName(id): ObjectName,
    query: Parameters,
) -> Answer<Response> {
    let options = StatsOptions {
        stream: query.flag_default_on("stream"),
        one_shot: version.is_at_least(41) && query.flag("one-shot"),
    };
    let mut samples = backend.stats(&id, options).await?;
    if options.stream {
        return Ok(answer::json_lines(HeaderValue::from_static("application/json"), samples));
    }
    match samples.next().await {
        Some(sample) => answer::document(&sample?),
        // The container went away between the question and the sample.
        None => Ok(([(header::CONTENT_TYPE, "application/json")], Body::empty()).into_response()),
    }
}

async fn export(State(backend): Backend, ObjectName(id): ObjectName) -> Answer<Response> {
    Ok(answer::bytes("application/octet-stream", backend.export(&id).await?))
}
