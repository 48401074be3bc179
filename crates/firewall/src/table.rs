//! The table as a whole and its elements.

use std::{fmt, str::FromStr};

use rustix::io::Errno;
use sys::netlink::{Message, Protocol as NetlinkProtocol, Socket, flag};

use crate::{
    FirewallError, Policy, Publication,
    batch::Batch,
    element::{self, Map, PER_MESSAGE, Part},
    ruleset,
    wire::{DELSETELEM, DELTABLE, GETSETELEM, NEWSETELEM, NEWTABLE, NFPROTO_IPV4, nfgenmsg, table},
};

/// A name for an nftables table that `nft` can print and read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableName(Box<str>);

impl TableName {
    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for TableName {
    type Err = FirewallError;

    fn from_str(text: &str) -> Result<Self, FirewallError> {
        let mut bytes = text.bytes();
        let is_valid = bytes.next().is_some_and(|b| b.is_ascii_alphabetic())
            && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
            && text.len() <= 64;
        if is_valid { Ok(Self(text.into())) } else { Err(FirewallError::Name(text.to_owned())) }
    }
}

/// The engine's table in the network namespace of the thread that opened it.
#[derive(Debug)]
pub struct Table {
    socket: Socket,
    name: TableName,
}

impl Table {
    /// Prepares to work on the table `name`; changes nothing yet.
    ///
    /// # Errors
    /// [`FirewallError::Open`].
    pub fn open(name: TableName) -> Result<Self, FirewallError> {
        let socket = Socket::open(NetlinkProtocol::Netfilter).map_err(FirewallError::Open)?;
        Ok(Self { socket, name })
    }

    /// Returns its name.
    #[must_use]
    pub fn name(&self) -> &TableName {
        &self.name
    }

    /// Makes the table what `policy` says, with exactly `publications`, in one transaction; what
    /// it was before does not matter.
    ///
    /// # Errors
    /// [`FirewallError::Change`]; the table is then as it was.
    pub fn replace(
        &mut self,
        policy: &Policy,
        publications: &[Publication],
    ) -> Result<(), FirewallError> {
        let mut batch = Batch::new();
        // Made first so that there is something to delete.
        self.write_table(&mut batch, NEWTABLE, flag::CREATE);
        self.write_table(&mut batch, DELTABLE, 0);
        self.write_table(&mut batch, NEWTABLE, flag::CREATE);
        ruleset::write(&mut batch, self.name.as_str(), policy);
        self.write_elements(&mut batch, NEWSETELEM, flag::CREATE, (publications, Part::Whole));
        self.commit(batch, "write the ruleset")
    }

    /// Adds published ports, all or none; one that is there with the same target is no error.
    ///
    /// # Errors
    /// [`FirewallError::Change`]: `EXIST` when one is there with another target.
    pub fn publish(&mut self, publications: &[Publication]) -> Result<(), FirewallError> {
        if publications.is_empty() {
            return Ok(());
        }
        let mut batch = Batch::new();
        self.write_elements(&mut batch, NEWSETELEM, flag::CREATE, (publications, Part::Whole));
        self.commit(batch, "publish ports")
    }

    /// Removes published ports, all or none.
    ///
    /// # Errors
    /// [`FirewallError::Change`]; [`FirewallError::is_missing`] when one is not there.
    pub fn withdraw(&mut self, publications: &[Publication]) -> Result<(), FirewallError> {
        if publications.is_empty() {
            return Ok(());
        }
        let mut batch = Batch::new();
        self.write_elements(&mut batch, DELSETELEM, 0, (publications, Part::Key));
        self.commit(batch, "withdraw ports")
    }

    /// Lists the published ports that are in force.
    ///
    /// # Errors
    /// [`FirewallError::List`]; [`FirewallError::is_missing`] when the table is not there.
    pub fn published(&mut self) -> Result<Vec<Publication>, FirewallError> {
        let mut found = Vec::new();
        for map in Map::ALL {
            let mut message = Message::new(GETSETELEM, 0, &nfgenmsg(NFPROTO_IPV4));
            message
                .put_text(crate::wire::element::LIST_TABLE, self.name.as_str())
                .put_text(crate::wire::element::LIST_SET, map.name());
            let replies = self
                .socket
                .dump(message)
                .map_err(|source| FirewallError::List { table: self.name.0.clone(), source })?;
            found.extend(replies.iter().flat_map(|reply| element::read(&reply.body, map)));
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Removes the table; one that is not there is no error.
    ///
    /// # Errors
    /// [`FirewallError::Change`].
    pub fn delete(&mut self) -> Result<(), FirewallError> {
        let mut batch = Batch::new();
        self.write_table(&mut batch, DELTABLE, 0);
        match self.commit(batch, "delete everything") {
            Err(FirewallError::Change { source, .. }) if source.errno() == Some(Errno::NOENT) => {
                Ok(())
            }
            other => other,
        }
    }

    fn write_table(&self, batch: &mut Batch, kind: u16, flags: u16) {
        batch.add(kind, flags, |message| {
            message.put_text(table::NAME, self.name.as_str());
            if kind == NEWTABLE {
                message.put_be32(table::FLAGS, 0);
            }
        });
    }

    fn write_elements(
        &self,
        batch: &mut Batch,
        kind: u16,
        flags: u16,
        (publications, part): (&[Publication], Part),
    ) {
        for map in Map::ALL {
            let members: Vec<_> =
                publications.iter().copied().filter(|each| Map::of(each) == map).collect();
            for chunk in members.chunks(PER_MESSAGE) {
                batch.add(kind, flags, |message| {
                    element::write(message, self.name.as_str(), map, (chunk, part));
                });
            }
        }
    }

    fn commit(&mut self, batch: Batch, operation: &'static str) -> Result<(), FirewallError> {
        batch.commit(&mut self.socket).map_err(|source| FirewallError::Change {
            operation,
            table: self.name.0.clone(),
            source,
        })
    }
}
