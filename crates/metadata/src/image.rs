//! Images, their references, manifests and layers.
//!
//! # Rules between the tables
//! - An image lives until it is removed; its references must be gone first. It holds its layers
//!   through `image_layer`; a layer without such a row is garbage, and its blobs with it.
//! - A layer may be known under several blobs (compressions); those with `is_local` are in the
//!   content store. The others are remembered so that a push can find them where they are.
//! - A reference is either tagged or digested, never both, never bare.

use rusqlite::{Connection, OptionalExtension, Row, params, types::Type};
use types::{Digest, Reference};

use crate::DatabaseError;

/// One row of `image`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageRow {
    /// Digest of the configuration.
    pub id: Digest,
    /// The configuration, byte for byte.
    pub config: Vec<u8>,
    /// Nanoseconds since the epoch; 0 when the configuration has no date.
    pub created_ns: i64,
    /// Nanoseconds since the epoch.
    pub tagged_ns: i64,
    /// Sum of the unpacked layers.
    pub size_bytes: u64,
    /// The local image that this one was made from.
    pub parent: Option<Digest>,
    /// Removed, but a container still stands on its layers.
    pub is_hidden: bool,
}

/// One row of `layer_blob`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobRow {
    /// Digest of the bytes as transferred.
    pub digest: Digest,
    /// The layer that it holds.
    pub diff_id: Digest,
    /// As in a manifest.
    pub media_type: String,
    /// Length in bytes.
    pub size_bytes: u64,
    /// Whether the content store holds it.
    pub is_local: bool,
}

/// One row of `manifest`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestRow {
    /// Digest of `content`.
    pub digest: Digest,
    /// The image that it describes.
    pub image_id: Digest,
    /// OCI's or Docker's.
    pub media_type: String,
    /// Byte for byte.
    pub content: Vec<u8>,
}

type Rows<T> = Result<Vec<T>, DatabaseError>;

/// Reads a column whose text must parse as `T`.
fn parsed<T>(row: &Row<'_>, index: usize) -> rusqlite::Result<T>
where
    T: std::str::FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let text: String = row.get(index)?;
    text.parse().map_err(|error: T::Err| {
        rusqlite::Error::FromSqlConversionFailure(index, Type::Text, Box::new(error))
    })
}

fn parsed_option(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<Digest>> {
    match row.get_ref(index)? {
        rusqlite::types::ValueRef::Null => Ok(None),
        _ => parsed(row, index).map(Some),
    }
}

fn size(row: &Row<'_>, index: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(index).map(|value| u64::try_from(value).unwrap_or(0))
}

fn stored(size_bytes: u64) -> i64 {
    i64::try_from(size_bytes).unwrap_or(i64::MAX)
}

const IMAGE_COLUMNS: &str = "id, config, created_ns, tagged_ns, size_bytes, parent, is_hidden";

fn image_row(row: &Row<'_>) -> rusqlite::Result<ImageRow> {
    Ok(ImageRow {
        id: parsed(row, 0)?,
        config: row.get(1)?,
        created_ns: row.get(2)?,
        tagged_ns: row.get(3)?,
        size_bytes: size(row, 4)?,
        parent: parsed_option(row, 5)?,
        is_hidden: row.get(6)?,
    })
}

fn blob_row(row: &Row<'_>) -> rusqlite::Result<BlobRow> {
    Ok(BlobRow {
        digest: parsed(row, 0)?,
        diff_id: parsed(row, 1)?,
        media_type: row.get(2)?,
        size_bytes: size(row, 3)?,
        is_local: row.get(4)?,
    })
}

fn collect<T>(
    connection: &Connection,
    sql: &str,
    parameters: impl rusqlite::Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Rows<T> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(parameters, read)?;
    Ok(rows.collect::<rusqlite::Result<Vec<T>>>()?)
}

fn one<T>(
    connection: &Connection,
    sql: &str,
    parameters: impl rusqlite::Params,
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Option<T>, DatabaseError> {
    let mut statement = connection.prepare_cached(sql)?;
    Ok(statement.query_row(parameters, read).optional()?)
}

fn run(
    connection: &Connection,
    sql: &str,
    parameters: impl rusqlite::Params,
) -> Result<usize, DatabaseError> {
    Ok(connection.prepare_cached(sql)?.execute(parameters)?)
}

/// Inserts an image and its layers, or brings a hidden one back; layers must have rows already.
///
/// # Errors
/// [`DatabaseError::Sqlite`], also when a layer has no row.
pub fn insert(
    connection: &Connection,
    image: &ImageRow,
    diff_ids: &[Digest],
) -> Result<(), DatabaseError> {
    run(
        connection,
        "INSERT INTO image (id, config, created_ns, tagged_ns, size_bytes, parent, is_hidden)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0)
         ON CONFLICT (id) DO UPDATE SET is_hidden = 0, parent = coalesce(excluded.parent, parent)",
        params![
            image.id.to_string(),
            image.config,
            image.created_ns,
            image.tagged_ns,
            stored(image.size_bytes),
            image.parent.as_ref().map(ToString::to_string),
        ],
    )?;
    for (position, diff_id) in diff_ids.iter().enumerate() {
        run(
            connection,
            "INSERT OR IGNORE INTO image_layer (image_id, position, diff_id) VALUES (?1, ?2, ?3)",
            params![image.id.to_string(), stored(position as u64), diff_id.to_string()],
        )?;
    }
    Ok(())
}

/// Reads one image, hidden ones too.
///
/// # Errors
/// [`DatabaseError::Sqlite`].
pub fn get(connection: &Connection, id: &Digest) -> Result<Option<ImageRow>, DatabaseError> {
    let sql = format!("SELECT {IMAGE_COLUMNS} FROM image WHERE id = ?1");
    one(connection, &sql, [id.to_string()], image_row)
}

/// Reads all images, newest first, hidden ones too.
///
/// # Errors
/// [`DatabaseError::Sqlite`].
pub fn all(connection: &Connection) -> Rows<ImageRow> {
    let sql = format!("SELECT {IMAGE_COLUMNS} FROM image ORDER BY created_ns DESC, id");
    collect(connection, &sql, [], image_row)
}

/// Returns up to two ids of visible images whose hexadecimal part starts with `prefix`.
///
/// # Errors
/// [`DatabaseError::Sqlite`].
pub fn with_prefix(connection: &Connection, prefix: &str) -> Rows<Digest> {
    let low = format!("sha256:{prefix}");
    let high = format!("sha256:{prefix}g"); // `g` sorts behind every hexadecimal character
    collect(
        connection,
        "SELECT id FROM image WHERE id >= ?1 AND id < ?2 AND is_hidden = 0 LIMIT 2",
        [low, high],
        |row| parsed(row, 0),
    )
}

/// Returns the ids of images that were made from `id`.
///
/// # Errors
/// [`DatabaseError::Sqlite`].
pub fn children(connection: &Connection, id: &Digest) -> Rows<Digest> {
    let sql = "SELECT id FROM image WHERE parent = ?1 AND is_hidden = 0";
    collect(connection, sql, [id.to_string()], |row| parsed(row, 0))
}

/// Hides an image that a container still stands on.
///
/// # Errors
/// [`DatabaseError::Sqlite`].
pub fn hide(connection: &Connection, id: &Digest) -> Result<(), DatabaseError> {
    run(connection, "UPDATE image SET is_hidden = 1 WHERE id = ?1", [id.to_string()]).map(drop)
}

/// Deletes an image; its references must be gone. Layers stay until they are collected.
///
/// # Errors
/// [`DatabaseError::Sqlite`].
pub fn delete(connection: &Connection, id: &Digest) -> Result<(), DatabaseError> {
    run(connection, "DELETE FROM image WHERE id = ?1", [id.to_string()]).map(drop)
}

/// Returns an image's layers, lowest first.
///
/// # Errors
/// [`DatabaseError::Sqlite`].
pub fn layers(connection: &Connection, id: &Digest) -> Rows<(Digest, u64)> {
    collect(
        connection,
        "SELECT diff_id, size_bytes FROM image_layer JOIN layer USING (diff_id)
         WHERE image_id = ?1 ORDER BY position",
        [id.to_string()],
        |row| Ok((parsed(row, 0)?, size(row, 1)?)),
    )
}

/// Points `reference` to an image, away from another one if need be, and notes the time.
///
/// # Errors
/// [`DatabaseError::Sqlite`].
pub fn set_reference(
    connection: &Connection,
    reference: &Reference,
    id: &Digest,
    now_ns: i64,
) -> Result<(), DatabaseError> {
    run(
        connection,
        "INSERT INTO image_reference (reference, image_id) VALUES (?1, ?2)
         ON CONFLICT (reference) DO UPDATE SET image_id = excluded.image_id",
        [reference.to_string(), id.to_string()],
    )?;
    run(
        connection,
        "UPDATE image SET tagged_ns = ?2 WHERE id = ?1",
        params![id.to_string(), now_ns],
    )
    .map(drop)
}

/// Returns the image that `reference` points to.
///
/// # Errors
/// [`DatabaseError::Sqlite`].
pub fn by_reference(
    connection: &Connection,
    reference: &Reference,
) -> Result<Option<Digest>, DatabaseError> {
    let sql = "SELECT image_id FROM image_reference WHERE reference = ?1";
    one(connection, sql, [reference.to_string()], |row| parsed(row, 0))
}

/// Returns the references of an image in lexical order.
///
/// # Errors
/// [`DatabaseError::Sqlite`].
pub fn references(connection: &Connection, id: &Digest) -> Rows<Reference> {
    let sql = "SELECT reference FROM image_reference WHERE image_id = ?1 ORDER BY reference";
    collect(connection, sql, [id.to_string()], |row| parsed(row, 0))
}

/// Returns every reference in lexical order with its image.
///
/// # Errors
/// [`DatabaseError::Sqlite`].
pub fn all_references(connection: &Connection) -> Rows<(Reference, Digest)> {
    let sql = "SELECT reference, image_id FROM image_reference ORDER BY reference";
    collect(connection, sql, [], |row| Ok((parsed(row, 0)?, parsed(row, 1)?)))
}

/// Deletes a reference; returns whether it was there.
///
/// # Errors
/// [`DatabaseError::Sqlite`].
pub fn delete_reference(
    connection: &Connection,
    reference: &Reference,
) -> Result<bool, DatabaseError> {
    let sql = "DELETE FROM image_reference WHERE reference = ?1";
    Ok(run(connection, sql, [reference.to_string()])? > 0)
}

/// Notes a manifest of an image.
///
/// # Errors
/// [`DatabaseError::Sqlite`].
pub fn insert_manifest(
    connection: &Connection,
    manifest: &ManifestRow,
) -> Result<(), DatabaseError> {
    run(
        connection,
        "INSERT OR IGNORE INTO manifest (digest, image_id, media_type, content)
         VALUES (?1, ?2, ?3, ?4)",
        params![
            manifest.digest.to_string(),
            manifest.image_id.to_string(),
            manifest.media_type,
            manifest.content
        ],
    )
    .map(drop)
}

/// Returns the manifests of an image, the first known first.
///
/// # Errors
/// [`DatabaseError::Sqlite`].
pub fn manifests(connection: &Connection, id: &Digest) -> Rows<ManifestRow> {
    collect(
        connection,
        "SELECT digest, image_id, media_type, content FROM manifest WHERE image_id = ?1
         ORDER BY rowid",
        [id.to_string()],
        |row| {
            Ok(ManifestRow {
                digest: parsed(row, 0)?,
                image_id: parsed(row, 1)?,
                media_type: row.get(2)?,
                content: row.get(3)?,
            })
        },
    )
}

/// Notes a layer that stands unpacked, not yet known to be synced.
///
/// # Errors
/// [`DatabaseError::Sqlite`].
pub fn insert_layer(
    connection: &Connection,
    diff_id: &Digest,
    size_bytes: u64,
    now_ns: i64,
) -> Result<(), DatabaseError> {
    run(
        connection,
        "INSERT OR IGNORE INTO layer (diff_id, size_bytes, added_ns) VALUES (?1, ?2, ?3)",
        params![diff_id.to_string(), stored(size_bytes), now_ns],
    )
    .map(drop)
}

/// Notes that a layer survives a power failure.
///
/// # Errors
/// [`DatabaseError::Sqlite`].
pub fn mark_synced(connection: &Connection, diff_id: &Digest) -> Result<(), DatabaseError> {
    let sql = "UPDATE layer SET is_synced = 1 WHERE diff_id = ?1";
    run(connection, sql, [diff_id.to_string()]).map(drop)
}

/// Returns the layers that are not known to survive a power failure.
///
/// # Errors
/// [`DatabaseError::Sqlite`].
pub fn unsynced_layers(connection: &Connection) -> Rows<Digest> {
    let sql = "SELECT diff_id FROM layer WHERE is_synced = 0";
    collect(connection, sql, [], |row| parsed(row, 0))
}

/// Returns the unpacked size of a layer that has a row.
///
/// # Errors
/// [`DatabaseError::Sqlite`].
pub fn layer_size(connection: &Connection, diff_id: &Digest) -> Result<Option<u64>, DatabaseError> {
    let sql = "SELECT size_bytes FROM layer WHERE diff_id = ?1";
    one(connection, sql, [diff_id.to_string()], |row| size(row, 0))
}

/// Returns all layers that have a row.
///
/// # Errors
/// [`DatabaseError::Sqlite`].
pub fn all_layers(connection: &Connection) -> Rows<Digest> {
    collect(connection, "SELECT diff_id FROM layer", [], |row| parsed(row, 0))
}

/// Returns how many images stand on a layer.
///
/// # Errors
/// [`DatabaseError::Sqlite`].
pub fn layer_uses(connection: &Connection, diff_id: &Digest) -> Result<u64, DatabaseError> {
    let sql = "SELECT count(DISTINCT image_id) FROM image_layer WHERE diff_id = ?1";
    Ok(one(connection, sql, [diff_id.to_string()], |row| size(row, 0))?.unwrap_or(0))
}

/// Returns the layers that no image stands on and that were added before `before_ns`.
///
/// # Errors
/// [`DatabaseError::Sqlite`].
pub fn unused_layers(connection: &Connection, before_ns: i64) -> Rows<Digest> {
    let sql = "SELECT diff_id FROM layer WHERE added_ns < ?1
               AND NOT EXISTS (SELECT 1 FROM image_layer i WHERE i.diff_id = layer.diff_id)";
    collect(connection, sql, [before_ns], |row| parsed(row, 0))
}

/// Deletes a layer's row, and with it what is known of its blobs, unless an image stands on it.
///
/// # Errors
/// [`DatabaseError::Sqlite`].
pub fn delete_layer(connection: &Connection, diff_id: &Digest) -> Result<(), DatabaseError> {
    run(connection, "DELETE FROM layer WHERE diff_id = ?1", [diff_id.to_string()]).map(drop)
}

/// Notes a blob of a layer. One that was known elsewhere becomes local, never the reverse.
///
/// # Errors
/// [`DatabaseError::Sqlite`].
pub fn insert_blob(connection: &Connection, blob: &BlobRow) -> Result<(), DatabaseError> {
    run(
        connection,
        "INSERT INTO layer_blob (digest, diff_id, media_type, size_bytes, is_local)
         VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (digest) DO UPDATE SET is_local = max(is_local, excluded.is_local)",
        params![
            blob.digest.to_string(),
            blob.diff_id.to_string(),
            blob.media_type,
            stored(blob.size_bytes),
            blob.is_local
        ],
    )
    .map(drop)
}

/// Returns what is known of a blob.
///
/// # Errors
/// [`DatabaseError::Sqlite`].
pub fn blob(connection: &Connection, digest: &Digest) -> Result<Option<BlobRow>, DatabaseError> {
    let sql = "SELECT digest, diff_id, media_type, size_bytes, is_local FROM layer_blob
               WHERE digest = ?1";
    one(connection, sql, [digest.to_string()], blob_row)
}

/// Returns the blobs of a layer, local ones first.
///
/// # Errors
/// [`DatabaseError::Sqlite`].
pub fn blobs(connection: &Connection, diff_id: &Digest) -> Rows<BlobRow> {
    let sql = "SELECT digest, diff_id, media_type, size_bytes, is_local FROM layer_blob
               WHERE diff_id = ?1 ORDER BY is_local DESC, digest";
    collect(connection, sql, [diff_id.to_string()], blob_row)
}

/// Returns the digests of all blobs that the content store should hold.
///
/// # Errors
/// [`DatabaseError::Sqlite`].
pub fn local_blobs(connection: &Connection) -> Rows<Digest> {
    collect(connection, "SELECT digest FROM layer_blob WHERE is_local = 1", [], |row| {
        parsed(row, 0)
    })
}

/// Notes that the content store does not hold a blob any more.
///
/// # Errors
/// [`DatabaseError::Sqlite`].
pub fn forget_local_blob(connection: &Connection, digest: &Digest) -> Result<(), DatabaseError> {
    let sql = "UPDATE layer_blob SET is_local = 0 WHERE digest = ?1";
    run(connection, sql, [digest.to_string()]).map(drop)
}

/// Notes that a repository holds a blob which has a row.
///
/// # Errors
/// [`DatabaseError::Sqlite`].
pub fn insert_source(
    connection: &Connection,
    digest: &Digest,
    repository: &str,
) -> Result<(), DatabaseError> {
    run(
        connection,
        "INSERT OR IGNORE INTO blob_source (digest, repository)
         SELECT ?1, ?2 WHERE EXISTS (SELECT 1 FROM layer_blob WHERE digest = ?1)",
        [digest.to_string(), repository.to_owned()],
    )
    .map(drop)
}

/// Returns the repositories that are known to hold a blob.
///
/// # Errors
/// [`DatabaseError::Sqlite`].
pub fn sources(connection: &Connection, digest: &Digest) -> Rows<String> {
    let sql = "SELECT repository FROM blob_source WHERE digest = ?1 ORDER BY repository";
    collect(connection, sql, [digest.to_string()], |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Database;

    fn digest(character: char) -> Digest {
        Digest::from_sha256_hex(&character.to_string().repeat(64)).unwrap()
    }

    fn row(id: Digest) -> ImageRow {
        ImageRow {
            id,
            config: b"{}".to_vec(),
            created_ns: 1,
            tagged_ns: 2,
            size_bytes: 3,
            parent: None,
            is_hidden: false,
        }
    }

    fn with_database(name: &str, body: impl FnOnce(&Connection) -> Result<(), DatabaseError>) {
        let dir = tempfile::tempdir().unwrap();
        let db = Database::open(&dir.path().join(name)).unwrap();
        db.write(|tx| body(tx)).unwrap();
    }

    #[test]
    fn an_image_needs_its_layers_and_keeps_them_in_use() {
        with_database("layers", |c| {
            assert!(insert(c, &row(digest('a')), &[digest('1')]).is_err());
            insert_layer(c, &digest('1'), 7, 1)?;
            insert_layer(c, &digest('2'), 8, 1)?;
            insert(c, &row(digest('a')), &[digest('1')])?;
            assert_eq!(layers(c, &digest('a'))?, [(digest('1'), 7)]);
            assert_eq!(unused_layers(c, 9)?, [digest('2')]);
            assert!(delete_layer(c, &digest('1')).is_err());
            delete(c, &digest('a'))?;
            delete_layer(c, &digest('1'))
        });
    }

    #[test]
    fn references_move_and_prefixes_find() {
        with_database("references", |c| {
            insert(c, &row(digest('a')), &[])?;
            insert(c, &row(digest('b')), &[])?;
            let tag: Reference = "x:1".parse().unwrap();
            set_reference(c, &tag, &digest('a'), 5)?;
            set_reference(c, &tag, &digest('b'), 6)?;
            assert_eq!(by_reference(c, &tag)?, Some(digest('b')));
            assert!(references(c, &digest('a'))?.is_empty());
            assert_eq!(with_prefix(c, "aa")?, [digest('a')]);
            assert_eq!(with_prefix(c, "")?.len(), 2);
            hide(c, &digest('a'))?;
            assert!(with_prefix(c, "aa")?.is_empty());
            assert!(get(c, &digest('a'))?.unwrap().is_hidden);
            Ok(())
        });
    }

    #[test]
    fn blobs_become_local_and_go_with_their_layer() {
        with_database("blobs", |c| {
            insert_layer(c, &digest('1'), 7, 1)?;
            let mut known = BlobRow {
                digest: digest('c'),
                diff_id: digest('1'),
                media_type: "m".into(),
                size_bytes: 4,
                is_local: true,
            };
            insert_blob(c, &known)?;
            insert_source(c, &digest('c'), "docker.io/library/x")?;
            insert_source(c, &digest('d'), "docker.io/library/x")?;
            known.is_local = false;
            insert_blob(c, &known)?;
            assert_eq!(local_blobs(c)?, [digest('c')]);
            assert_eq!(sources(c, &digest('c'))?.len(), 1);
            delete_layer(c, &digest('1'))?;
            assert!(blob(c, &digest('c'))?.is_none());
            Ok(())
        });
    }
}
