//! Tells the image service which containers use an image.

use image::{ImageUse, ImageUser};
use types::Digest;

use crate::Containers;

/// The containers as users of images.
pub struct ImageUsage(pub Containers);

impl ImageUse for ImageUsage {
    fn containers_using(&self, id: &Digest) -> Vec<ImageUser> {
        let all = self.0.all();
        let users = all.iter().filter(|container| container.record().image == *id);
        users
            .map(|container| ImageUser {
                container: container.id.clone(),
                name: container.record().name.to_string(),
                is_running: container.state().is_running(),
            })
            .collect()
    }
}
