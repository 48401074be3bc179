//! `events` and `system dial-stdio`.

use bytes::BytesMut;
use client::Request;
use engine_api::event::EventMessage;
use tokio::io::{AsyncWriteExt, copy};

use super::time_flag::timestamp;
use crate::{
    filters, grammar::Parsed, human, output, output::Direct, session::Session, template::render_raw,
};

/// `events`.
pub async fn events(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let request = Request::get("/events")
        .query_unless_empty("since", &timestamp(flags.text("since"))?)
        .query_unless_empty("until", &timestamp(flags.text("until"))?)
        .query_unless_empty("filters", &filters::json(flags));
    let mut answer = session.client.send(request).await?;
    let mut pending = BytesMut::new();
    let format = flags.text("format");
    while let Some(values) =
        answer.documents::<Box<serde_json::value::RawValue>>(&mut pending).await?
    {
        for value in values {
            let text = match format {
                "" => event_line(&engine_api::from_slice(value.get().as_bytes())?),
                format => render_raw(format, value.get())?,
            };
            output::line(&text)?;
        }
    }
    Ok(0)
}

fn event_line(event: &EventMessage) -> String {
    let nanoseconds = match event.time_nano {
        0 => event.time.saturating_mul(1_000_000_000),
        nanoseconds => nanoseconds,
    };
    let time = human::local_rfc3339_nanoseconds(nanoseconds);
    let attributes: Vec<_> =
        event.actor.attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut line = format!("{time} {} {} {}", event.kind, event.action, event.actor.id);
    if !attributes.is_empty() {
        line.push_str(&format!(" ({})", attributes.join(", ")));
    }
    line
}

/// `system dial-stdio`: the far end of `ssh://`.
pub async fn dial_stdio(session: &Session) -> anyhow::Result<u8> {
    let (mut from, mut to) = tokio::io::split(session.client.dial().await?);
    let mut input = tokio::io::stdin();
    let mut output = Direct(std::io::stdout());
    let send = async {
        copy(&mut input, &mut to).await?;
        to.shutdown().await
    };
    let receive = async {
        // By hand, because every part must go on at once: `copy` flushes only when it must wait.
        let mut buffer = vec![0u8; 64 * 1024];
        loop {
            match tokio::io::AsyncReadExt::read(&mut from, &mut buffer).await? {
                0 => return std::io::Result::Ok(()),
                got => {
                    output.write_all(&buffer[..got]).await?;
                    output.flush().await?;
                }
            }
        }
    };
    tokio::pin!(send, receive);
    // The engine's end is the end; ours only says that no more requests come.
    tokio::select! {
        biased;
        result = &mut receive => result?,
        result = &mut send => {
            result?;
            receive.await?;
        }
    }
    Ok(0)
}
