//! A directory of the host that no container may read or write.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use testkit::{Engine, Output};

/// What is in the files of the canary, and nowhere else.
pub const SECRET: &str = "secret-of-the-host";

/// Mode, owner, number of names and content of a file.
type State = (u32, u32, u64, Vec<u8>);

/// The directory.
pub struct Canary {
    path: PathBuf,
    before: BTreeMap<PathBuf, State>,
}

impl Canary {
    pub fn new(engine: &Engine) -> Self {
        let path = engine.root().join("canary");
        fs::create_dir(&path).unwrap();
        fs::create_dir(path.join("sub")).unwrap();
        for name in ["secret", "sub/secret", "passwd", "hosts"] {
            let text = format!("hostonly:x:4242:4242::/{SECRET}:/bin/sh\n");
            fs::write(path.join(name), text).unwrap();
            fs::set_permissions(path.join(name), PermissionsExt::from_mode(0o600)).unwrap();
        }
        let before = state(&path);
        Self { path, before }
    }

    /// Its path on the host.
    pub fn path(&self) -> String {
        self.path.display().to_string()
    }

    /// Its path as a link that climbs.
    pub fn climbing(&self) -> String {
        format!("../../../../../../../..{}", self.path())
    }

    #[track_caller]
    pub fn assert_untouched(&self) {
        assert_eq!(state(&self.path), self.before, "the host's directory was changed");
    }

    #[track_caller]
    pub fn assert_unread(&self, output: &Output) {
        assert!(!is_leaked(&output.stdout) && !output.stderr.contains(SECRET), "{output:?}");
    }
}

pub fn is_leaked(bytes: &[u8]) -> bool {
    bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes())
}

fn state(dir: &Path) -> BTreeMap<PathBuf, State> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let stat = fs::symlink_metadata(&path).unwrap();
        let content = if stat.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
        let links = if stat.is_dir() { 0 } else { stat.nlink() };
        all.insert(path.clone(), (stat.mode(), stat.uid(), links, content));
        if stat.is_dir() {
            all.extend(state(&path));
        }
    }
    all
}
