//! The hub over HTTP: the token endpoint, accounts, search, health, and the registry below `/v2`
//! with the hub as its guard; and the server that carries it.
//!
//! Translates and never decides: what a caller may do is `hub`'s matter.
//!
//! | path | what |
//! |---|---|
//! | `/v2/...` | the registry (`registry-http`) |
//! | `GET, POST /token` | bearer tokens (distribution's token and OAuth2 specifications) |
//! | `GET /v1/search` | search, as `docker search` asks it |
//! | `POST /v1/users` | sign-up: `{"name": ..., "password": ...}` |
//! | `GET /healthz`, `/readyz` | alive; able to serve |

mod answer;
mod app;
mod credentials;
mod guard;
mod health;
mod origin;
mod search;
mod server;
mod stall;
mod token;
mod users;

pub use app::{App, router};
pub use origin::{PublicUrl, PublicUrlError};
pub use server::{Server, ServerError, Stop};
