//! `/images`: pull, import, push, save, load.

use axum::{body::Body, response::Response};
use types::{Digest, Reference};

use super::Call;
use crate::{
    Answer, ApiError, ByteStream, answer,
    backend::image::{ImportImage, ImportSource, LoadImages, PullImage, PushImage, SaveImages},
    body::registry_auth,
    parameters::reference,
};

impl Call {
    pub(super) async fn create(self, body: Body) -> Answer<Response> {
        let stream = match self.query.given("fromImage").map(str::to_owned) {
            Some(name) => self.pull(&name).await?,
            None => self.import(body).await?,
        };
        answer::progress(stream).await
    }

    async fn pull(self, name: &str) -> Answer<crate::backend::image::ProgressStream> {
        // "pull --all-tags" of old clients sends "name:".
        let named = reference(name.strip_suffix(':').unwrap_or(name))?;
        let options = PullImage {
            reference: tagged(named, self.query.text("tag"))?,
            platform: self.platform()?,
            auth: registry_auth(&self.headers),
        };
        self.backend.pull(options).await
    }

    async fn import(self, body: Body) -> Answer<crate::backend::image::ProgressStream> {
        let from = self.query.text("fromSrc");
        let message = match self.query.given("message") {
            Some(message) => message.to_owned(),
            None => format!("Imported from {from}"),
        };
        let source = match from {
            "-" => ImportSource::Body(ByteStream::from_body(body)),
            url if url.contains("://") => ImportSource::Url(url.to_owned()),
            host => ImportSource::Url(format!("http://{host}")),
        };
        let options = ImportImage {
            source,
            reference: self.query.repo_and_tag()?,
            message,
            changes: self.query.all("changes"),
            platform: self.platform()?,
        };
        self.backend.import(options).await
    }

    fn platform(&self) -> Answer<Option<engine_api::descriptor::Platform>> {
        if self.version.is_before(32) {
            return Ok(None);
        }
        self.query.platform_path("platform")
    }

    pub(super) async fn push(self, name: &str) -> Answer<Response> {
        let options = PushImage {
            reference: tagged(reference(name)?, self.query.text("tag"))?,
            platform: self.platforms_since(46, "platform")?.into_iter().next(),
            auth: registry_auth(&self.headers),
        };
        answer::progress(self.backend.push(options).await?).await
    }

    pub(super) async fn save(self, names: Vec<String>) -> Answer<Response> {
        let platforms = self.archive_platforms()?;
        let archive = self.backend.save(SaveImages { names, platforms }).await?;
        Ok(answer::bytes("application/x-tar", archive))
    }

    pub(super) async fn load(self, body: Body) -> Answer<Response> {
        let options = LoadImages {
            quiet: self.query.flag_default_on("quiet"),
            platforms: self.archive_platforms()?,
        };
        Ok(answer::told(self.backend.load(options, ByteStream::from_body(body)).await?))
    }

    fn archive_platforms(&self) -> Answer<Vec<engine_api::descriptor::Platform>> {
        let platforms = self.platforms_since(48, "platform")?;
        if self.version.is_before(52) && platforms.len() > 1 {
            return Err(ApiError::invalid(
                "multiple platform parameters are not supported in this API version; use API \
                 version 1.52 or later",
            ));
        }
        Ok(platforms)
    }
}

/// Adds what the `tag` parameter says: a tag, a digest, or nothing.
fn tagged(reference: Reference, tag: &str) -> Answer<Reference> {
    if tag.is_empty() {
        return Ok(reference);
    }
    match tag.parse::<Digest>() {
        Ok(digest) => Ok(reference.with_digest(digest)),
        Err(_) => reference.with_tag(tag).map_err(|error| ApiError::invalid(error.to_string())),
    }
}
