//! `api-socket create`, `ls`, `inspect` and `rm`: Gantry's own.

use std::collections::BTreeMap;

use client::{Request, escape_path};
use engine_api::api_socket::{ApiSocket, ApiSocketCreateRequest};

use super::each::each;
use crate::{
    grammar::Parsed,
    output,
    session::Session,
    template::{Column, Listing, Row},
};

const ROOT: &str = "/gantry/api-sockets";

const COLUMNS: [Column; 7] = [
    ("Name", "NAME"),
    ("Path", "PATH"),
    ("Allow", "ALLOW"),
    ("Filters", "FILTERS"),
    ("Redact", "REDACT"),
    ("Mode", "MODE"),
    ("Error", "ERROR"),
];

/// Runs the command of that name.
///
/// # Errors
/// Whatever the command fails with.
pub async fn run(action: &str, session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    match action {
        "create" => create(session, flags).await,
        "ls" => list(session, flags).await,
        "inspect" => inspect(session, flags).await,
        "rm" => remove(session, flags).await,
        other => super::not_built(format!("api-socket {other}")),
    }
}

fn path(name: &str) -> String {
    format!("{ROOT}/{}", escape_path(name))
}

async fn create(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let mut filters: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for filter in flags.list("filter") {
        let Some((name, value)) = filter.split_once('=') else {
            anyhow::bail!("invalid filter {filter:?}: label=KEY[=VALUE] is expected");
        };
        filters.entry(name.to_owned()).or_default().push(value.to_owned());
    }
    let document = ApiSocketCreateRequest {
        name: flags.first().to_owned(),
        allow: flags.list("allow").to_vec(),
        filters,
        redact: flags.list("redact").to_vec(),
        path: flags.text("path").to_owned(),
        group: flags.text("group").to_owned(),
        mode: flags.text("mode").to_owned(),
    };
    let socket: ApiSocket = session.client.document(Request::post(ROOT).json(&document)).await?;
    output::line(&socket.path)?;
    Ok(0)
}

async fn list(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let sockets: Vec<ApiSocket> = session.client.document(Request::get(ROOT)).await?;
    let rows: Vec<Row> = sockets.iter().map(row).collect();
    let table = vec!["Name", "Path", "Allow", "Filters", "Redact", "Error"];
    let listing = Listing { columns: COLUMNS.to_vec(), table, quiet: "Name" };
    output::print(&listing.render(flags.text("format"), flags.flag("quiet"), &rows)?)?;
    Ok(0)
}

fn row(socket: &ApiSocket) -> Row {
    let filters = socket
        .filters
        .iter()
        .flat_map(|(name, values)| values.iter().map(move |value| format!("{name}={value}")));
    Row::new([
        ("Name", socket.name.clone()),
        ("Path", socket.path.clone()),
        ("Allow", socket.allow.join(",")),
        ("Filters", filters.collect::<Vec<_>>().join(",")),
        ("Redact", socket.redact.join(",")),
        ("Mode", socket.mode.clone()),
        ("Error", socket.error.clone()),
    ])
}

async fn inspect(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let mut sockets = Vec::new();
    for name in &flags.args {
        let socket: ApiSocket = session.client.document(Request::get(path(name))).await?;
        sockets.push(socket);
    }
    output::line(&serde_json::to_string_pretty(&sockets)?)?;
    Ok(0)
}

async fn remove(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    each(&flags.args, "remove", async |name| {
        session.client.act(Request::delete(path(name))).await?;
        Ok(name.to_owned())
    })
    .await
}
