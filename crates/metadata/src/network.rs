//! Networks, the endpoints that containers have on them, and their published ports.
//!
//! A row is written *before* the kernel's objects are made and deleted *after* they are gone, so
//! that whatever exists in the kernel has a row to find it by after a crash. Addresses are text
//! here; the `network` service parses them.
//!
//! Layout: migrations/0004_network.sql.

use rusqlite::{Connection, Row, params};
use types::{ContainerId, EndpointId, NetworkId};

use crate::DatabaseError;

/// One network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkRow {
    /// Its id.
    pub id: NetworkId,
    /// Its name.
    pub name: String,
    /// `bridge`, `host` or `null`.
    pub driver: String,
    /// The gateway's address with prefix length.
    pub subnet: Option<String>,
    /// Seconds since the epoch.
    pub created_at: i64,
}

/// One container's connection to one network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointRow {
    /// Its id.
    pub id: EndpointId,
    /// The network.
    pub network_id: NetworkId,
    /// The container.
    pub container_id: ContainerId,
    /// The container's name when it was connected.
    pub name: String,
    /// The link in the container.
    pub interface: String,
    /// The link on the host.
    pub host_link: String,
    /// Address with prefix length.
    pub address: String,
    /// Ethernet address.
    pub mac: String,
    /// Published ports in the order of the request.
    pub ports: Vec<PortRow>,
}

/// One published port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortRow {
    /// `tcp` or `udp`.
    pub protocol: String,
    /// In the container.
    pub container_port: u16,
    /// The host's address.
    pub host_ip: String,
    /// On the host.
    pub host_port: u16,
}

/// Lists all networks by age.
///
/// # Errors
/// [`DatabaseError::Sqlite`].
pub fn networks(connection: &Connection) -> Result<Vec<NetworkRow>, DatabaseError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, name, driver, subnet, created_at FROM network ORDER BY created_at, rowid",
    )?;
    let rows = statement.query_map([], |row| {
        Ok(NetworkRow {
            id: parsed(row, 0)?,
            name: row.get(1)?,
            driver: row.get(2)?,
            subnet: row.get(3)?,
            created_at: row.get(4)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Writes a network, new or changed.
///
/// # Errors
/// [`DatabaseError::Sqlite`], also when the name is another network's.
pub fn put(connection: &Connection, network: &NetworkRow) -> Result<(), DatabaseError> {
    connection
        .prepare_cached(
            "INSERT INTO network (id, name, driver, subnet, created_at) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (id) DO UPDATE SET name = ?2, subnet = ?4",
        )?
        .execute(params![
            network.id.as_str(),
            network.name,
            network.driver,
            network.subnet,
            network.created_at
        ])?;
    Ok(())
}

/// Lists all endpoints with their ports.
///
/// # Errors
/// [`DatabaseError::Sqlite`].
pub fn endpoints(connection: &Connection) -> Result<Vec<EndpointRow>, DatabaseError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, network_id, container_id, name, interface, host_link, address, mac
         FROM network_endpoint ORDER BY rowid",
    )?;
    let rows = statement.query_map([], |row| {
        Ok(EndpointRow {
            id: parsed(row, 0)?,
            network_id: parsed(row, 1)?,
            container_id: parsed(row, 2)?,
            name: row.get(3)?,
            interface: row.get(4)?,
            host_link: row.get(5)?,
            address: row.get(6)?,
            mac: row.get(7)?,
            ports: Vec::new(),
        })
    })?;
    let mut endpoints = rows.collect::<Result<Vec<_>, _>>()?;
    for endpoint in &mut endpoints {
        endpoint.ports = ports(connection, &endpoint.id)?;
    }
    Ok(endpoints)
}

fn ports(connection: &Connection, endpoint: &EndpointId) -> Result<Vec<PortRow>, DatabaseError> {
    let mut statement = connection.prepare_cached(
        "SELECT protocol, container_port, host_ip, host_port FROM network_port
         WHERE endpoint_id = ?1 ORDER BY position",
    )?;
    let rows = statement.query_map([endpoint.as_str()], |row| {
        Ok(PortRow {
            protocol: row.get(0)?,
            container_port: row.get(1)?,
            host_ip: row.get(2)?,
            host_port: row.get(3)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Adds an endpoint and its ports.
///
/// # Errors
/// [`DatabaseError::Sqlite`], also when the container or the address is on the network already.
pub fn insert_endpoint(
    connection: &Connection,
    endpoint: &EndpointRow,
) -> Result<(), DatabaseError> {
    connection
        .prepare_cached(
            "INSERT INTO network_endpoint
             (id, network_id, container_id, name, interface, host_link, address, mac)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            endpoint.id.as_str(),
            endpoint.network_id.as_str(),
            endpoint.container_id.as_str(),
            endpoint.name,
            endpoint.interface,
            endpoint.host_link,
            endpoint.address,
            endpoint.mac
        ])?;
    let mut insert = connection.prepare_cached(
        "INSERT INTO network_port
         (endpoint_id, position, protocol, container_port, host_ip, host_port)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for (position, port) in endpoint.ports.iter().enumerate() {
        insert.execute(params![
            endpoint.id.as_str(),
            position as i64,
            port.protocol,
            port.container_port,
            port.host_ip,
            port.host_port
        ])?;
    }
    Ok(())
}

/// Deletes an endpoint and its ports; one that is not there is no error.
///
/// # Errors
/// [`DatabaseError::Sqlite`].
pub fn delete_endpoint(connection: &Connection, id: &EndpointId) -> Result<(), DatabaseError> {
    connection
        .prepare_cached("DELETE FROM network_endpoint WHERE id = ?1")?
        .execute([id.as_str()])?;
    Ok(())
}

/// Reads a text column as an id.
fn parsed<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T: std::str::FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    row.get::<_, String>(column)?.parse().map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(
            column,
            rusqlite::types::Type::Text,
            Box::new(error),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Database;

    #[test]
    fn an_endpoint_comes_back_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let db = Database::open(&dir.path().join("engine.db")).unwrap();
        let network = NetworkRow {
            id: NetworkId::random(),
            name: "bridge".into(),
            driver: "bridge".into(),
            subnet: Some("172.18.0.1/16".into()),
            created_at: 7,
        };
        let port = |number| PortRow {
            protocol: "tcp".into(),
            container_port: number,
            host_ip: "0.0.0.0".into(),
            host_port: 65535,
        };
        let endpoint = EndpointRow {
            id: EndpointId::random(),
            network_id: network.id.clone(),
            container_id: ContainerId::random(),
            name: "web".into(),
            interface: "eth0".into(),
            host_link: "gveth0".into(),
            address: "172.18.0.2/16".into(),
            mac: "02:42:ac:12:00:02".into(),
            ports: vec![port(443), port(80)],
        };
        db.write::<_, DatabaseError>(|tx| {
            put(tx, &network)?;
            insert_endpoint(tx, &endpoint)
        })
        .unwrap();
        // Neither the container nor the address can be there twice.
        let mut twin = EndpointRow { id: EndpointId::random(), ..endpoint.clone() };
        twin.host_link = "gveth1".into();
        assert!(db.write(|tx| insert_endpoint(tx, &twin)).is_err());
        assert_eq!(db.read(networks).unwrap(), [network]);
        assert_eq!(db.read(endpoints).unwrap(), std::slice::from_ref(&endpoint));
        db.write(|tx| delete_endpoint(tx, &endpoint.id)).unwrap();
        assert_eq!(db.read(endpoints).unwrap(), []);
    }
}
