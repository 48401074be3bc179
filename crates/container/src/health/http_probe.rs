//! `GET` over HTTP/1.1: healthy is a status from 200 to 399.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{endpoint::HttpTarget, output::Output, socket};
use crate::{Container, ContainerError};

/// The head of an answer; more is not read in search of its end.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// Asks once; exit code and what the server said.
pub(super) async fn run(
    container: &Container,
    target: &HttpTarget,
) -> Result<(i32, String), ContainerError> {
    let failed = |source| ContainerError::Probe { address: target.address.to_string(), source };
    let mut stream = socket::connect(container, target.address).await?;
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: gantry-health\r\nAccept: */*\r\nConnection: close\r\n\r\n",
        target.path, target.host
    );
    stream.write_all(request.as_bytes()).await.map_err(failed)?;
    let mut answer = Vec::new();
    let mut head = None;
    // A body that is cut off, or never ends, says no less of the server's health.
    while head.is_none() && answer.len() < MAX_HEAD_BYTES {
        if stream.read_buf(&mut answer).await.map_err(failed)? == 0 {
            break;
        }
        head = end_of_head(&answer);
    }
    let Some(status) = status(&answer) else {
        return Ok((1, "the answer is not HTTP".to_owned()));
    };
    let mut output = Output::default();
    output.add(status.line.as_bytes());
    output.add(b"\n");
    if let Some(end) = head {
        output.add(&answer[end..]);
    }
    Ok((i32::from(!(200..400).contains(&status.code)), output.text()))
}

struct StatusLine<'a> {
    code: u16,
    line: &'a str,
}

fn status(answer: &[u8]) -> Option<StatusLine<'_>> {
    let end = answer.iter().position(|byte| *byte == b'\n')?;
    let line = std::str::from_utf8(&answer[..end]).ok()?.trim_end();
    let mut words = line.split(' ');
    words.next().filter(|version| version.starts_with("HTTP/1."))?;
    let code = words.next()?.parse().ok()?;
    Some(StatusLine { code, line })
}

fn end_of_head(answer: &[u8]) -> Option<usize> {
    answer.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_lines() {
        let code = |text: &str| status(text.as_bytes()).map(|status| status.code);
        assert_eq!(code("HTTP/1.1 204 No Content\r\nA: b\r\n\r\n"), Some(204));
        assert_eq!(code("HTTP/1.0 503\n"), Some(503));
        for bad in ["", "HTTP/1.1 200", "SSH-2.0-x\r\n", "HTTP/1.1 x\r\n", "HTTP/2 200\r\n"] {
            assert_eq!(code(bad), None, "{bad}");
        }
        assert_eq!(end_of_head(b"a\r\n\r\nbody"), Some(5));
    }
}
