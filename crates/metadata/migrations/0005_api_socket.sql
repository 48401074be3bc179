-- api_socket: further sockets of the engine's API with fewer rights.
CREATE TABLE api_socket (
    name     TEXT PRIMARY KEY NOT NULL,
    path     TEXT NOT NULL UNIQUE,
    gid      INTEGER NOT NULL,
    mode     INTEGER NOT NULL,
    allowed  TEXT NOT NULL,                      -- JSON array of permissions
    labels   TEXT NOT NULL,                      -- JSON array of KEY and KEY=VALUE
    redacted TEXT NOT NULL,                      -- JSON array of kinds of values
    created  INTEGER NOT NULL                    -- nanoseconds since the Unix epoch
) STRICT, WITHOUT ROWID;
