//! `/etc/passwd` and `/etc/group` of images, read once.
//!
//! A container whose writable layer touches `/etc` is read afresh at every start, and one that
//! runs at every look, through its own eyes.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, PoisonError},
};

use types::{Digest, RootFilesystem};

use crate::{account::Accounts, root_view::RootView};

/// How many images' accounts are kept; they are a few KiB each.
const CAPACITY: usize = 256;

/// The cache.
#[derive(Default)]
pub struct AccountCache {
    by_image: Mutex<HashMap<Digest, Arc<Accounts>>>,
}

impl AccountCache {
    /// The accounts that a container sees at its start.
    ///
    /// # Errors
    /// Those of mounting and reading.
    pub fn get(&self, image: &Digest, rootfs: &RootFilesystem) -> io::Result<Arc<Accounts>> {
        if has_own_etc(rootfs) {
            return Ok(Arc::new(Self::read(&RootView::open_for_reading(rootfs)?)?));
        }
        if let Some(found) = self.lock().get(image) {
            return Ok(Arc::clone(found));
        }
        let accounts = Arc::new(Self::read(&RootView::open_for_reading(rootfs)?)?);
        let mut cache = self.lock();
        if cache.len() >= CAPACITY {
            cache.clear();
        }
        cache.insert(image.clone(), Arc::clone(&accounts));
        Ok(accounts)
    }

    /// The accounts that a root shows.
    ///
    /// # Errors
    /// Those of reading.
    pub fn read(view: &RootView) -> io::Result<Accounts> {
        Ok(Accounts { passwd: view.read_text("etc/passwd")?, group: view.read_text("etc/group")? })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Digest, Arc<Accounts>>> {
        self.by_image.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn has_own_etc(rootfs: &RootFilesystem) -> bool {
    match rootfs {
        RootFilesystem::Directory { .. } => true,
        RootFilesystem::Overlay { upper, .. } => {
            upper.as_ref().is_some_and(|upper| upper.join("etc").symlink_metadata().is_ok())
        }
    }
}
