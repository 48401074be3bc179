//! `/containers/{id}/archive`: copying in and out.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
    routing::get,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use engine_api::container::PathStat;
use http::{HeaderValue, StatusCode};

use super::Backend;
use crate::{
    Answer, ApiError, ByteStream, answer,
    backend::{ContainerBackend, container::PutArchive},
    compat,
    parameters::{ObjectName, Parameters},
};

const PATH_STAT: &str = "x-docker-container-path-stat";

pub(super) fn router() -> Router<Arc<dyn ContainerBackend>> {
    Router::new().route("/containers/{id}/archive", get(read).head(describe).put(write))
}

fn path(query: &Parameters) -> Answer<&str> {
    query.given("path").ok_or_else(|| ApiError::invalid("bad parameter: path cannot be empty"))
}

fn header(stat: &PathStat) -> Answer<HeaderValue> {
    let json = compat::value(stat)?.to_string();
    let text = STANDARD.encode(json);
    HeaderValue::try_from(text).map_err(|error| {
        ApiError::new(types::ErrorKind::Internal, format!("cannot write the header: {error}"))
    })
}

async fn describe(
    State(backend): Backend,
    ObjectName(id): ObjectName,
    query: Parameters,
) -> Answer<Response> {
    let stat = backend.archive_stat(&id, path(&query)?).await?;
    Ok(([(PATH_STAT, header(&stat)?)], StatusCode::OK).into_response())
}

async fn read(
    State(backend): Backend,
    ObjectName(id): ObjectName,
    query: Parameters,
) -> Answer<Response> {
    let (stat, archive) = backend.archive_get(&id, path(&query)?).await?;
    let mut response = answer::bytes("application/x-tar", archive);
    response.headers_mut().insert(PATH_STAT, header(&stat)?);
    Ok(response)
}

async fn write(
    State(backend): Backend,
    ObjectName(id): ObjectName,
    query: Parameters,
    body: Body,
) -> Answer<StatusCode> {
    let options = PutArchive {
        path: path(&query)?.to_owned(),
        no_overwrite_dir_non_dir: query.flag("noOverwriteDirNonDir"),
        copy_uid_gid: query.flag("copyUIDGID"),
    };
    backend.archive_put(&id, options, ByteStream::from_body(body)).await?;
    Ok(StatusCode::OK)
}
