//! `rm`.

use client::{Request, escape_path};

use super::each::together;
use crate::{grammar::Parsed, session::Session};

/// Runs the command.
pub async fn run(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    together(&flags.args, async |name| {
        let name = name.trim_matches('/');
        let request = Request::delete(format!("/containers/{}", escape_path(name)))
            .query_if("force", flags.flag("force"))
            .query_if("v", flags.flag("volumes"))
            .query_if("link", flags.flag("link"));
        match session.client.act(request).await {
            Err(error) if error.is_not_found() && flags.flag("force") => {
                crate::output::error_line(&error.to_string());
                Ok(String::new())
            }
            result => result.map(|()| name.to_owned()).map_err(Into::into),
        }
    })
    .await
}
