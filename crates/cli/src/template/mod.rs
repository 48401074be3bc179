//! `--format`: Go templates, their functions, tables and the columns below headings.

mod engine;
mod functions;
mod indent;
mod listing;
mod tabwriter;

pub use engine::{check_template, escape_html, render_document, render_raw, render_value};
pub use indent::{indent, indent_with};
pub use listing::{Column, Listing, Row};
pub use tabwriter::align_with;
