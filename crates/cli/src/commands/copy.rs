//! `cp`: between a container's file system and ours, as tar archives.
//!
//! `-` is an archive on standard input or output. A source that ends in `/.` means its content.

use std::{
    io::{Read, Write},
    path::{Component, Path, PathBuf},
};

use anyhow::{Context, bail};
use base64::{Engine, engine::general_purpose::STANDARD};
use client::{Request, escape_path};
use engine_api::container::PathStat;
use tokio::io::AsyncWriteExt;

use crate::{grammar::Parsed, human, output, output::Direct, session::Session};

/// Go's mark of a directory in a mode.
const MODE_DIR: u32 = 1 << 31;

/// `CONTAINER:PATH`, or a path of ours.
fn split(text: &str) -> (Option<&str>, &str) {
    if text.starts_with(['/', '.']) {
        return (None, text);
    }
    match text.split_once(':') {
        Some((container, path)) if !container.is_empty() => (Some(container), path),
        _ => (None, text),
    }
}

/// Runs the command.
pub async fn run(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let (source, target) = (flags.args[0].as_str(), flags.args[1].as_str());
    if source.is_empty() {
        bail!("source can not be empty");
    }
    if target.is_empty() {
        bail!("destination can not be empty");
    }
    match (split(source), split(target)) {
        ((Some(container), path), (None, target)) => {
            from_container(session, flags, container, path, target).await?;
        }
        ((None, source), (Some(container), path)) => {
            to_container(session, flags, source, container, path).await?;
        }
        ((Some(_), _), (Some(_), _)) => bail!("copying between containers is not supported"),
        _ => bail!("must specify at least one container source"),
    }
    Ok(0)
}

fn archive(container: &str) -> String {
    format!("/containers/{}/archive", escape_path(container))
}

async fn stat(session: &Session, container: &str, path: &str) -> anyhow::Result<PathStat> {
    let request = Request::head(archive(container)).query("path", path);
    let answer = session.client.send(request).await?;
    decode_stat(answer.header("x-docker-container-path-stat"))
}

fn decode_stat(header: Option<&str>) -> anyhow::Result<PathStat> {
    let header = header.context("the engine's answer has no path stat")?;
    let bytes = STANDARD.decode(header).context("the engine's path stat is not base64")?;
    engine_api::from_slice(&bytes).context("the engine's path stat is no document")
}

fn done(flags: &Parsed, bytes: u64, target: &str) {
    if !flags.flag("quiet") {
        let size = human::size_with(bytes as f64, 4);
        output::error_line(&format!("Successfully copied {size} to {target}"));
    }
}

async fn from_container(
    session: &Session,
    flags: &Parsed,
    container: &str,
    path: &str,
    target: &str,
) -> anyhow::Result<()> {
    let mut path = path.to_owned();
    if flags.flag("follow-link") {
        let found = stat(session, container, &path).await?;
        if !found.link_target.is_empty() {
            path = match found.link_target.starts_with('/') {
                true => found.link_target,
                false => format!("{}/{}", parent_of(&path), found.link_target),
            };
        }
    }
    let mut answer =
        session.client.send(Request::get(archive(container)).query("path", &path)).await?;
    let found = decode_stat(answer.header("x-docker-container-path-stat"))?;
    if target == "-" {
        let mut out = Direct(std::io::stdout());
        while let Some(chunk) = answer.chunk().await? {
            out.write_all(&chunk).await?;
        }
        out.flush().await?;
        return Ok(());
    }
    let plan = Unpacking::plan(&path, &found, Path::new(target), target.ends_with('/'))?;
    let (read, mut write) = tokio::io::duplex(256 * 1024);
    let feed = async move {
        while let Some(chunk) = answer.chunk().await? {
            write.write_all(&chunk).await.context("cannot unpack")?;
        }
        anyhow::Ok(())
    };
    let keeps_owner = flags.flag("archive");
    let bridge = tokio_util::io::SyncIoBridge::new(read);
    let unpack = tokio::task::spawn_blocking(move || plan.unpack(bridge, keeps_owner));
    let (fed, unpacked) = futures_util::join!(feed, unpack);
    let bytes = unpacked.context("the unpacking thread ended early")??;
    fed?;
    done(flags, bytes, target);
    Ok(())
}

fn parent_of(path: &str) -> &str {
    path.trim_end_matches('/').rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// Where the entries of an archive go.
struct Unpacking {
    /// The directory below which everything is written.
    root: PathBuf,
    /// The archive's first component, which is replaced by `name` (or dropped when it is `None`).
    top: String,
    name: Option<String>,
}

impl Unpacking {
    fn plan(
        source: &str,
        found: &PathStat,
        target: &Path,
        has_slash: bool,
    ) -> anyhow::Result<Self> {
        let is_dir = found.mode & MODE_DIR != 0;
        let top = found.name.clone();
        if target.is_dir() {
            let is_content = source.ends_with("/.");
            let name = (!is_content).then(|| top.clone());
            return Ok(Self { root: target.to_owned(), top, name });
        }
        if has_slash && !is_dir {
            bail!("destination directory {} does not exist", target.display());
        }
        if target.exists() && is_dir {
            bail!("cannot copy directory");
        }
        let parent =
            target.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !parent.is_dir() {
            bail!("invalid output path: directory {:?} does not exist", parent);
        }
        let name = target.file_name().context("destination has no name")?;
        Ok(Self { root: parent.to_owned(), top, name: Some(name.to_string_lossy().into_owned()) })
    }

    /// The path of an entry below the root; `None` for the top itself where only content is wanted.
    fn place(&self, entry: &Path) -> anyhow::Result<Option<PathBuf>> {
        let mut parts = Vec::new();
        for part in entry.components() {
            match part {
                Component::Normal(part) => parts.push(part),
                Component::CurDir | Component::RootDir => {}
                _ => bail!("the engine's archive has an entry outside of it: {}", entry.display()),
            }
        }
        let mut path = PathBuf::new();
        let rest = match parts.split_first() {
            Some((first, rest)) if first.to_string_lossy() == self.top => rest,
            _ => &parts[..],
        };
        path.extend(self.name.as_deref());
        path.extend(rest);
        Ok((!path.as_os_str().is_empty()).then_some(path))
    }

    /// Unpacks and gives the number of bytes of content.
    fn unpack(&self, source: impl Read, keeps_owner: bool) -> anyhow::Result<u64> {
        let mut tar = tar::Archive::new(source);
        let mut bytes = 0;
        let mut directories = Vec::new();
        for entry in tar.entries().context("the engine's archive cannot be read")? {
            let mut entry = entry.context("the engine's archive cannot be read")?;
            let path = entry.path().context("an entry's name cannot be read")?.into_owned();
            let Some(place) = self.place(&path)? else { continue };
            bytes += entry.size();
            let below = below(&self.root, &place)?;
            let mode = entry.header().mode().unwrap_or(0o644) & 0o7777;
            write_entry(&mut entry, &below, self, mode, &mut directories)?;
            if keeps_owner {
                let header = entry.header();
                let owner = (header.uid().ok(), header.gid().ok());
                let id = |n: Option<u64>| n.and_then(|n| u32::try_from(n).ok());
                std::os::unix::fs::lchown(&below, id(owner.0), id(owner.1))
                    .with_context(|| format!("cannot give {} its owner", below.display()))?;
            }
        }
        // Last, so that a directory without write permission can be filled.
        for (path, mode) in directories.into_iter().rev() {
            set_mode(&path, mode)?;
        }
        // The engine must be able to send its last block.
        std::io::copy(&mut tar.into_inner(), &mut std::io::sink())?;
        Ok(bytes)
    }
}

fn set_mode(path: &Path, mode: u32) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
        .with_context(|| format!("cannot set the mode of {}", path.display()))
}

/// Joins, refusing to go through a symbolic link that an archive may have put in the way.
fn below(root: &Path, place: &Path) -> anyhow::Result<PathBuf> {
    let mut path = root.to_owned();
    let mut parts = place.components().peekable();
    while let Some(part) = parts.next() {
        path.push(part);
        let is_last = parts.peek().is_none();
        if !is_last && path.symlink_metadata().is_ok_and(|meta| meta.is_symlink()) {
            bail!("refusing to write through the symbolic link {}", path.display());
        }
    }
    Ok(path)
}

fn write_entry(
    entry: &mut tar::Entry<'_, impl Read>,
    path: &Path,
    plan: &Unpacking,
    mode: u32,
    directories: &mut Vec<(PathBuf, u32)>,
) -> anyhow::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let cannot = || format!("cannot write {}", path.display());
    let kind = entry.header().entry_type();
    if kind.is_dir() {
        if !path.is_dir() || path.is_symlink() {
            std::fs::create_dir(path).with_context(cannot)?;
        }
        directories.push((path.to_owned(), mode));
        return Ok(());
    }
    if path.symlink_metadata().is_ok_and(|meta| !meta.is_dir()) {
        std::fs::remove_file(path).with_context(cannot)?;
    }
    let link = entry.link_name().with_context(cannot)?;
    match (kind, link) {
        (tar::EntryType::Symlink, Some(link)) => {
            std::os::unix::fs::symlink(link, path).with_context(cannot)
        }
        (tar::EntryType::Link, Some(link)) => {
            let place = plan.place(&link)?.with_context(cannot)?;
            std::fs::hard_link(below(&plan.root, &place)?, path).with_context(cannot)
        }
        (kind, _) if kind.is_file() => {
            let mut options = std::fs::OpenOptions::new();
            let mut file =
                options.write(true).create_new(true).mode(0o600).open(path).with_context(cannot)?;
            std::io::copy(entry, &mut file).with_context(cannot)?;
            set_mode(path, mode)
        }
        (kind, _) => {
            bail!("cannot copy {}: entries of kind {kind:?} are not supported", path.display())
        }
    }
}

async fn to_container(
    session: &Session,
    flags: &Parsed,
    source: &str,
    container: &str,
    target: &str,
) -> anyhow::Result<()> {
    let found = stat(session, container, target).await.ok();
    let is_dir = found.as_ref().is_some_and(|stat| stat.mode & MODE_DIR != 0);
    let put = |path: &str| {
        let request = Request::put(archive(container))
            .query("path", path)
            .query("noOverwriteDirNonDir", "true")
            .header("Content-Type", "application/x-tar");
        if flags.flag("archive") { request.query("copyUIDGID", "true") } else { request }
    };
    if source == "-" {
        if !is_dir {
            bail!("destination \"{container}:{target}\" must be a directory");
        }
        return Ok(session.client.act(put(target).stream(tokio::io::stdin())).await?);
    }
    let meta = match flags.flag("follow-link") {
        true => std::fs::metadata(source),
        false => std::fs::symlink_metadata(source),
    };
    let meta = meta.map_err(|e| {
        let reason = crate::container_options::environment::reason(&e);
        anyhow::anyhow!("lstat {source}: {reason}")
    })?;
    // Into a directory under its own name; else under the target's.
    let own = Path::new(source).file_name().map(|n| n.to_string_lossy().into_owned());
    let is_content = source.ends_with("/.");
    let (directory, name) = match (is_dir, is_content && meta.is_dir()) {
        (true, true) => (target.to_owned(), String::new()),
        (true, false) => (target.to_owned(), own.unwrap_or_default()),
        (false, _) if target.ends_with('/') && !meta.is_dir() => {
            bail!("no such directory");
        }
        (false, _) => {
            let trimmed = target.trim_end_matches('/');
            let (parent, name) = trimmed.rsplit_once('/').unwrap_or(("", trimmed));
            (format!("{parent}/"), name.to_owned())
        }
    };
    let (read, write) = tokio::io::duplex(256 * 1024);
    let packing =
        Packing { source: PathBuf::from(source), name, follows: flags.flag("follow-link") };
    let pack = tokio::task::spawn_blocking(move || {
        packing.write(tokio_util::io::SyncIoBridge::new(write))
    });
    let sent = session.client.act(put(&directory).stream(read));
    let (packed, sent) = futures_util::join!(pack, sent);
    sent?;
    let bytes = packed.context("the packing thread ended early")??;
    done(flags, bytes, &format!("{container}:{target}"));
    Ok(())
}

/// What goes into the archive.
struct Packing {
    source: PathBuf,
    /// The name at the top; empty for the content of a directory.
    name: String,
    follows: bool,
}

impl Packing {
    fn write(&self, out: impl Write) -> anyhow::Result<u64> {
        let mut counted = Counted { out, bytes: 0 };
        let mut tar = tar::Builder::new(&mut counted);
        tar.follow_symlinks(false);
        tar.sparse(false);
        let cannot = || format!("cannot read {}", self.source.display());
        let source = match self.follows {
            true => std::fs::canonicalize(&self.source).with_context(cannot)?,
            false => self.source.clone(),
        };
        let name = if self.name.is_empty() { "." } else { &self.name };
        let is_dir = std::fs::symlink_metadata(&source).with_context(cannot)?.is_dir();
        match is_dir {
            true => tar.append_dir_all(name, &source).with_context(cannot)?,
            false => tar.append_path_with_name(&source, name).with_context(cannot)?,
        }
        tar.finish().with_context(cannot)?;
        drop(tar);
        counted.out.flush().with_context(cannot)?;
        Ok(counted.bytes)
    }
}

struct Counted<W> {
    out: W,
    bytes: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(root: &Path, name: Option<&str>) -> Unpacking {
        Unpacking { root: root.to_owned(), top: "dir".into(), name: name.map(Into::into) }
    }

    #[test]
    fn sides_are_told_apart() {
        assert_eq!(split("web:/etc"), (Some("web"), "/etc"));
        assert_eq!(split("./a:b"), (None, "./a:b"));
        assert_eq!(split("file"), (None, "file"));
    }

    #[test]
    fn a_packed_tree_unpacks_under_its_new_name() {
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("dir");
        std::fs::create_dir_all(source.join("sub")).unwrap();
        std::fs::write(source.join("sub/file"), "content").unwrap();
        std::os::unix::fs::symlink("sub/file", source.join("link")).unwrap();
        let mut bytes = Vec::new();
        let packing = Packing { source, name: "dir".into(), follows: false };
        packing.write(&mut bytes).unwrap();
        let root = dir.path().join("out");
        std::fs::create_dir(&root).unwrap();
        plan(&root, Some("new")).unpack(&bytes[..], false).unwrap();
        assert_eq!(std::fs::read_to_string(root.join("new/sub/file")).unwrap(), "content");
        assert_eq!(std::fs::read_link(root.join("new/link")).unwrap(), Path::new("sub/file"));
    }

    #[test]
    fn entries_that_leave_the_target_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let hostile = |build: &dyn Fn(&mut tar::Builder<Vec<u8>>)| {
            let mut tar = tar::Builder::new(Vec::new());
            build(&mut tar);
            let bytes = tar.into_inner().unwrap();
            plan(dir.path(), Some("x")).unpack(&bytes[..], false)
        };
        let result = hostile(&|tar| {
            let mut header = tar::Header::new_gnu();
            header.as_mut_bytes()[..10].copy_from_slice(b"../escaped");
            header.set_size(0);
            header.set_cksum();
            tar.append(&header, std::io::empty()).unwrap();
        });
        assert!(result.unwrap_err().to_string().contains("outside"));
        let result = hostile(&|tar| {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            tar.append_link(&mut header, "dir/way", "/tmp").unwrap();
            header = tar::Header::new_gnu();
            header.set_size(0);
            header.set_mode(0o644);
            tar.append_data(&mut header, "dir/way/file", std::io::empty()).unwrap();
        });
        assert!(result.is_err());
    }
}
