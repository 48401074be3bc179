//! Uploading blobs: monolithic, in chunks, or by mounting one that is here already.

use axum::response::Response;
use http::{HeaderName, HeaderValue, StatusCode, header};
use registry::{Appender, RegistryError, RepositoryName, UploadId};
use types::Digest;

use crate::{
    answer::{self, Code, DIGEST, Failure},
    body::Incoming,
    guard::{Action, Need},
    query::Parameters,
    range,
    serve::{Call, bare},
};

const UPLOAD_ID: HeaderName = HeaderName::from_static("docker-upload-uuid");
/// Repositories asked for a blob when a mount names no source.
const MAX_SOURCES: u32 = 50;

pub(crate) async fn begin(
    call: &Call<'_>,
    name: &RepositoryName,
    body: &mut Incoming,
) -> Result<Response, Failure> {
    let parameters = Parameters::of(&call.head.uri)?;
    if let Some(text) = parameters.get("mount") {
        let digest = parse_digest(text)?;
        if mount(call, name, &digest, parameters.get("from")).await? {
            return Ok(created(name, &digest));
        }
    }
    let digest = parameters.get("digest").map(parse_digest).transpose()?;
    let mut appender = call.registry.begin_upload(name).await?;
    if let Some(digest) = digest {
        if let Err(failure) = receive(&mut appender, body).await {
            // Nobody was told its name, so nobody can go on with it.
            appender.abort().await?;
            return Err(failure);
        }
        appender.finish(&digest).await?;
        return Ok(created(name, &digest));
    }
    let id = appender.id().clone();
    let offset = appender.suspend().await?;
    Ok(accepted(name, &id, offset))
}

/// A source that the caller may not pull from answers like one that lacks the blob.
async fn mount(
    call: &Call<'_>,
    name: &RepositoryName,
    digest: &Digest,
    from: Option<&str>,
) -> Result<bool, Failure> {
    let sources = match from {
        Some(text) => vec![text.parse().map_err(|_| {
            Failure::new(Code::NameInvalid, "invalid name of the repository to mount from")
        })?],
        None => call.registry.blob_holders(digest, MAX_SOURCES).await?,
    };
    for source in sources {
        let need = Need::Repository(source.clone(), Action::Pull);
        if call.session.check(&need).await.is_ok()
            && call.registry.mount_blob(name, digest, &source).await?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

pub(crate) async fn status(
    call: &Call<'_>,
    name: &RepositoryName,
    id: &UploadId,
) -> Result<Response, Failure> {
    let offset = call.registry.upload_offset(name, id).await?;
    Ok(progress(bare(StatusCode::NO_CONTENT), name, id, offset))
}

pub(crate) async fn append(
    call: &Call<'_>,
    name: &RepositoryName,
    id: &UploadId,
    body: &mut Incoming,
) -> Result<Response, Failure> {
    let mut appender = resume(call, name, id).await?;
    let received = receive(&mut appender, body).await;
    // What arrived is kept even when the rest did not: that is what resuming is for.
    let offset = appender.suspend().await?;
    received?;
    Ok(accepted(name, id, offset))
}

pub(crate) async fn finish(
    call: &Call<'_>,
    name: &RepositoryName,
    id: &UploadId,
    body: &mut Incoming,
) -> Result<Response, Failure> {
    let parameters = Parameters::of(&call.head.uri)?;
    let missing = || Failure::new(Code::DigestInvalid, "digest is missing");
    let digest = parse_digest(parameters.get("digest").ok_or_else(missing)?)?;
    let mut appender = resume(call, name, id).await?;
    if let Err(failure) = receive(&mut appender, body).await {
        appender.suspend().await?;
        return Err(failure);
    }
    appender.finish(&digest).await?;
    Ok(created(name, &digest))
}

pub(crate) async fn cancel(
    call: &Call<'_>,
    name: &RepositoryName,
    id: &UploadId,
) -> Result<Response, Failure> {
    call.registry.cancel_upload(name, id).await?;
    Ok(bare(StatusCode::NO_CONTENT))
}

/// Claims the upload where the chunk says that it begins.
async fn resume(
    call: &Call<'_>,
    name: &RepositoryName,
    id: &UploadId,
) -> Result<Appender, Failure> {
    let begins = match call.header(&header::CONTENT_RANGE) {
        None => None,
        Some(text) => {
            let chunk = range::chunk(text)
                .ok_or_else(|| Failure::new(Code::UploadInvalid, "malformed content range"))?;
            let length = call.header(&header::CONTENT_LENGTH).and_then(|text| text.parse().ok());
            if length.is_some_and(|length: u64| length != chunk.length) {
                let text = "content range and content length differ";
                return Err(Failure::new(Code::SizeInvalid, text));
            }
            Some(chunk.offset)
        }
    };
    call.registry.resume_upload(name, id, begins).await.map_err(|error| match error {
        RegistryError::ChunkOutOfOrder { offset, .. } => Failure::from(error)
            .with_header(header::LOCATION, location(name, id))
            .with_header(header::RANGE, received_range(offset)),
        other => other.into(),
    })
}

async fn receive(appender: &mut Appender, body: &mut Incoming) -> Result<(), Failure> {
    while let Some(bytes) = body.next().await? {
        appender.write(bytes).await?;
    }
    Ok(())
}

fn parse_digest(text: &str) -> Result<Digest, Failure> {
    text.parse().map_err(|_| Failure::new(Code::DigestInvalid, "invalid digest"))
}

fn location(name: &RepositoryName, id: &UploadId) -> HeaderValue {
    answer::value(format!("/v2/{name}/blobs/uploads/{id}"))
}

/// The bytes received so far; the header cannot say "none", so that is `0-0`, as elsewhere.
fn received_range(offset: u64) -> HeaderValue {
    answer::value(format!("0-{}", offset.saturating_sub(1)))
}

fn progress(mut response: Response, name: &RepositoryName, id: &UploadId, offset: u64) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, location(name, id));
    headers.insert(header::RANGE, received_range(offset));
    headers.insert(UPLOAD_ID, answer::value(id.as_str()));
    response
}

fn accepted(name: &RepositoryName, id: &UploadId, offset: u64) -> Response {
    progress(bare(StatusCode::ACCEPTED), name, id, offset)
}

fn created(name: &RepositoryName, digest: &Digest) -> Response {
    let mut response = bare(StatusCode::CREATED);
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, answer::value(format!("/v2/{name}/blobs/{digest}")));
    headers.insert(DIGEST, answer::value(digest.to_string()));
    response
}
