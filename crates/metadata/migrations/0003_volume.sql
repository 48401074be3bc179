-- volume: named and anonymous volumes of the local driver, and who uses them.
CREATE TABLE volume (
    name      TEXT PRIMARY KEY NOT NULL,
    driver    TEXT NOT NULL,
    created   INTEGER NOT NULL,                  -- nanoseconds since the Unix epoch
    anonymous INTEGER NOT NULL,                  -- 1: made by the engine for one container
    labels    TEXT NOT NULL,                     -- JSON object
    options   TEXT NOT NULL                      -- JSON object
) STRICT, WITHOUT ROWID;

CREATE TABLE volume_use (
    volume    TEXT NOT NULL REFERENCES volume (name),
    container TEXT NOT NULL,                     -- container id
    PRIMARY KEY (volume, container)
) STRICT, WITHOUT ROWID;
CREATE INDEX volume_use_container ON volume_use (container);
