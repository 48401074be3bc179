//! `context create`, `ls`, `use`, `show`, `inspect`, `rm`, `update`, `export`, `import`.

use std::{
    collections::BTreeMap,
    io::{Cursor, Read},
};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use super::each::each;
use crate::{
    config::{Context, ContextStore, DEFAULT_CONTEXT, EndpointMeta, check_name},
    grammar::Parsed,
    output,
    session::Session,
    template::{Column, Listing, Row, escape_html, indent, render_document},
};

const COLUMNS: [Column; 5] = [
    ("Name", "NAME"),
    ("Description", "DESCRIPTION"),
    ("DockerEndpoint", "DOCKER ENDPOINT"),
    ("Error", "ERROR"),
    ("Current", "CURRENT"),
];

/// Most that is read of an archive of a context.
const MAX_ARCHIVE_LEN: u64 = 10 << 20;
const OVERRIDE: [&str; 2] = ["GANTRY_HOST", "DOCKER_HOST"];
const IN_MEMORY: &str = "<IN MEMORY>";
const DEFAULT_DESCRIPTION: &str = "Current DOCKER_HOST based configuration";

/// `context ls`.
pub fn list(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let store = ContextStore::new(&session.directory);
    let current = session.choice.context.as_str();
    let default_host =
        if current == DEFAULT_CONTEXT { session.choice.host.clone() } else { default_host() };
    let mut entries =
        vec![(DEFAULT_CONTEXT.to_owned(), DEFAULT_DESCRIPTION.to_owned(), default_host)];
    for context in store.list()? {
        entries.push((
            context.name.clone(),
            context.description().to_owned(),
            context.host().to_owned(),
        ));
    }
    entries.sort();
    let is_table = matches!(flags.text("format"), "") && !flags.flag("quiet");
    let rows: Vec<Row> = entries
        .into_iter()
        .map(|(name, description, host)| {
            let is_current = name == current;
            let shown = if is_current && is_table { format!("{name} *") } else { name };
            Row::new([
                ("Name", shown),
                ("Description", description),
                ("DockerEndpoint", host),
                ("Error", String::new()),
                ("Current", is_current.to_string()),
            ])
        })
        .collect();
    let table = vec!["Name", "Description", "DockerEndpoint", "Error"];
    let listing = Listing { columns: COLUMNS.to_vec(), table, quiet: "Name" };
    output::print(&listing.render(flags.text("format"), flags.flag("quiet"), &rows)?)?;
    if is_table {
        warn_override("override the active context");
    }
    Ok(0)
}

fn default_host() -> String {
    "unix:///run/gantry/gantry.sock".to_owned()
}

fn warn_override(_what: &str) {
    let set = OVERRIDE.iter().find(|name| std::env::var(name).is_ok_and(|value| !value.is_empty()));
    if let Some(name) = set {
        output::error_line(&format!(
            "Warning: {name} environment variable overrides the active context. To use a context, \
             either set the global --context flag, or unset {name} environment variable."
        ));
    }
}

/// Reads `host=..,ca=..,cert=..,key=..,skip-tls-verify=..` or `from=..`.
struct EndpointOptions {
    meta: EndpointMeta,
    files: Vec<(String, Vec<u8>)>,
}

fn endpoint_options(session: &Session, flags: &Parsed) -> anyhow::Result<EndpointOptions> {
    let options = flags.map("docker");
    let mut result = EndpointOptions { meta: EndpointMeta::default(), files: Vec::new() };
    for (key, value) in &options {
        let mut file = |name| -> anyhow::Result<()> {
            let bytes = std::fs::read(value).with_context(|| {
                format!("unable to create docker endpoint config: open {value}")
            })?;
            result.files.push((format!("docker/{name}"), bytes));
            Ok(())
        };
        match key.as_str() {
            "host" => result.meta.host.clone_from(value),
            "ca" => file("ca.pem")?,
            "cert" => file("cert.pem")?,
            "key" => file("key.pem")?,
            "skip-tls-verify" => result.meta.skip_tls_verify = value == "true",
            "from" => {
                let store = ContextStore::new(&session.directory);
                let from = store.get(value)?;
                result.meta.host = from.host().to_owned();
            }
            other => {
                bail!("unable to create docker endpoint config: unrecognized config key: {other}")
            }
        }
    }
    if !result.meta.host.is_empty() {
        let _: client::Endpoint = result
            .meta
            .host
            .parse()
            .with_context(|| "unable to create docker endpoint config".to_owned())?;
    }
    Ok(result)
}

/// `context create`.
pub fn create(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let store = ContextStore::new(&session.directory);
    let name = flags.first();
    check_name(name)?;
    if store.contains(name) {
        bail!("context {name:?} already exists");
    }
    let from = flags.text("from");
    let mut context = Context { name: name.to_owned(), ..Context::default() };
    let mut files = Vec::new();
    let mut has_endpoint = false;
    if flags.is_set("docker") {
        let options = endpoint_options(session, flags)?;
        context.endpoints = BTreeMap::from([("docker".to_owned(), options.meta)]);
        files = options.files;
        has_endpoint = true;
    } else if !from.is_empty() && from != DEFAULT_CONTEXT {
        let source = store.get(from)?;
        context.metadata.clone_from(&source.metadata);
        context.endpoints = source.endpoints;
        for file in ["ca.pem", "cert.pem", "key.pem"] {
            if let Ok(bytes) = std::fs::read(store.tls_dir(from).join("docker").join(file)) {
                files.push((format!("docker/{file}"), bytes));
            }
        }
        has_endpoint = true;
    }
    if !has_endpoint {
        let meta = EndpointMeta { host: session.choice.host.clone(), skip_tls_verify: false };
        context.endpoints = BTreeMap::from([("docker".to_owned(), meta)]);
    }
    if flags.is_set("description") {
        describe(&mut context, flags.text("description"));
    }
    store.save(&context)?;
    store.save_tls(name, &files)?;
    output::line(name)?;
    output::error_line(&format!("Successfully created context {name:?}"));
    Ok(0)
}

fn describe(context: &mut Context, text: &str) {
    context.metadata.insert("Description".to_owned(), Value::from(text));
}

/// `context update`.
pub fn update(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let store = ContextStore::new(&session.directory);
    let name = flags.first();
    check_name(name)?;
    let mut context = store.get(name)?;
    if flags.is_set("description") {
        describe(&mut context, flags.text("description"));
    }
    if flags.is_set("docker") {
        let options = endpoint_options(session, flags)?;
        context.endpoints.insert("docker".to_owned(), options.meta);
        store.save_tls(name, &options.files)?;
    }
    store.save(&context)?;
    output::line(name)?;
    output::error_line(&format!("Successfully updated context {name:?}"));
    Ok(0)
}

/// `context use`.
pub fn select(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let name = flags.first();
    if name != DEFAULT_CONTEXT {
        check_name(name)?;
        ContextStore::new(&session.directory).get(name)?;
    }
    let mut config = session.config.clone();
    config.current_context = if name == DEFAULT_CONTEXT { String::new() } else { name.to_owned() };
    if config != session.config {
        session.directory.save(&config)?;
    }
    output::line(name)?;
    if name != DEFAULT_CONTEXT {
        warn_override("override the active context");
    }
    output::error_line(&format!("Current context is now {name:?}"));
    Ok(0)
}

/// `context show`.
pub fn show(session: &Session) -> anyhow::Result<u8> {
    output::line(&session.choice.context)?;
    Ok(0)
}

/// `context rm`.
pub async fn remove(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let store = ContextStore::new(&session.directory);
    let is_forced = flags.flag("force");
    each(&flags.args, "remove", async |name| {
        if name == DEFAULT_CONTEXT {
            bail!("context {name:?} cannot be removed");
        }
        if !is_forced && !store.contains(name) {
            bail!("context {name:?} does not exist");
        }
        if session.config.current_context == name {
            if !is_forced {
                bail!("context {name:?} is in use, set -f flag to force remove");
            }
            let mut config = session.config.clone();
            config.current_context.clear();
            session.directory.save(&config)?;
        }
        store.remove(name)?;
        Ok(name.to_owned())
    })
    .await
}

fn document(session: &Session, store: &ContextStore, name: &str) -> anyhow::Result<Value> {
    if name == DEFAULT_CONTEXT {
        let host = if session.choice.context == DEFAULT_CONTEXT {
            session.choice.host.clone()
        } else {
            default_host()
        };
        return Ok(json!({
            "Name": DEFAULT_CONTEXT,
            "Metadata": {},
            "Endpoints": {"docker": {"Host": host, "SkipTLSVerify": false}},
            "TLSMaterial": {},
            "Storage": {"MetadataPath": IN_MEMORY, "TLSPath": IN_MEMORY},
        }));
    }
    let context = store.get(name)?;
    let dir = store.tls_dir(name);
    let files: Vec<_> = ["ca.pem", "cert.pem", "key.pem"]
        .into_iter()
        .filter(|file| dir.join("docker").join(file).exists())
        .collect();
    let material = if files.is_empty() { json!({}) } else { json!({"docker": files}) };
    Ok(json!({
        "Name": context.name,
        "Metadata": context.metadata,
        "Endpoints": context.endpoints,
        "TLSMaterial": material,
        "Storage": {"MetadataPath": store.meta_dir(name), "TLSPath": dir},
    }))
}

/// `context inspect`.
pub fn inspect(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let store = ContextStore::new(&session.directory);
    let names = match flags.args.is_empty() {
        true => vec![session.choice.context.clone()],
        false => flags.args.clone(),
    };
    let (mut documents, mut errors) = (Vec::new(), Vec::new());
    for name in &names {
        match document(session, &store, name) {
            Ok(document) => documents.push(document),
            Err(error) => errors.push(crate::failure::text(&error)),
        }
    }
    match flags.text("format") {
        "" => output::line(&indent(&ordered(&documents)))?,
        format => {
            for document in &documents {
                output::line(&render_document(format, document)?)?;
            }
        }
    }
    if errors.is_empty() {
        return Ok(0);
    }
    output::error_line(&errors.join("\n"));
    Ok(1)
}

/// The documents with their keys in docker's order.
fn ordered(documents: &[Value]) -> String {
    const ORDER: [&str; 5] = ["Name", "Metadata", "Endpoints", "TLSMaterial", "Storage"];
    let one = |document: &Value| {
        let fields =
            ORDER.map(|key| format!("\"{key}\":{}", escape_html(&document[key].to_string())));
        format!("{{{}}}", fields.join(","))
    };
    format!("[{}]", documents.iter().map(one).collect::<Vec<_>>().join(","))
}

/// `context export`.
pub fn export(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let store = ContextStore::new(&session.directory);
    let name = flags.first();
    let context = store.get(name)?;
    let mut tar = tar::Builder::new(Vec::new());
    let mut add = |path: String, bytes: &[u8]| -> anyhow::Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o600);
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, path, bytes).context("cannot pack the context")
    };
    add("meta.json".to_owned(), &serde_json::to_vec(&context)?)?;
    for file in ["ca.pem", "cert.pem", "key.pem"] {
        if let Ok(bytes) = std::fs::read(store.tls_dir(name).join("docker").join(file)) {
            add(format!("tls/docker/{file}"), &bytes)?;
        }
    }
    let bytes = tar.into_inner().context("cannot pack the context")?;
    match flags.args.get(1).map(String::as_str) {
        Some("-") => {
            if output::is_terminal() {
                bail!("cowardly refusing to export to a terminal, specify a file path");
            }
            std::io::Write::write_all(&mut std::io::stdout().lock(), &bytes)?;
        }
        target => {
            let path = target.map_or_else(|| format!("{name}.dockercontext"), Into::into);
            let mut options = std::fs::OpenOptions::new();
            use std::os::unix::fs::OpenOptionsExt;
            let mut file = options
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)
                .with_context(|| format!("cannot write {path}"))?;
            std::io::Write::write_all(&mut file, &bytes)?;
            output::error_line(&format!("Written file {path:?}"));
        }
    }
    Ok(0)
}

/// `ENDPOINT/FILE` of a path in an archive; endpoints of other programs are kept too.
fn tls_path(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("tls/")?;
    let (endpoint, file) = rest.split_once('/')?;
    let is_name =
        |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains('/');
    (is_name(endpoint) && is_name(file)).then_some(rest)
}

/// `context import`.
pub fn import(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let store = ContextStore::new(&session.directory);
    let (name, path) = (flags.args[0].as_str(), flags.args[1].as_str());
    check_name(name)?;
    if store.contains(name) {
        bail!("context {name:?} already exists");
    }
    let mut bytes = Vec::new();
    let mut source: Box<dyn Read> = match path {
        "-" => Box::new(std::io::stdin().lock()),
        path => Box::new(std::fs::File::open(path).with_context(|| format!("cannot read {path}"))?),
    };
    source.by_ref().take(MAX_ARCHIVE_LEN).read_to_end(&mut bytes)?;
    // Go's archives may end without the last block's padding.
    bytes.resize(bytes.len().next_multiple_of(512) + 1024, 0);
    let mut context = None;
    let mut files = Vec::new();
    let mut tar = tar::Archive::new(Cursor::new(bytes));
    for entry in tar.entries().context("cannot read the archive")? {
        let mut entry = entry.context("cannot read the archive")?;
        let path = entry.path().context("cannot read the archive")?.to_string_lossy().into_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content)?;
        match path.as_str() {
            "meta.json" => context = Some(serde_json::from_slice::<Context>(&content)?),
            directory if directory.ends_with('/') || directory == "tls" => {}
            other => match tls_path(other) {
                Some(path) => files.push((path.to_owned(), content)),
                None if entry.header().entry_type().is_dir() => {}
                None => bail!("unexpected context file: {other}"),
            },
        }
    }
    let mut context = context.context("invalid context: no metadata found")?;
    name.clone_into(&mut context.name);
    store.save(&context)?;
    store.save_tls(name, &files)?;
    output::line(name)?;
    output::error_line(&format!("Successfully imported context {name:?}"));
    Ok(0)
}
