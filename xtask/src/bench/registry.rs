//! A registry beside an engine: in the same network namespace, on the loopback.

use std::{
    fs,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result};

use super::{
    command::{is_installed, run, signal, wait_for},
    site::Site,
};

/// Address in every namespace.
pub const ADDRESS: &str = "127.0.0.1:5000";

/// Distribution's registry as Debian packages it.
pub const PROGRAM: &str = "docker-registry";

/// Whether it can be started.
pub fn is_available() -> bool {
    is_installed(PROGRAM)
}

/// A running registry with nothing in it; dropping it ends it and removes what it stored.
pub struct Registry<'a> {
    site: &'a Site,
    child: Child,
}

impl<'a> Registry<'a> {
    /// Starts it.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(site: &'a Site) -> Result<Self> {
        let storage = site.path("registry");
        fs::create_dir_all(&storage)?;
        let configuration = site.path("registry.yml");
        let text = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\n\
             http: {{addr: \"{ADDRESS}\"}}\n",
            storage.display()
        );
        fs::write(&configuration, text)?;
        let log = fs::File::create(site.path("registry.log"))?;
        let child = site
            .inside(PROGRAM)
            .arg("serve")
            .arg(&configuration)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("start the registry")?;
        let registry = Self { site, child };
        wait_for("the registry to listen", Duration::from_secs(20), || registry.listens())?;
        Ok(registry)
    }

    fn listens(&self) -> bool {
        // The namespace's own list of sockets, as the registry's process shows it.
        let path = format!("/proc/{}/net/tcp", self.child.id());
        let own = fs::read_to_string(path).unwrap_or_default();
        own.lines().any(|line| line.contains("0100007F:1388 00000000:0000 0A"))
    }
}

impl Drop for Registry<'_> {
    fn drop(&mut self) {
        signal(self.child.id(), "KILL");
        let _ = self.child.wait();
        let storage = self.site.path("registry");
        if let Err(error) = run(Command::new("rm").arg("-rf").arg(&storage)) {
            eprintln!("cannot remove the registry's storage: {error:#}");
        }
    }
}
