-- container: one row per container; documents are JSON owned by the `container` service.
CREATE TABLE container (
    id      TEXT PRIMARY KEY NOT NULL,           -- 64 hexadecimal characters
    name    TEXT UNIQUE NOT NULL,                -- without the leading slash
    created INTEGER NOT NULL,                    -- nanoseconds since the Unix epoch
    image   TEXT NOT NULL,                       -- image id (digest), or '' for none
    record  TEXT NOT NULL,                       -- desired state: configuration as created or updated
    state   TEXT NOT NULL                        -- last known actual state
) STRICT, WITHOUT ROWID;
CREATE INDEX container_image ON container (image);
