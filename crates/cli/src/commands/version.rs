//! `version`.

use client::Request;
use engine_api::version::SystemVersion;
use serde_json::json;

use crate::{
    failure,
    grammar::Parsed,
    output,
    session::{Session, VERSION},
    template::{align_with, render_document, render_raw},
};

/// Runs the command.
pub async fn run(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let answer = session.client.bytes(Request::get("/version")).await;
    let server = answer.as_ref().ok().and_then(|bytes| {
        let json: serde_json::Value = serde_json::from_slice(bytes).ok()?;
        let document: SystemVersion = engine_api::from_slice(bytes).ok()?;
        Some((json, document))
    });
    let format = flags.text("format");
    if format.is_empty() {
        output::print(&text(session, server.as_ref().map(|(_, document)| document)))?;
    } else {
        let mut document = json!({
            "Client": {
                "Platform": {"Name": "Gantry"},
                "Version": VERSION,
                "ApiVersion": session.client.version().to_string(),
                "DefaultAPIVersion": client::NEWEST.to_string(),
                "GitCommit": "",
                "GoVersion": "",
                "Os": std::env::consts::OS,
                "Arch": arch(),
                "BuildTime": "",
                "Context": session.choice.context,
            },
            "Server": server.map(|(json, _)| json),
        });
        if !format.contains("json") {
            add_go_names(&mut document);
        }
        let raw = answer.as_ref().ok().and_then(|bytes| std::str::from_utf8(bytes).ok());
        let text = match (format.replace(' ', "").as_str(), raw) {
            // Whole, in the engine's own order.
            ("{{json.Server}}", Some(raw)) => render_raw("{{json .}}", raw.trim())?,
            _ => render_document(format, &document)?,
        };
        output::line(&text)?;
    }
    match answer {
        Ok(_) => Ok(0),
        Err(error) => {
            output::error_line(&failure::text(&error.into()));
            Ok(1)
        }
    }
}

/// Templates written for `docker` name Go's fields, two of which differ from the JSON keys.
fn add_go_names(document: &mut serde_json::Value) {
    for side in ["Client", "Server"] {
        let Some(fields) = document[side].as_object_mut() else { continue };
        if let Some(version) = fields.get("ApiVersion").cloned() {
            fields.insert("APIVersion".to_owned(), version);
        }
    }
}

fn arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        arch => arch,
    }
}

fn text(session: &Session, server: Option<&SystemVersion>) -> String {
    let mut rows = vec![
        "Client:".to_owned(),
        format!(" Version:\t{VERSION}"),
        format!(" API version:\t{}", session.client.version()),
        format!(" OS/Arch:\t{}/{}", std::env::consts::OS, arch()),
        format!(" Context:\t{}", session.choice.context),
    ];
    if let Some(server) = server {
        rows.push(String::new());
        let name = &server.platform.name;
        rows.push(if name.is_empty() { "Server:".to_owned() } else { format!("Server: {name}") });
        if server.components.is_empty() {
            rows.push(" Engine:".to_owned());
            rows.push(format!("  Version:\t{}", server.version));
            rows.push(format!(
                "  API version:\t{} (minimum version {})",
                server.api_version, server.min_api_version
            ));
            rows.push(format!("  OS/Arch:\t{}/{}", server.os, server.arch));
        }
        for component in &server.components {
            rows.push(format!(" {}:", component.name));
            rows.push(format!("  Version:\t{}", component.version));
            let empty = engine_api::StringMap::new();
            let details = component.details.as_ref().unwrap_or(&empty);
            rows.extend(detail_rows(details, &component.name));
        }
    }
    align_with(&(rows.join("\n") + "\n"), 20, 1)
}

fn detail_rows(details: &engine_api::StringMap, name: &str) -> Vec<String> {
    let commit = if name == "Engine" { "Git commit" } else { "GitCommit" };
    let get = |key: &str| details.get(key).map_or("", String::as_str);
    let mut rows = Vec::new();
    if details.contains_key("ApiVersion") {
        rows.push(format!(
            "  API version:\t{} (minimum version {})",
            get("ApiVersion"),
            get("MinAPIVersion")
        ));
    }
    for (key, label) in [("GoVersion", "Go version"), ("GitCommit", commit), ("BuildTime", "Built")]
    {
        if !get(key).is_empty() {
            rows.push(format!("  {label}:\t{}", get(key)));
        }
    }
    if details.contains_key("Os") {
        rows.push(format!("  OS/Arch:\t{}/{}", get("Os"), get("Arch")));
    }
    if details.contains_key("Experimental") {
        rows.push(format!("  Experimental:\t{}", get("Experimental")));
    }
    rows
}
