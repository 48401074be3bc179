//! What every [`Snapshotter`] does, as a test to be run by each implementation.
