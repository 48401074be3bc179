-- network: schema of the noun; see crates/metadata/src/network.rs.
CREATE TABLE network (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    driver     TEXT NOT NULL,             -- bridge | host | null
    subnet     TEXT,                      -- gateway address with prefix length
    created_at INTEGER NOT NULL           -- seconds since the epoch
) STRICT;

CREATE TABLE network_endpoint (
    id           TEXT PRIMARY KEY,
    network_id   TEXT NOT NULL REFERENCES network (id),
    container_id TEXT NOT NULL,
    name         TEXT NOT NULL,           -- the container's, for listings
    interface    TEXT NOT NULL,           -- in the container
    host_link    TEXT NOT NULL UNIQUE,    -- on the host
    address      TEXT NOT NULL,           -- with prefix length
    mac          TEXT NOT NULL,
    UNIQUE (network_id, container_id),
    UNIQUE (network_id, address)
) STRICT;

CREATE TABLE network_port (
    endpoint_id    TEXT NOT NULL REFERENCES network_endpoint (id) ON DELETE CASCADE,
    position       INTEGER NOT NULL,      -- order of the request
    protocol       TEXT NOT NULL,         -- tcp | udp
    container_port INTEGER NOT NULL,
    host_ip        TEXT NOT NULL,
    host_port      INTEGER NOT NULL,
    PRIMARY KEY (endpoint_id, position)
) STRICT, WITHOUT ROWID;
