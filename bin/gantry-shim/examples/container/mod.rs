//! A minimal container to measure with.

use std::{collections::BTreeMap, error::Error, fs, path::Path};

use oci::runtime::{Linux, Mount, Namespace, Process, Spec};
use shim_client::{Events, Shim, ShimConfig};
use shim_protocol::{LogTarget, StartRequest};
use types::{ContainerId, RootFilesystem};

pub fn make_rootfs(path: &Path) -> std::io::Result<()> {
    for directory in ["bin", "proc", "dev"] {
        fs::create_dir_all(path.join(directory))?;
    }
    fs::copy("/bin/busybox", path.join("bin/busybox")).map(drop)
}

pub async fn start(
    binary: &Path,
    root: &Path,
    number: usize,
    script: &str,
) -> Result<(Shim, Events), Box<dyn Error>> {
    let config = ShimConfig { binary: binary.into(), dir: root.join(format!("shim{number}")) };
    let (shim, events) = Shim::spawn(&config)?;
    shim.start(request(root, number, script), Vec::new(), BTreeMap::new()).await?;
    Ok((shim, events))
}

fn request(root: &Path, number: usize, script: &str) -> StartRequest {
    StartRequest {
        id: ContainerId::random(),
        spec: spec(number, script),
        rootfs: RootFilesystem::Directory { path: root.join("rootfs") },
        seccomp_bpf: None,
        namespaces: BTreeMap::new(),
        attach: Vec::new(),
        open_stdin: false,
        stdin_once: false,
        console_size: None,
        log: LogTarget::JsonFile(shim_protocol::LogFile {
            path: log_path(root, number),
            max_size_bytes: None,
            max_files: 1,
            attrs: BTreeMap::new(),
            compressor: None,
        }),
        bundle: root.to_owned(),
        external_runtime: None,
        init_binary: None,
    }
}

fn spec(number: usize, script: &str) -> Spec {
    let process = Process {
        args: ["/bin/busybox", "sh", "-c", script].map(str::to_owned).to_vec(),
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
            cgroups_path: Some(format!("/gantry-measure-{}-{number}", std::process::id())),
            ..Linux::default()
        }),
        ..Spec::default()
    }
}

pub fn log_path(root: &Path, number: usize) -> std::path::PathBuf {
    root.join(format!("log{number}"))
}
