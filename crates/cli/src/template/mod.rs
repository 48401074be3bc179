//! `--format`: Go templates, their functions, tables and the columns below headings.

mod engine;
mod functions;
mod indent;
mod listing;
mod tabwriter;

pub use engine::render_document;
pub use indent::indent;
pub use listing::{Column, Listing, Row};
pub use tabwriter::align;
