//! The networks that are always there: `bridge`, `host`, `none`.

use std::time::{SystemTime, UNIX_EPOCH};

use metadata::{Database, DatabaseError, network::NetworkRow};
use netdev::Subnet;
use types::NetworkId;

use crate::{Driver, NetworkError};

/// A network that this build knows how to show.
#[derive(Debug, Clone)]
pub(crate) struct Network {
    pub(crate) id: NetworkId,
    pub(crate) name: String,
    pub(crate) driver: Driver,
    pub(crate) created_at: i64,
}

const PREDEFINED: [(&str, Driver); 3] =
    [("bridge", Driver::Bridge), ("host", Driver::Host), ("none", Driver::Null)];

/// Reads the predefined networks, and makes those that the database lacks. The bridge's row keeps
/// its `subnet`.
pub(crate) fn ensure(database: &Database, subnet: Subnet) -> Result<Vec<Network>, NetworkError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |age| age.as_secs());
    database.write(|transaction| {
        let rows = metadata::network::networks(transaction)?;
        PREDEFINED
            .iter()
            .map(|&(name, driver)| {
                let row = rows.iter().find(|row| row.name == name).cloned();
                let mut row = row.unwrap_or_else(|| NetworkRow {
                    id: NetworkId::random(),
                    name: name.to_owned(),
                    driver: driver.as_str().to_owned(),
                    subnet: None,
                    created_at: i64::try_from(now).unwrap_or(i64::MAX),
                });
                row.subnet = (driver == Driver::Bridge).then(|| subnet.to_string());
                metadata::network::put(transaction, &row)?;
                Ok(Network { id: row.id, name: row.name, driver, created_at: row.created_at })
            })
            .collect()
    })
}

/// Returns the subnet that the default bridge had when the engine last ran.
pub(crate) fn stored_subnet(database: &Database) -> Result<Option<Subnet>, NetworkError> {
    let rows = database.read::<_, DatabaseError>(metadata::network::networks)?;
    rows.iter()
        .find(|row| row.name == "bridge")
        .and_then(|row| row.subnet.as_deref())
        .map(|text| crate::endpoint::parse("subnet", text))
        .transpose()
}
