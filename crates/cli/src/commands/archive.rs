//! Images and file systems as tar archives: `save`, `load`, `import`, `export`.

use std::{
    io::{self, IsTerminal},
    path::Path,
};

use anyhow::{Context, bail};
use client::{Answer, Request, escape_path};
use tokio::io::{AsyncRead, AsyncWriteExt};

use crate::{
    container_options::environment::reason,
    grammar::Parsed,
    output::Direct,
    progress::{self, Sink},
    session::Session,
};

/// Writes an answer's bytes to a file that appears when it is complete, or to standard output.
async fn receive(mut answer: Answer, path: &str) -> anyhow::Result<()> {
    if path.is_empty() {
        let mut out = Direct(io::stdout());
        while let Some(chunk) = answer.chunk().await? {
            out.write_all(&chunk).await?;
        }
        out.flush().await?;
        return Ok(());
    }
    let target = Path::new(path);
    let temporary = target.with_extension(format!("gantry-{}.tmp", std::process::id()));
    let write = async {
        let mut file = tokio::fs::File::create(&temporary)
            .await
            .with_context(|| format!("failed to write {path}"))?;
        while let Some(chunk) = answer.chunk().await? {
            file.write_all(&chunk).await?;
        }
        file.flush().await?;
        tokio::fs::rename(&temporary, target).await?;
        anyhow::Ok(())
    };
    let result = write.await;
    if result.is_err() {
        // What was written so far is of no use; that it may be gone already is fine.
        let _ = tokio::fs::remove_file(&temporary).await;
    }
    result
}

fn check_output(path: &str, command: &str) -> anyhow::Result<()> {
    if path.is_empty() && io::stdout().is_terminal() {
        bail!("cowardly refusing to {command} to a terminal. Use the -o flag or redirect");
    }
    if !path.is_empty() {
        let target = Path::new(path);
        let parent =
            target.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !parent.is_dir() {
            bail!(
                "failed to {command} image: invalid output path: directory {:?} does not exist",
                parent
            );
        }
    }
    Ok(())
}

/// `save`.
pub async fn save(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let path = flags.text("output");
    check_output(path, "save")?;
    let mut request = Request::get("/images/get");
    for name in &flags.args {
        request = request.query("names", name);
    }
    for platform in flags.list("platform") {
        let platform = super::platform::document(platform)?;
        request = request.query("platform", platform.to_string());
    }
    receive(session.client.send(request).await?, path).await?;
    Ok(0)
}

/// `export`.
pub async fn export(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let path = flags.text("output");
    check_output(path, "export")?;
    let request = Request::get(format!("/containers/{}/export", escape_path(flags.first())));
    receive(session.client.send(request).await?, path).await?;
    Ok(0)
}

async fn open(path: &str) -> anyhow::Result<tokio::fs::File> {
    match tokio::fs::File::open(path).await {
        Ok(file) => Ok(file),
        Err(error) => bail!("open {path}: {}", reason(&error)),
    }
}

/// `load`.
pub async fn load(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let path = flags.text("input");
    let input: Box<dyn AsyncRead + Send + Sync + Unpin> = if path.is_empty() {
        if io::stdin().is_terminal() {
            bail!("requested load from stdin, but stdin is empty");
        }
        Box::new(tokio::io::stdin())
    } else {
        Box::new(open(path).await?)
    };
    let is_quiet = flags.flag("quiet") || !io::stdout().is_terminal();
    let mut request = Request::post("/images/load")
        .query("quiet", if is_quiet { "1" } else { "0" })
        .header("Content-Type", "application/x-tar");
    for platform in flags.list("platform") {
        let platform = super::platform::document(platform)?;
        request = request.query("platform", platform.to_string());
    }
    let answer = session.client.send(request.stream(input)).await?;
    progress::show(answer, Sink::Output).await?;
    Ok(0)
}

/// `import`.
pub async fn import(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let (source, name) = (flags.first(), flags.args.get(1).map_or("", String::as_str));
    let platform = super::platform::wanted(flags);
    super::platform::check(&platform)?;
    if !name.is_empty() {
        let _: types::Reference = name.parse()?;
    }
    let is_url = source.starts_with("http://") || source.starts_with("https://");
    let mut request = Request::post("/images/create")
        .query("fromSrc", if is_url { source } else { "-" })
        .query_unless_empty("repo", name)
        .query_unless_empty("message", flags.text("message"))
        .query_unless_empty("platform", &platform);
    for change in flags.list("change") {
        request = request.query("changes", change);
    }
    let request = match (is_url, source) {
        (true, _) => request,
        (false, "-") => request.header("Content-Type", "text/plain").stream(tokio::io::stdin()),
        (false, path) => request.header("Content-Type", "text/plain").stream(open(path).await?),
    };
    let answer = session.client.send(request).await?;
    progress::show(answer, Sink::Output).await?;
    Ok(0)
}
