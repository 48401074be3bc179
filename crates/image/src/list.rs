//! `images`.

use metadata::{image as rows, rusqlite::Connection};

use crate::{
    Image, ImageError, ImageFilters, Images,
    filter::{Bounds, reference_matches},
    images::find,
    model,
};

impl Images {
    /// Lists images, newest first. With a `reference` filter an image shows the names that
    /// match only.
    ///
    /// # Errors
    /// [`ImageError::NotFound`] for an image that `before` or `since` names.
    pub fn list(&self, filters: &ImageFilters) -> Result<Vec<Image>, ImageError> {
        self.inner.read(|c| {
            let bounds = bounds(c, filters)?;
            let mut found = Vec::new();
            for row in rows::all(c)?.into_iter().filter(|row| !row.is_hidden) {
                if bounds.covers(row.created_ns) {
                    let image = model::from_row(c, row)?;
                    found.extend(select(c, image, filters)?);
                }
            }
            Ok(found)
        })
    }

    /// Like [`Images::list`] without the unnamed images that others were made from, as `images`
    /// shows them without `--all`.
    ///
    /// # Errors
    /// Those of [`Images::list`].
    pub fn list_top(&self, filters: &ImageFilters) -> Result<Vec<Image>, ImageError> {
        let mut found = self.list(filters)?;
        let parents = self.inner.read(|c| {
            let all = rows::all(c)?;
            let visible = all.into_iter().filter(|row| !row.is_hidden);
            Ok(visible.filter_map(|row| row.parent).collect::<std::collections::HashSet<_>>())
        })?;
        found.retain(|image| !(image.is_dangling() && parents.contains(&image.id)));
        Ok(found)
    }
}

fn bounds(connection: &Connection, filters: &ImageFilters) -> Result<Bounds, ImageError> {
    let created = |name: &String| -> Result<i64, ImageError> {
        let id = find(connection, name)?;
        Ok(rows::get(connection, &id)?.map_or(0, |row| row.created_ns))
    };
    let mut bounds = Bounds::default();
    for name in &filters.before {
        bounds.before(created(name)?);
    }
    for name in &filters.since {
        bounds.after(created(name)?);
    }
    if let Some(until_ns) = filters.until_ns {
        bounds.before(until_ns);
    }
    Ok(bounds)
}

fn select(
    connection: &Connection,
    mut image: Image,
    filters: &ImageFilters,
) -> Result<Option<Image>, ImageError> {
    if !filters.labels_match(&image.config) {
        return Ok(None);
    }
    if let Some(wanted) = filters.dangling {
        let is_dangling = image.is_dangling();
        // An unnamed parent of another image is not dangling: it is a step.
        let is_step = is_dangling && !rows::children(connection, &image.id)?.is_empty();
        if wanted != is_dangling || (wanted && is_step) {
            return Ok(None);
        }
    }
    if !filters.references.is_empty() {
        let matches = |name: &types::Reference| {
            filters.references.iter().any(|pattern| reference_matches(pattern, name))
        };
        image.tags.retain(matches);
        image.digests.retain(matches);
        if image.references().next().is_none() {
            return Ok(None);
        }
    }
    Ok(Some(image))
}
