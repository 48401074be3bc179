//! The engines and clients of one scenario.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::engine::{Client, Engine, Kind, Subject};

/// Everything that a scenario needs to start engines.
pub struct Ground {
    /// Directory of the release programs.
    pub programs: PathBuf,
    /// The image's root file system as a tar archive.
    pub rootfs: PathBuf,
    /// Whether few rounds are enough.
    pub is_quick: bool,
}

impl Ground {
    /// How many rounds: the first number, or the second for a quick run.
    pub fn rounds(&self, full: usize, quick: usize) -> usize {
        if self.is_quick { quick } else { full }
    }
}

/// Engines that run side by side, and the clients for them.
pub struct Fleet {
    engines: Vec<Engine>,
    pub subjects: Vec<Subject>,
}

impl Fleet {
    /// Starts those of `kinds` that are installed, with every client for them.
    ///
    /// # Errors
    /// One of them does not start.
    pub fn start(ground: &Ground, kinds: &[Kind]) -> Result<Self> {
        let mut engines = Vec::new();
        for kind in kinds {
            engines.extend(Engine::start(*kind, &ground.programs, &ground.rootfs)?);
        }
        let mut fleet = Self { engines, subjects: Vec::new() };
        let all = [
            Client::Gantry,
            Client::Docker(Kind::Gantry),
            Client::Docker(Kind::Docker),
            Client::Podman,
        ];
        let subjects = all.map(|client| Subject::new(client, &ground.programs));
        let has_docker = super::command::is_installed("docker");
        fleet.subjects = subjects
            .into_iter()
            .filter(|subject| fleet.find(subject.engine()).is_some())
            .filter(|subject| has_docker || !matches!(subject.client, Client::Docker(_)))
            .collect();
        Ok(fleet)
    }

    /// One client for each engine: its own.
    pub fn own_subjects(&self) -> Vec<Subject> {
        let mut subjects = self.subjects.clone();
        subjects.retain(|subject| subject.client != Client::Docker(Kind::Gantry));
        subjects
    }

    /// The engines.
    pub fn engines(&self) -> &[Engine] {
        &self.engines
    }

    /// The engine of a subject.
    ///
    /// # Errors
    /// It was not started.
    pub fn engine(&self, subject: &Subject) -> Result<&Engine> {
        self.find(subject.engine()).with_context(|| format!("{} has no engine", subject.label()))
    }

    fn find(&self, kind: Kind) -> Option<&Engine> {
        self.engines.iter().find(|engine| engine.kind == kind)
    }
}

/// The image: a static busybox under the names that are used.
///
/// # Errors
/// There is no busybox, or `tar` fails.
pub fn make_rootfs(dir: &Path) -> Result<PathBuf> {
    let tree = dir.join("rootfs");
    let bin = tree.join("bin");
    std::fs::create_dir_all(&bin)?;
    std::fs::copy("/bin/busybox", bin.join("busybox"))
        .context("copy /bin/busybox (install busybox-static)")?;
    for name in ["sh", "true", "sleep", "echo", "ls", "cat"] {
        std::os::unix::fs::symlink("busybox", bin.join(name))?;
    }
    let archive = dir.join("rootfs.tar");
    let mut tar = std::process::Command::new("tar");
    super::command::run(tar.arg("-C").arg(&tree).arg("-cf").arg(&archive).arg("."))?;
    Ok(archive)
}
