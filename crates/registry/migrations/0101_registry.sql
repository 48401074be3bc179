-- Repositories and what they hold. Times are seconds since 1970.
CREATE TABLE repositories (
    id          INTEGER PRIMARY KEY,
    name        TEXT    NOT NULL UNIQUE,
    visibility  TEXT    NOT NULL CHECK (visibility IN ('public', 'private')),
    description TEXT    NOT NULL DEFAULT '',
    manifests   INTEGER NOT NULL DEFAULT 0,
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL
);

-- Blobs that are, or are about to be, in the blob store. `doomed` is set by the collector before
-- it deletes the file, and the row goes after the file.
CREATE TABLE blobs (
    digest     TEXT    PRIMARY KEY,
    size       INTEGER NOT NULL,
    links      INTEGER NOT NULL DEFAULT 0,
    doomed     INTEGER NOT NULL DEFAULT 0,
    touched_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX blobs_unlinked ON blobs (touched_at) WHERE links = 0;

-- Which repository may serve which blob; `manifests` counts the manifests there that need it.
CREATE TABLE repository_blobs (
    repository_id INTEGER NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    digest        TEXT    NOT NULL REFERENCES blobs (digest),
    manifests     INTEGER NOT NULL DEFAULT 0,
    touched_at    INTEGER NOT NULL,
    PRIMARY KEY (repository_id, digest)
) WITHOUT ROWID;
CREATE INDEX repository_blobs_digest ON repository_blobs (digest);
CREATE INDEX repository_blobs_unused ON repository_blobs (touched_at) WHERE manifests = 0;

CREATE TABLE manifest_contents (
    digest  TEXT PRIMARY KEY,
    content BLOB NOT NULL
);

CREATE TABLE manifests (
    repository_id INTEGER NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    digest        TEXT    NOT NULL REFERENCES manifest_contents (digest),
    media_type    TEXT    NOT NULL,
    size          INTEGER NOT NULL,
    subject       TEXT,
    artifact_type TEXT,
    annotations   TEXT,
    created_at    INTEGER NOT NULL,
    PRIMARY KEY (repository_id, digest)
) WITHOUT ROWID;
CREATE INDEX manifests_digest ON manifests (digest);
CREATE INDEX manifests_subject ON manifests (repository_id, subject, digest)
    WHERE subject IS NOT NULL;

CREATE TABLE manifest_blobs (
    repository_id INTEGER NOT NULL,
    manifest      TEXT    NOT NULL,
    blob          TEXT    NOT NULL,
    PRIMARY KEY (repository_id, manifest, blob),
    FOREIGN KEY (repository_id, manifest) REFERENCES manifests (repository_id, digest)
        ON DELETE CASCADE,
    FOREIGN KEY (repository_id, blob) REFERENCES repository_blobs (repository_id, digest)
) WITHOUT ROWID;
CREATE INDEX manifest_blobs_blob ON manifest_blobs (repository_id, blob);

CREATE TABLE manifest_children (
    repository_id INTEGER NOT NULL,
    parent        TEXT    NOT NULL,
    child         TEXT    NOT NULL,
    PRIMARY KEY (repository_id, parent, child),
    FOREIGN KEY (repository_id, parent) REFERENCES manifests (repository_id, digest)
        ON DELETE CASCADE,
    FOREIGN KEY (repository_id, child) REFERENCES manifests (repository_id, digest)
) WITHOUT ROWID;
CREATE INDEX manifest_children_child ON manifest_children (repository_id, child);

CREATE TABLE tags (
    repository_id INTEGER NOT NULL,
    name          TEXT    NOT NULL,
    manifest      TEXT    NOT NULL,
    updated_at    INTEGER NOT NULL,
    PRIMARY KEY (repository_id, name),
    FOREIGN KEY (repository_id, manifest) REFERENCES manifests (repository_id, digest)
        ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX tags_manifest ON tags (repository_id, manifest);

CREATE TABLE uploads (
    id         TEXT    PRIMARY KEY,
    repository TEXT    NOT NULL,
    created_at INTEGER NOT NULL
) WITHOUT ROWID;

-- The counts, kept where they cannot be forgotten. A count that falls to zero starts the grace
-- period anew.
CREATE TRIGGER repository_blobs_added AFTER INSERT ON repository_blobs BEGIN
    UPDATE blobs SET links = links + 1 WHERE digest = NEW.digest;
END;
CREATE TRIGGER repository_blobs_removed AFTER DELETE ON repository_blobs BEGIN
    UPDATE blobs SET links = links - 1, touched_at = unixepoch() WHERE digest = OLD.digest;
END;
CREATE TRIGGER manifest_blobs_added AFTER INSERT ON manifest_blobs BEGIN
    UPDATE repository_blobs SET manifests = manifests + 1
        WHERE repository_id = NEW.repository_id AND digest = NEW.blob;
END;
CREATE TRIGGER manifest_blobs_removed AFTER DELETE ON manifest_blobs BEGIN
    UPDATE repository_blobs SET manifests = manifests - 1, touched_at = unixepoch()
        WHERE repository_id = OLD.repository_id AND digest = OLD.blob;
END;
CREATE TRIGGER manifests_added AFTER INSERT ON manifests BEGIN
    UPDATE repositories SET manifests = manifests + 1, updated_at = NEW.created_at
        WHERE id = NEW.repository_id;
END;
CREATE TRIGGER manifests_removed AFTER DELETE ON manifests BEGIN
    UPDATE repositories SET manifests = manifests - 1, updated_at = unixepoch()
        WHERE id = OLD.repository_id;
    DELETE FROM manifest_contents WHERE digest = OLD.digest
        AND NOT EXISTS (SELECT 1 FROM manifests WHERE digest = OLD.digest);
END;
