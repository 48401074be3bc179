//! Downloading and deleting blobs.

use axum::{body::Body, response::Response};
use http::{HeaderValue, Method, StatusCode, header};
use registry::{ByteRange, RepositoryName};
use types::Digest;

use crate::{
    answer::{self, Code, DIGEST, Failure},
    range::{self, Wanted},
    serve::{Call, bare},
};

pub(crate) async fn get(
    call: &Call<'_>,
    name: &RepositoryName,
    digest: &Digest,
) -> Result<Response, Failure> {
    let size = call.registry.stat_blob(name, digest).await?;
    let tag = format!("\"{digest}\"");
    if is_match(call.header(&header::IF_NONE_MATCH), &tag) {
        return Ok(described(bare(StatusCode::NOT_MODIFIED), digest));
    }
    let may_split = call.header(&header::IF_RANGE).is_none_or(|held| held == tag);
    let asked = call.header(&header::RANGE).filter(|_| may_split && *call.method() == Method::GET);
    let (status, piece) = match range::wanted(asked, size) {
        Wanted::Whole => (StatusCode::OK, ByteRange { offset: 0, length: size }),
        Wanted::Piece(piece) => (StatusCode::PARTIAL_CONTENT, piece),
        Wanted::Unsatisfiable => {
            return Err(Failure::new(Code::RangeInvalid, "range lies outside the blob")
                .with_header(header::CONTENT_RANGE, answer::value(format!("bytes */{size}"))));
        }
    };
    let body = match *call.method() {
        Method::HEAD => Body::empty(),
        _ => Body::from_stream(call.registry.open_blob(name, digest, piece).await?),
    };
    let mut response = described(Response::new(body), digest);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(piece.length));
    let octets = HeaderValue::from_static("application/octet-stream");
    headers.insert(header::CONTENT_TYPE, octets);
    if status == StatusCode::PARTIAL_CONTENT {
        let last = piece.offset + piece.length - 1;
        let range = format!("bytes {}-{last}/{size}", piece.offset);
        headers.insert(header::CONTENT_RANGE, answer::value(range));
    }
    Ok(response)
}

/// Whether an `If-None-Match` list has the tag.
pub(crate) fn is_match(header: Option<&str>, tag: &str) -> bool {
    header.is_some_and(|list| {
        list.split(',')
            .map(str::trim)
            .any(|held| held == "*" || held.strip_prefix("W/").unwrap_or(held) == tag)
    })
}

fn described(mut response: Response, digest: &Digest) -> Response {
    let headers = response.headers_mut();
    headers.insert(DIGEST, answer::value(digest.to_string()));
    headers.insert(header::ETAG, answer::value(format!("\"{digest}\"")));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    response
}

pub(crate) async fn delete(
    call: &Call<'_>,
    name: &RepositoryName,
    digest: &Digest,
) -> Result<Response, Failure> {
    call.registry.delete_blob(name, digest).await?;
    Ok(bare(StatusCode::ACCEPTED))
}
