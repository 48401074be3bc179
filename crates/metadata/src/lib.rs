//! The engine's database: one SQLite file (WAL), numbered migrations, transactions.
//!
//! # Layout (`DATA_ROOT/engine.db`)
//! Each noun has a module here with its table's columns and functions over
//! [`rusqlite::Connection`]; services call them inside [`Database::write`] or
//! [`Database::read`], so that one change of several nouns is one transaction.
//!
//! # Invariants
//! - A write that was acknowledged survives `kill -9` of the engine (WAL). After a power loss the
//!   newest commits may be missing, but the file is never corrupt (`synchronous = NORMAL`), and
//!   content is synced before the row that names it, so that a row never names half a thing.
//! - One writer: writes go through one connection behind a mutex; reads have their own.
//! - Migrations are append-only files `migrations/NNNN_noun.sql`, applied in order, each in one
//!   transaction; a database of a newer build is refused, never changed.
//!
//! Events are the exception: see [`event_log`].

pub mod api_socket;
pub mod container;
mod database;
pub mod event_log;
pub mod image;
mod migration;
pub mod network;
pub mod volume;

pub use database::{Database, DatabaseError};
pub use rusqlite;
