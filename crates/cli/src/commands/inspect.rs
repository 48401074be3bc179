//! `inspect` and its kin: whole documents as the engine gave them.

use client::{ClientError, Request, escape_path};
use serde_json::value::RawValue;

use crate::{
    failure::{self, Failure},
    grammar::Parsed,
    output,
    session::Session,
    template::{check_template, indent, render_raw},
};

/// The exit code for a template that cannot be read.
const BAD_TEMPLATE: u8 = 64;

/// A kind of object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Containers.
    Container,
    /// Images.
    Image,
    /// Networks.
    Network,
    /// Volumes.
    Volume,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Container, Self::Image, Self::Network, Self::Volume];

    fn name(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Image => "image",
            Self::Network => "network",
            Self::Volume => "volume",
        }
    }

    fn request(self, name: &str, flags: &Parsed) -> Request {
        let name = escape_path(name);
        match self {
            Self::Container => Request::get(format!("/containers/{name}/json"))
                .query_if("size", flags.flag("size")),
            Self::Image => Request::get(format!("/images/{name}/json")),
            Self::Network => {
                let request = Request::get(format!("/networks/{name}"));
                if flags.flag("verbose") { request.query("verbose", "true") } else { request }
            }
            Self::Volume => Request::get(format!("/volumes/{name}")),
        }
    }
}

/// `inspect` of any kind.
pub async fn any(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let wanted = flags.text("type");
    if flags.is_set("type") && wanted.is_empty() {
        anyhow::bail!(
            "type is empty: must be one of \"config\", \"container\", \"image\", \"network\", \"node\", \"plugin\", \"secret\", \"service\", \"task\", \"volume\""
        );
    }
    if !wanted.is_empty() {
        let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.name() == wanted) else {
            anyhow::bail!(
                "gantry: inspecting objects of type {wanted:?} is not built yet in this version of Gantry"
            );
        };
        return inspect(session, flags, &[kind]).await;
    }
    inspect(session, flags, &Kind::ALL).await
}

/// `inspect` of one kind.
pub async fn one(session: &Session, flags: &Parsed, kind: Kind) -> anyhow::Result<u8> {
    inspect(session, flags, &[kind]).await
}

async fn find(
    session: &Session,
    flags: &Parsed,
    name: &str,
    kinds: &[Kind],
) -> anyhow::Result<Box<RawValue>> {
    for kind in kinds {
        match session.client.bytes(kind.request(name, flags)).await {
            Ok(bytes) => return Ok(serde_json::from_slice(&bytes)?),
            Err(error) if kinds.len() > 1 && is_elsewhere(&error) => {}
            Err(error) => return Err(error.into()),
        }
    }
    anyhow::bail!("Error: No such object: {name}")
}

/// Not of this kind: not there, or not a name that the kind could have.
fn is_elsewhere(error: &ClientError) -> bool {
    error.is_not_found() || matches!(error, ClientError::Engine { status: 400 | 501, .. })
}

async fn inspect(session: &Session, flags: &Parsed, kinds: &[Kind]) -> anyhow::Result<u8> {
    let format = flags.text("format");
    if let Err(error) = check_template(format) {
        let code = BAD_TEMPLATE;
        return Err(Failure::Text { text: error.to_string(), code }.into());
    }
    let mut found = Vec::new();
    let mut errors = Vec::new();
    for name in &flags.args {
        match find(session, flags, name, kinds).await {
            Ok(document) => found.push(document),
            Err(error) => errors.push(failure::text(&error)),
        }
    }
    if format.is_empty() {
        let documents: Vec<_> = found.iter().map(|document| document.get()).collect();
        output::line(&indent(&format!("[{}]", documents.join(","))))?;
    } else if format == "json" {
        let documents: Vec<_> = found.iter().map(|document| document.get()).collect();
        output::line(&format!("[{}]", documents.join(",")))?;
    } else {
        for document in &found {
            match render_raw(format, document.get()) {
                Ok(text) => output::line(&text)?,
                Err(error) => {
                    output::line("")?;
                    errors.push(format!("template parsing error: {error}"));
                }
            }
        }
    }
    if errors.is_empty() {
        return Ok(0);
    }
    output::error_line(&errors.join("\n"));
    Ok(1)
}
