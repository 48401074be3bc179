//! `/images`, `/commit`, `/distribution`.
//!
//! Names of images contain slashes, so everything below `/images/` is one route whose last
//! segment tells the operation.

mod operation;
mod transfer;

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::{any, get, post},
};
use engine_api::{container::ContainerConfig, exec::IdResponse};
use http::{HeaderMap, Method, StatusCode};

use crate::{
    Answer, ApiError, ApiVersion, answer,
    backend::{
        ImageBackend,
        image::{CommitContainer, DeleteImage, InspectImage, ListImages, SearchImages},
    },
    body::{JsonBody, registry_auth},
    compat,
    parameters::{Parameters, reference},
};

pub(crate) use operation::Operation;

type Backend = State<Arc<dyn ImageBackend>>;

/// The routes of `/images`, `/commit` and `/distribution`.
pub fn router(backend: Arc<dyn ImageBackend>) -> Router {
    Router::new()
        .route("/images/{*path}", any(dispatch))
        .route("/commit", post(commit))
        .route("/distribution/{*path}", get(distribution))
        .with_state(backend)
}

/// A request below `/images/` or `/distribution/`.
struct Call {
    backend: Arc<dyn ImageBackend>,
    version: ApiVersion,
    query: Parameters,
    headers: HeaderMap,
}

async fn dispatch(
    State(backend): Backend,
    version: ApiVersion,
    query: Parameters,
    headers: HeaderMap,
    method: Method,
    Path(path): Path<String>,
    body: Body,
) -> Answer<Response> {
    let call = Call { backend, version, query, headers };
    let Some((operation, name)) = Operation::of(&method, &path) else {
        return Err(ApiError::not_found("page not found"));
    };
    match operation {
        Operation::Delete => call.delete(name).await,
        Operation::List => call.list().await,
        Operation::Search => call.search().await,
        Operation::SaveMany => {
            let names = call.query.all("names");
            call.save(names).await
        }
        Operation::Create => call.create(body).await,
        Operation::Load => call.load(body).await,
        Operation::Prune => call.prune().await,
        Operation::Inspect => call.inspect(name).await,
        Operation::History => call.history(name).await,
        Operation::Save => call.save(vec![name.to_owned()]).await,
        Operation::Attestations => Err(ApiError::not_implemented("attestations")),
        Operation::Push => call.push(name).await,
        Operation::Tag => call.tag(name).await,
    }
}

impl Call {
    async fn list(self) -> Answer<Response> {
        let mut filters = self.query.filters()?;
        if self.version.is_before(25)
            && !filters.contains("reference")
            && let Some(pattern) = self.query.given("filter")
        {
            filters.add("reference", pattern);
        }
        let has_manifests = self.version.is_at_least(47) && self.query.flag("manifests");
        if self.version.is_at_least(54) && self.query.flag("identity") && !has_manifests {
            return Err(ApiError::invalid("identity requires manifests=1"));
        }
        let options = ListImages {
            all: self.query.flag("all"),
            filters,
            shared_size: self.version.is_at_least(42) && self.query.flag("shared-size"),
            manifests: has_manifests,
        };
        let mut images = self.backend.list(options).await?;
        compat::image::lower_list(&mut images, self.version);
        answer::document(&images)
    }

    async fn inspect(self, name: &str) -> Answer<Response> {
        let platforms = self.platforms_since(49, "platform")?;
        let options = InspectImage {
            manifests: self.version.is_at_least(48) && self.query.flag("manifests"),
            platform: platforms.into_iter().next(),
        };
        if options.manifests && options.platform.is_some() {
            return Err(ApiError::invalid(
                "conflicting options: manifests and platform options cannot both be set",
            ));
        }
        let image = self.backend.inspect(name, options).await?;
        answer::document(&compat::image::lower_inspect(image, self.version)?)
    }

    async fn history(self, name: &str) -> Answer<Response> {
        let platform = self.platforms_since(48, "platform")?.into_iter().next();
        answer::document(&self.backend.history(name, platform).await?)
    }

    async fn tag(self, name: &str) -> Answer<Response> {
        let reference = self.query.repo_and_tag()?;
        let reference = reference.ok_or_else(|| {
            ApiError::invalid("invalid reference format: repository name must not be empty")
        })?;
        if reference.familiar_name() == "sha256" {
            return Err(ApiError::invalid(
                "refusing to create an ambiguous tag using digest algorithm as name",
            ));
        }
        self.backend.tag(name, reference).await?;
        Ok(StatusCode::CREATED.into_response())
    }

    async fn delete(self, name: &str) -> Answer<Response> {
        if name.trim().is_empty() {
            return Err(ApiError::invalid("image name cannot be blank"));
        }
        let options = DeleteImage {
            force: self.query.flag("force"),
            no_prune: self.query.flag("noprune"),
            platforms: self.platforms_since(50, "platforms")?,
        };
        answer::document(&self.backend.delete(name, options).await?)
    }

    async fn search(self) -> Answer<Response> {
        let limit = self.query.number::<u32>("limit");
        let options = SearchImages {
            term: self.query.text("term").to_owned(),
            limit: limit.map_err(|error| error.within("invalid limit specified"))?,
            filters: self.query.filters()?,
            auth: registry_auth(&self.headers),
        };
        answer::document(&self.backend.search(options).await?)
    }

    async fn prune(self) -> Answer<Response> {
        answer::document(&self.backend.prune(self.query.filters()?).await?)
    }

    /// Platform documents, ignored below the version that brought the parameter.
    fn platforms_since(
        &self,
        minor: u16,
        name: &str,
    ) -> Answer<Vec<engine_api::descriptor::Platform>> {
        if self.version.is_before(minor) {
            return Ok(Vec::new());
        }
        self.query.platform_documents(name)
    }
}

async fn commit(
    State(backend): Backend,
    query: Parameters,
    body: JsonBody<ContainerConfig>,
) -> Answer<Response> {
    let options = CommitContainer {
        container: query.text("container").to_owned(),
        reference: query.repo_and_tag()?,
        comment: query.text("comment").to_owned(),
        author: query.text("author").to_owned(),
        pause: query.flag_default_on("pause"),
        changes: query.all("changes"),
        config: body.0,
    };
    let id = backend.commit(options).await?;
    answer::document_with(StatusCode::CREATED, &IdResponse { id })
}

async fn distribution(
    State(backend): Backend,
    Path(path): Path<String>,
    headers: HeaderMap,
) -> Answer<Response> {
    let name = path.strip_suffix("/json").ok_or_else(|| ApiError::not_found("page not found"))?;
    let reference = reference(name)?.with_default_tag();
    answer::document(&backend.distribution(reference, registry_auth(&headers)).await?)
}
