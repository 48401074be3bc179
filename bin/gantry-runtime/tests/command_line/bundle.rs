//! A bundle of its own for each test.

use std::{
    fs,
    os::unix::fs::symlink,
    path::PathBuf,
    process::{Command, Output, Stdio},
};

pub const GANTRY: &str = env!("CARGO_BIN_EXE_gantry-runtime");

/// Removed with its container when dropped.
pub struct Bundle {
    pub directory: PathBuf,
    pub id: String,
}

impl Bundle {
    pub fn new(name: &str, args: &[&str]) -> Self {
        let id = format!("gantry-test-{}-{name}", std::process::id());
        let directory = std::env::temp_dir().join(&id);
        for path in ["bin", "proc", "sys", "dev", "etc"] {
            fs::create_dir_all(directory.join("rootfs").join(path)).unwrap();
        }
        fs::copy("/bin/busybox", directory.join("rootfs/bin/busybox")).unwrap();
        for applet in [
            "sh", "cat", "id", "grep", "env", "mount", "sleep", "ls", "sort", "stty", "mkdir",
            "touch",
        ] {
            symlink("busybox", directory.join("rootfs/bin").join(applet)).unwrap();
        }
        let bundle = Self { directory, id };
        assert!(bundle.gantry(&["spec", "--bundle", bundle.path()]).status.success());
        bundle.configure(|config| {
            config["process"]["terminal"] = false.into();
            config["process"]["args"] = args.into();
            config["linux"]["cgroupsPath"] = format!("/{}", bundle.id).into();
            // Hosts of tests may lack the right to raise limits.
            config["process"].as_object_mut().unwrap().remove("rlimits");
        });
        bundle
    }

    pub fn path(&self) -> &str {
        self.directory.to_str().unwrap()
    }

    pub fn configure(&self, change: impl FnOnce(&mut serde_json::Value)) {
        let path = self.directory.join("config.json");
        let mut config = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        change(&mut config);
        fs::write(path, serde_json::to_vec(&config).unwrap()).unwrap();
    }

    pub fn with(&self, program: &str, args: &[&str]) -> Output {
        Command::new(program)
            .arg("--root")
            .arg(self.directory.join("state"))
            .args(args)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    pub fn gantry(&self, args: &[&str]) -> Output {
        self.with(GANTRY, args)
    }

    /// `create` with its streams thrown away: init keeps them open.
    pub fn create(&self) {
        let status = Command::new(GANTRY)
            .arg("--root")
            .arg(self.directory.join("state"))
            .args(["create", "--bundle", self.path(), &self.id])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success());
    }

    pub fn status(&self) -> String {
        let output = self.gantry(&["state", &self.id]);
        let state: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        state["status"].as_str().unwrap().to_owned()
    }
}

impl Drop for Bundle {
    fn drop(&mut self) {
        let output = self.gantry(&["delete", "--force", &self.id]);
        assert!(output.status.success(), "{output:?}");
        assert!(!PathBuf::from(format!("/sys/fs/cgroup/memory/{}", self.id)).exists());
        fs::remove_dir_all(&self.directory).unwrap();
    }
}

pub fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}
