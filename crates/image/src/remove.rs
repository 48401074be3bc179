//! `rmi`: names go first, then the image, then what only it stood on.

use metadata::image as rows;
use types::{Digest, Reference};

use crate::{
    ConflictReason, Image, ImageError, ImageUse, ImageUser, Images, config,
    images::{Inner, find, id_prefix, not_found},
};

/// What `rmi` is asked for.
#[derive(Debug, Clone, Default)]
pub struct RemoveRequest {
    /// Name, id or beginning of an id.
    pub name: String,
    /// `-f`.
    pub is_forced: bool,
    /// Whether unnamed parents stay (`--no-prune`).
    pub keeps_parents: bool,
}

/// One thing that went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removed {
    /// A name, as people write it.
    Untagged(String),
    /// The digest of an image, or the chain id of a layer.
    Deleted(String),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Strictness {
    /// Refuse what force would allow.
    All,
    /// Refuse only what cannot be forced.
    HardOnly,
    /// As `All`, but several names of the image do not matter: they all go.
    IgnoreNames,
}

impl Images {
    /// Removes a name, and the image when it was the last one.
    ///
    /// # Errors
    /// [`ImageError::NotFound`], [`ImageError::Conflict`], [`ImageError::ReferenceInUse`].
    pub async fn remove(
        &self,
        request: RemoveRequest,
        usage: std::sync::Arc<dyn ImageUse>,
    ) -> Result<Vec<Removed>, ImageError> {
        self.inner.blocking(move |inner| inner.remove(&request, usage.as_ref())).await
    }
}

impl Inner {
    fn remove(
        &self,
        request: &RemoveRequest,
        usage: &dyn ImageUse,
    ) -> Result<Vec<Removed>, ImageError> {
        let id = self.read(|c| find(c, &request.name))?;
        let image = self.image(&id)?;
        let names: Vec<Reference> = image.references().cloned().collect();
        let mut removed = Vec::new();
        let is_id = id_prefix(&request.name).is_some_and(|prefix| id.hex().starts_with(prefix));
        let mut is_quiet = false;
        if !is_id {
            self.check_last_name(request, &image, &names, usage)?;
            if !self.untag(&request.name, &id, &mut removed)? {
                return Ok(removed);
            }
            is_quiet = true;
        } else if is_single(&names) {
            let strictness =
                if request.is_forced { Strictness::HardOnly } else { Strictness::IgnoreNames };
            self.check(&id, strictness, usage)?;
            self.untag_all(&names, &mut removed)?;
        }
        let strictness = if request.is_forced { Strictness::HardOnly } else { Strictness::All };
        let deletion = Deletion { strictness, is_quiet, prunes_parents: !request.keeps_parents };
        self.delete(&id, deletion, usage, &mut removed)?;
        Ok(removed)
    }

    /// The last name of an image in use goes only by force: it would leave a dangling image.
    fn check_last_name(
        &self,
        request: &RemoveRequest,
        image: &Image,
        names: &[Reference],
        usage: &dyn ImageUse,
    ) -> Result<(), ImageError> {
        if request.is_forced || !is_single(names) {
            return Ok(());
        }
        match usage.containers_using(&image.id).first() {
            Some(user) => Err(ImageError::ReferenceInUse {
                reference: request.name.clone(),
                container: user.container.short().to_owned(),
                image: image.id.short().to_owned(),
            }),
            None => Ok(()),
        }
    }

    /// Removes one name; returns whether the image has none left.
    pub(crate) fn untag(
        &self,
        name: &str,
        id: &Digest,
        removed: &mut Vec<Removed>,
    ) -> Result<bool, ImageError> {
        let reference: Reference = name.parse().map_err(ImageError::Reference)?;
        let named = match reference.digest() {
            Some(digest) => reference.with_digest(digest.clone()),
            None => reference.with_default_tag(),
        };
        self.write(|c| {
            if !rows::delete_reference(c, &named)? {
                return Err(not_found(name));
            }
            removed.push(Removed::Untagged(named.familiar()));
            let mut left = rows::references(c, id)?;
            let is_last_tag = named.digest().is_none()
                && !left.iter().any(|r| r.digest().is_none() && r.name() == named.name());
            if is_last_tag {
                // Digests of a repository go with its last tag.
                for gone in left.iter().filter(|r| r.name() == named.name()) {
                    rows::delete_reference(c, gone)?;
                    removed.push(Removed::Untagged(gone.familiar()));
                }
                left.retain(|r| r.name() != named.name());
            }
            Ok(left.is_empty())
        })
    }

    fn untag_all(&self, names: &[Reference], removed: &mut Vec<Removed>) -> Result<(), ImageError> {
        self.write(|c| {
            for name in names {
                if rows::delete_reference(c, name)? {
                    removed.push(Removed::Untagged(name.familiar()));
                }
            }
            Ok(())
        })
    }

    fn check(
        &self,
        id: &Digest,
        strictness: Strictness,
        usage: &dyn ImageUse,
    ) -> Result<(), ImageError> {
        match self.conflict(id, strictness, &usage.containers_using(id))? {
            Some(reason) => Err(ImageError::Conflict { image: id.short().to_owned(), reason }),
            None => Ok(()),
        }
    }

    fn conflict(
        &self,
        id: &Digest,
        strictness: Strictness,
        users: &[ImageUser],
    ) -> Result<Option<ConflictReason>, ImageError> {
        if !self.read(|c| Ok(rows::children(c, id)?))?.is_empty() {
            return Ok(Some(ConflictReason::DependentChildren));
        }
        let short = |user: &ImageUser| user.container.short().to_owned();
        if let Some(user) = users.iter().find(|user| user.is_running) {
            return Ok(Some(ConflictReason::RunningContainer(short(user))));
        }
        if strictness == Strictness::HardOnly {
            return Ok(None);
        }
        if strictness == Strictness::All && self.read(|c| Ok(rows::references(c, id)?))?.len() > 1 {
            return Ok(Some(ConflictReason::ManyRepositories));
        }
        Ok(users.first().map(|user| ConflictReason::StoppedContainer(short(user))))
    }

    pub(crate) fn delete(
        &self,
        id: &Digest,
        deletion: Deletion,
        usage: &dyn ImageUse,
        removed: &mut Vec<Removed>,
    ) -> Result<(), ImageError> {
        if let Err(error) = self.check(id, deletion.strictness, usage) {
            let is_dangling = self.read(|c| Ok(rows::references(c, id)?))?.is_empty();
            if deletion.is_quiet && (!is_dangling || error.is_use_conflict()) {
                return Ok(());
            }
            return Err(error);
        }
        let image = self.image(id)?;
        let names: Vec<Reference> = image.references().cloned().collect();
        self.untag_all(&names, removed)?;
        let gone = self.delete_or_hide(&image, usage)?;
        removed.push(Removed::Deleted(id.to_string()));
        for chain_id in chain_ids(&image.diff_ids, &gone) {
            removed.push(Removed::Deleted(chain_id.to_string()));
        }
        match image.parent {
            Some(parent) if deletion.prunes_parents && self.is_nameless(&parent)? => {
                let next = Deletion { strictness: Strictness::All, is_quiet: true, ..deletion };
                self.delete(&parent, next, usage, removed)
            }
            _ => Ok(()),
        }
    }

    fn is_nameless(&self, id: &Digest) -> Result<bool, ImageError> {
        self.read(|c| {
            Ok(rows::get(c, id)?.is_some_and(|row| !row.is_hidden)
                && rows::references(c, id)?.is_empty())
        })
    }

    /// Deletes an image's row and returns the layers that went with it; below a container, or
    /// while somebody holds it, it is hidden instead and nothing goes.
    fn delete_or_hide(
        &self,
        image: &Image,
        usage: &dyn ImageUse,
    ) -> Result<Vec<Digest>, ImageError> {
        let dying = self.holds.begin_removal(&image.id);
        if dying.is_none() || !usage.containers_using(&image.id).is_empty() {
            self.write(|c| Ok(rows::hide(c, &image.id)?))?;
            return Ok(Vec::new());
        }
        self.write(|c| Ok(rows::delete(c, &image.id)?))?;
        self.collect(&image.diff_ids)
    }
}

/// How one image of a removal is treated.
#[derive(Clone, Copy)]
pub(crate) struct Deletion {
    strictness: Strictness,
    /// Whether a conflict just ends the removal: the name that was asked for is gone already.
    is_quiet: bool,
    prunes_parents: bool,
}

impl Deletion {
    /// How prune treats an image: its names do not save it, containers do.
    pub(crate) fn of_prune() -> Self {
        Self { strictness: Strictness::IgnoreNames, is_quiet: false, prunes_parents: true }
    }
}

/// At most one tag, and all digests in its repository.
fn is_single(names: &[Reference]) -> bool {
    if names.len() <= 1 {
        return true;
    }
    let (digests, tags): (Vec<_>, Vec<_>) = names.iter().partition(|r| r.digest().is_some());
    if tags.len() > 1 {
        return false;
    }
    let Some(first) = tags.first().or(digests.first()) else { return true };
    !digests.is_empty() && digests.iter().all(|digest| digest.name() == first.name())
}

/// The chain ids of those layers of a stack that are in `wanted`, topmost first (image-spec,
/// "Layer ChainID").
fn chain_ids(diff_ids: &[Digest], wanted: &[Digest]) -> Vec<Digest> {
    let mut chain: Option<Digest> = None;
    let mut found = Vec::new();
    for diff_id in diff_ids {
        let next = match &chain {
            None => diff_id.clone(),
            Some(below) => config::sha256(format!("{below} {diff_id}").as_bytes()),
        };
        if wanted.contains(diff_id) {
            found.push(next.clone());
        }
        chain = Some(next);
    }
    found.reverse();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(texts: &[&str]) -> Vec<Reference> {
        texts.iter().map(|text| text.parse::<Reference>().unwrap().with_default_tag()).collect()
    }

    #[test]
    fn single_references() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let own = format!("x@{digest}");
        let other = format!("y@{digest}");
        assert!(is_single(&[]));
        assert!(is_single(&names(&["x:1"])));
        assert!(is_single(&names(&["x:1", &own])));
        assert!(!is_single(&names(&["x:1", "x:2"])));
        assert!(!is_single(&names(&["x:1", &other])));
    }

    #[test]
    fn chain_ids_follow_the_specification() {
        let (a, b) = (Digest::from_sha256(&[1; 32]), Digest::from_sha256(&[2; 32]));
        let top = config::sha256(format!("{a} {b}").as_bytes());
        assert_eq!(chain_ids(&[a.clone(), b.clone()], &[a.clone(), b]), [top, a]);
    }
}
