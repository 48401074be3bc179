//! Rows of repositories.

use sqlx::{Row, Sqlite, Transaction, sqlite::SqliteRow};

use super::{Database, Result, parse, unsigned};
use crate::{
    RepositoryName,
    catalog::{Page, Repository, Search, Target, Viewer, Visibility},
};

fn from_row(row: &SqliteRow) -> Result<Repository> {
    Ok(Repository {
        name: parse("repository name", row.try_get("name")?)?,
        visibility: parse("visibility", row.try_get("visibility")?)?,
        description: row.try_get("description")?,
        manifests: unsigned(row.try_get("manifests")?),
    })
}

pub(super) async fn find(db: &Database, name: &RepositoryName) -> Result<Option<Repository>> {
    let row = sqlx::query(
        "SELECT name, visibility, description, manifests FROM repositories WHERE name = ?",
    )
    .bind(name.as_str())
    .fetch_optional(db.reader())
    .await?;
    row.as_ref().map(from_row).transpose()
}

pub(super) async fn list(db: &Database, page: Page<'_>) -> Result<Vec<Repository>> {
    let rows = sqlx::query(
        "SELECT name, visibility, description, manifests FROM repositories
         WHERE name > ? AND manifests > 0 ORDER BY name LIMIT ?",
    )
    .bind(page.after)
    .bind(page.limit)
    .fetch_all(db.reader())
    .await?;
    rows.iter().map(from_row).collect()
}

/// Makes a `LIKE` pattern that finds `text` literally.
fn pattern(prefix: &str, text: &str, suffix: &str) -> String {
    let escaped = text.replace('\\', r"\\").replace('%', r"\%").replace('_', r"\_");
    format!("{prefix}{escaped}{suffix}")
}

pub(super) async fn search(db: &Database, search: &Search) -> Result<(Vec<Repository>, u64)> {
    let (sees_all, namespace) = match &search.viewer {
        Viewer::Everything => (true, String::new()),
        Viewer::Anonymous => (false, String::new()),
        Viewer::Namespace(name) => (false, pattern("", name, "/%")),
    };
    let anywhere = pattern("%", &search.text, "%");
    let total: i64 = sqlx::query_scalar(
        r"SELECT count(*) FROM repositories WHERE manifests > 0
          AND (name LIKE ?1 ESCAPE '\' OR description LIKE ?1 ESCAPE '\')
          AND (?2 OR visibility = 'public' OR name LIKE ?3 ESCAPE '\')",
    )
    .bind(&anywhere)
    .bind(sees_all)
    .bind(&namespace)
    .fetch_one(db.reader())
    .await?;
    let rows = sqlx::query(
        r"SELECT name, visibility, description, manifests FROM repositories WHERE manifests > 0
          AND (name LIKE ?1 ESCAPE '\' OR description LIKE ?1 ESCAPE '\')
          AND (?2 OR visibility = 'public' OR name LIKE ?3 ESCAPE '\')
          ORDER BY name = ?4 DESC, name LIKE ?5 ESCAPE '\' DESC, name LIMIT ?6 OFFSET ?7",
    )
    .bind(&anywhere)
    .bind(sees_all)
    .bind(&namespace)
    .bind(&search.text)
    .bind(pattern("", &search.text, "%"))
    .bind(search.limit)
    .bind(search.offset)
    .fetch_all(db.reader())
    .await?;
    let found = rows.iter().map(from_row).collect::<Result<Vec<_>>>()?;
    Ok((found, unsigned(total)))
}

pub(super) async fn set_visibility(
    db: &Database,
    name: &RepositoryName,
    to: Visibility,
) -> Result<bool> {
    let mut tx = db.write().await?;
    let done = sqlx::query("UPDATE repositories SET visibility = ? WHERE name = ?")
        .bind(to.as_str())
        .bind(name.as_str())
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(done.rows_affected() > 0)
}

pub(super) async fn is_namespace_used(db: &Database, namespace: &str) -> Result<bool> {
    let found: i64 = sqlx::query_scalar(
        r"SELECT EXISTS (SELECT 1 FROM repositories WHERE name LIKE ? ESCAPE '\')",
    )
    .bind(pattern("", namespace, "/%"))
    .fetch_one(db.reader())
    .await?;
    Ok(found != 0)
}

/// Finds a repository's key, making the repository if needed.
pub(super) async fn ensure(
    tx: &mut Transaction<'static, Sqlite>,
    target: Target<'_>,
) -> Result<i64> {
    if let Some(key) = key(tx, target.name).await? {
        return Ok(key);
    }
    let made = sqlx::query(
        "INSERT INTO repositories (name, visibility, created_at, updated_at)
         VALUES (?, ?, unixepoch(), unixepoch())",
    )
    .bind(target.name.as_str())
    .bind(target.new_visibility.as_str())
    .execute(&mut **tx)
    .await?;
    Ok(made.last_insert_rowid())
}

pub(super) async fn key(
    tx: &mut Transaction<'static, Sqlite>,
    name: &RepositoryName,
) -> Result<Option<i64>> {
    Ok(sqlx::query_scalar("SELECT id FROM repositories WHERE name = ?")
        .bind(name.as_str())
        .fetch_optional(&mut **tx)
        .await?)
}
