//! Manifests.

use axum::{body::Body, response::Response};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use registry::{ManifestReference, PutManifest, RepositoryName, catalog::ManifestRow};

use crate::{
    answer::{self, DIGEST, Failure},
    blob,
    body::Incoming,
    serve::{Call, bare},
};

const SUBJECT: HeaderName = HeaderName::from_static("oci-subject");

pub(crate) async fn get(
    call: &Call<'_>,
    name: &RepositoryName,
    reference: &ManifestReference,
) -> Result<Response, Failure> {
    let row = call.registry.manifest(name, reference).await?;
    if blob::is_match(call.header(&header::IF_NONE_MATCH), &format!("\"{}\"", row.digest)) {
        return Ok(described(bare(StatusCode::NOT_MODIFIED), &row));
    }
    if *call.method() == Method::HEAD {
        return Ok(described(bare(StatusCode::OK), &row));
    }
    let exact = ManifestReference::Digest(row.digest);
    let (row, content) = call.registry.manifest_content(name, &exact).await?;
    Ok(described(Response::new(Body::from(content)), &row))
}

fn described(mut response: Response, row: &ManifestRow) -> Response {
    let is_whole = response.status() == StatusCode::OK;
    let headers = response.headers_mut();
    headers.insert(DIGEST, answer::value(row.digest.to_string()));
    headers.insert(header::ETAG, answer::value(format!("\"{}\"", row.digest)));
    if is_whole {
        headers.insert(header::CONTENT_TYPE, answer::value(&row.media_type));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(row.size_bytes));
    }
    response
}

pub(crate) async fn put(
    call: &Call<'_>,
    name: &RepositoryName,
    reference: &ManifestReference,
    body: &mut Incoming,
) -> Result<Response, Failure> {
    let content = body.manifest().await?;
    let content_type = call.header(&header::CONTENT_TYPE);
    let put = PutManifest { reference, content_type, content };
    let stored = call.registry.put_manifest(name, put).await?;
    let mut response = bare(StatusCode::CREATED);
    let headers = response.headers_mut();
    let location = format!("/v2/{name}/manifests/{}", stored.digest);
    headers.insert(header::LOCATION, answer::value(location));
    headers.insert(DIGEST, answer::value(stored.digest.to_string()));
    if let Some(subject) = stored.subject {
        headers.insert(SUBJECT, answer::value(subject.to_string()));
    }
    Ok(response)
}

pub(crate) async fn delete(
    call: &Call<'_>,
    name: &RepositoryName,
    reference: &ManifestReference,
) -> Result<Response, Failure> {
    call.registry.delete_manifest(name, reference).await?;
    Ok(bare(StatusCode::ACCEPTED))
}
