-- image: see crates/metadata/src/image.rs for the rules between these tables.
CREATE TABLE image (
    id         TEXT PRIMARY KEY NOT NULL,  -- digest of the configuration
    config     BLOB NOT NULL,              -- the configuration, byte for byte
    created_ns INTEGER NOT NULL,           -- the configuration's date, 0 when it has none
    tagged_ns  INTEGER NOT NULL,           -- when a reference was last put on it
    size_bytes INTEGER NOT NULL,           -- of all layers, unpacked
    parent     TEXT,                       -- id of the image it was made from, here
    is_hidden  INTEGER NOT NULL DEFAULT 0  -- removed by force while a container is made of it
) STRICT;
CREATE INDEX image_parent ON image(parent);

CREATE TABLE image_reference (
    reference  TEXT PRIMARY KEY NOT NULL,  -- docker.io/library/x:tag or docker.io/library/x@sha256:...
    image_id   TEXT NOT NULL REFERENCES image(id)
) STRICT, WITHOUT ROWID;
CREATE INDEX image_reference_image ON image_reference(image_id);

CREATE TABLE manifest (
    digest     TEXT PRIMARY KEY NOT NULL,
    image_id   TEXT NOT NULL REFERENCES image(id) ON DELETE CASCADE,
    media_type TEXT NOT NULL,
    content    BLOB NOT NULL               -- byte for byte
) STRICT;
CREATE INDEX manifest_image ON manifest(image_id);

CREATE TABLE layer (
    diff_id    TEXT PRIMARY KEY NOT NULL,  -- digest of the tar
    size_bytes INTEGER NOT NULL,           -- unpacked
    added_ns   INTEGER NOT NULL,
    is_synced  INTEGER NOT NULL DEFAULT 0  -- whether it survives a power failure
) STRICT, WITHOUT ROWID;

CREATE TABLE image_layer (
    image_id   TEXT NOT NULL REFERENCES image(id) ON DELETE CASCADE,
    position   INTEGER NOT NULL,           -- 0 is the lowest
    diff_id    TEXT NOT NULL REFERENCES layer(diff_id),
    PRIMARY KEY (image_id, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX image_layer_diff ON image_layer(diff_id);

CREATE TABLE layer_blob (
    digest     TEXT PRIMARY KEY NOT NULL,  -- of the bytes as transferred
    diff_id    TEXT NOT NULL REFERENCES layer(diff_id) ON DELETE CASCADE,
    media_type TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    is_local   INTEGER NOT NULL            -- whether the content store holds it
) STRICT, WITHOUT ROWID;
CREATE INDEX layer_blob_diff ON layer_blob(diff_id);

CREATE TABLE blob_source (
    digest     TEXT NOT NULL REFERENCES layer_blob(digest) ON DELETE CASCADE,
    repository TEXT NOT NULL,              -- docker.io/library/x: known to hold the blob
    PRIMARY KEY (digest, repository)
) STRICT, WITHOUT ROWID;
