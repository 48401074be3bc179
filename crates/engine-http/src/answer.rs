//! The bodies of answers: JSON documents, JSON lines, bytes.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use engine_api::progress::{ErrorDetail, ProgressMessage};
use futures_util::{Stream, StreamExt, stream};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::{Answer, ApiError, ByteStream, Framing, backend::image::ProgressStream};

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// One document with the status 200.
///
/// # Errors
/// 500 if the document cannot be written as JSON.
pub fn document(document: &impl Serialize) -> Answer<Response> {
    document_with(StatusCode::OK, document)
}

/// One document with a status.
///
/// # Errors
/// 500 if the document cannot be written as JSON.
pub fn document_with(status: StatusCode, document: &impl Serialize) -> Answer<Response> {
    Ok((status, [(header::CONTENT_TYPE, JSON)], line(document, b"\n")?).into_response())
}

/// Bytes of a type.
pub fn bytes(content_type: &'static str, stream: ByteStream) -> Response {
    let content_type = HeaderValue::from_static(content_type);
    ([(header::CONTENT_TYPE, content_type)], stream.into_body()).into_response()
}

/// The media type of a framing.
#[must_use]
pub fn media_type(framing: Framing, version: crate::ApiVersion) -> &'static str {
    match framing {
        Framing::Multiplexed if version.is_at_least(42) => {
            "application/vnd.docker.multiplexed-stream"
        }
        _ => "application/vnd.docker.raw-stream",
    }
}

/// Documents as lines, each sent as soon as it is there. An error ends the body abruptly.
pub fn json_lines<T: Serialize + 'static>(
    content_type: HeaderValue,
    items: impl Stream<Item = Answer<T>> + Send + 'static,
) -> Response {
    let lines = items.map(|item| item.and_then(|item| line(&item, b"\n")));
    ([(header::CONTENT_TYPE, content_type)], Body::from_stream(lines)).into_response()
}

/// Progress as lines. A failure before the first line becomes the status of the answer, a later
/// one the last line.
///
/// # Errors
/// The stream's first item, if that is one.
pub async fn progress(mut items: ProgressStream) -> Answer<Response> {
    let first = items.next().await.transpose()?;
    Ok(told(stream::iter(first.map(Ok)).chain(items).boxed()))
}

/// Progress whose failures are lines of it, the first one too: `load` has always answered so.
pub fn told(items: ProgressStream) -> Response {
    let lines = items.map(|item| line(&item.unwrap_or_else(|error| failure(&error)), b"\r\n"));
    ([(header::CONTENT_TYPE, JSON)], Body::from_stream(lines)).into_response()
}

fn failure(error: &ApiError) -> ProgressMessage {
    ProgressMessage {
        error: error.message.clone(),
        error_detail: Some(ErrorDetail { code: 0, message: error.message.clone() }),
        ..ProgressMessage::default()
    }
}

fn line(document: &impl Serialize, end: &[u8]) -> Answer<Bytes> {
    let mut line = serde_json::to_vec(document).map_err(|error| {
        ApiError::new(types::ErrorKind::Internal, format!("cannot write the answer: {error}"))
    })?;
    line.extend_from_slice(end);
    Ok(line.into())
}
