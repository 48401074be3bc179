//! Measures what one more running container costs in its shim: starts so many shims of the given
//! binary, each with a sleeping container, and prints their memory by `smaps_rollup`.
//!
//! `idle_memory GANTRY_SHIM [COUNT]`; needs root and a static `/bin/busybox`.

use std::{
    collections::BTreeMap,
    error::Error,
    fs,
    path::{Path, PathBuf},
};

use oci::runtime::{Linux, Mount, Namespace, Process, Spec};
use shim_client::{Events, Shim, ShimConfig};
use shim_protocol::{LogTarget, StartRequest};
use types::{ContainerId, RootFilesystem};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let binary = PathBuf::from(arguments.next().ok_or("usage: idle_memory GANTRY_SHIM [COUNT]")?);
    let count = match arguments.next() {
        Some(text) => text.to_str().ok_or("not a number")?.parse()?,
        None => 10,
    };
    let root = tempfile::tempdir()?;
    make_rootfs(&root.path().join("rootfs"))?;
    let mut shims = Vec::new();
    for number in 0..count {
        shims.push(start(&binary, root.path(), number).await?);
    }
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    for key in ["Pss", "Pss_Anon", "Private_Dirty", "Private_Clean", "Rss"] {
        let mut values = Vec::new();
        for (shim, _) in &shims {
            values.push(kilobytes(shim.hello().await?.pid, key)?);
        }
        values.sort_unstable();
        println!("{key}: median {} kB of {count} shims", values[values.len() / 2]);
    }
    for (shim, events) in &mut shims {
        shim.signal(None, 9).await?;
        events.recv().await.ok_or("the shim is lost")?;
        shim.release().await?;
    }
    Ok(())
}

fn kilobytes(pid: i32, key: &str) -> Result<u64, Box<dyn Error>> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = text.lines().find(|line| line.starts_with(&format!("{key}:")));
    let value = line.and_then(|line| line.split_ascii_whitespace().nth(1));
    Ok(value.ok_or("no such key")?.parse()?)
}

fn make_rootfs(path: &Path) -> std::io::Result<()> {
    for directory in ["bin", "proc", "dev"] {
        fs::create_dir_all(path.join(directory))?;
    }
    fs::copy("/bin/busybox", path.join("bin/busybox")).map(drop)
}

async fn start(
    binary: &Path,
    root: &Path,
    number: usize,
) -> Result<(Shim, Events), Box<dyn Error>> {
    let config = ShimConfig { binary: binary.into(), dir: root.join(format!("shim{number}")) };
    let (shim, events) = Shim::spawn(&config)?;
    shim.start(request(root, number), Vec::new(), BTreeMap::new()).await?;
    Ok((shim, events))
}

fn request(root: &Path, number: usize) -> StartRequest {
    StartRequest {
        id: ContainerId::random(),
        spec: spec(number),
        rootfs: RootFilesystem::Directory { path: root.join("rootfs") },
        seccomp_bpf: None,
        namespaces: BTreeMap::new(),
        attach: Vec::new(),
        open_stdin: false,
        stdin_once: false,
        console_size: None,
        log: LogTarget::JsonFile {
            path: root.join(format!("log{number}")),
            max_size_bytes: None,
            max_files: 1,
            attrs: BTreeMap::new(),
        },
        bundle: root.to_owned(),
        external_runtime: None,
        init_binary: None,
    }
}

fn spec(number: usize) -> Spec {
    let process = Process {
        args: ["/bin/busybox", "sleep", "1000"].map(str::to_owned).to_vec(),
        cwd: "/".into(),
        ..Process::default()
    };
    let namespaces = ["pid", "mount", "ipc", "uts", "network"]
        .map(|kind| Namespace { kind: kind.into(), path: None })
        .to_vec();
    let proc = Mount {
        destination: "/proc".into(),
        kind: Some("proc".into()),
        source: Some("proc".into()),
        ..Mount::default()
    };
    Spec {
        oci_version: "1.2.0".into(),
        process: Some(process),
        mounts: vec![proc],
        linux: Some(Linux {
            namespaces,
            cgroups_path: Some(format!("/gantry-idle-memory-{}-{number}", std::process::id())),
            ..Linux::default()
        }),
        ..Spec::default()
    }
}
