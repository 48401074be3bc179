//! `inspect` and its kin: whole documents as the engine gave them.

use anyhow::Context;
use client::{ClientError, Request, escape_path};
use serde_json::value::RawValue;

use super::platform;
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
    /// What no engine without Swarm or plugins has: the path before the name, and after it.
    Foreign(&'static str, &'static str, &'static str),
}

/// Kinds that are asked for only by name; the engine says what it has.
const FOREIGN: [Kind; 6] = [
    Kind::Foreign("config", "/configs/", ""),
    Kind::Foreign("node", "/nodes/", ""),
    Kind::Foreign("plugin", "/plugins/", "/json"),
    Kind::Foreign("secret", "/secrets/", ""),
    Kind::Foreign("service", "/services/", ""),
    Kind::Foreign("task", "/tasks/", ""),
];

impl Kind {
    const ALL: [Self; 4] = [Self::Container, Self::Image, Self::Network, Self::Volume];

    fn name(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Image => "image",
            Self::Network => "network",
            Self::Volume => "volume",
            Self::Foreign(name, ..) => name,
        }
    }

    fn request(self, name: &str, asked: &Asked<'_>) -> Request {
        let name = escape_path(name);
        let flags = asked.flags;
        match self {
            Self::Container => Request::get(format!("/containers/{name}/json"))
                .query_if("size", flags.flag("size")),
            Self::Image => Request::get(format!("/images/{name}/json"))
                .query_unless_empty("platform", &asked.platform),
            Self::Network => {
                let request = Request::get(format!("/networks/{name}"));
                if flags.flag("verbose") { request.query("verbose", "true") } else { request }
            }
            Self::Volume => Request::get(format!("/volumes/{name}")),
            Self::Foreign(_, before, after) => Request::get(format!("{before}{name}{after}")),
        }
    }
}

const TYPES: &str = "\"config\", \"container\", \"image\", \"network\", \"node\", \"plugin\", \"secret\", \"service\", \"task\", \"volume\"";

/// `inspect` of any kind.
pub async fn any(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let wanted = flags.text("type");
    if flags.is_set("type") && wanted.is_empty() {
        anyhow::bail!("type is empty: must be one of {TYPES}");
    }
    if !wanted.is_empty() {
        let known = Kind::ALL.into_iter().chain(FOREIGN).find(|kind| kind.name() == wanted);
        let Some(kind) = known else {
            anyhow::bail!("unknown type: {wanted:?}: must be one of {TYPES}");
        };
        return inspect(session, flags, &[kind]).await;
    }
    inspect(session, flags, &Kind::ALL).await
}

/// `inspect` of one kind.
pub async fn one(session: &Session, flags: &Parsed, kind: Kind) -> anyhow::Result<u8> {
    inspect(session, flags, &[kind]).await
}

/// What the flags ask for.
struct Asked<'a> {
    flags: &'a Parsed,
    /// The API's document of `--platform`, or nothing.
    platform: String,
}

async fn asked<'a>(session: &Session, flags: &'a Parsed) -> anyhow::Result<Asked<'a>> {
    let platform = match flags.text("platform") {
        "" => String::new(),
        text => {
            platform::require(session, "platform", 49).await?;
            platform::document(text).context("invalid platform")?.to_string()
        }
    };
    Ok(Asked { flags, platform })
}

async fn find(
    session: &Session,
    asked: &Asked<'_>,
    name: &str,
    kinds: &[Kind],
) -> anyhow::Result<Box<RawValue>> {
    for kind in kinds {
        match session.client.bytes(kind.request(name, asked)).await {
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
    let asked = asked(session, flags).await?;
    let mut found = Vec::new();
    let mut errors = Vec::new();
    for name in &flags.args {
        match find(session, &asked, name, kinds).await {
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
