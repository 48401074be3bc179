//! Keys that detach a client: `ctrl-p,ctrl-q`, `x,y,z`.

use crate::ApiError;

/// Parses a list of keys into the bytes a terminal sends for them; empty is `None`.
///
/// # Errors
/// 400 with Docker's text for anything but one character or `ctrl-` and one of `a-z@[\]^_`.
pub fn parse(text: &str) -> Result<Option<Vec<u8>>, ApiError> {
    parse_keys(text)
        .map_err(|()| ApiError::invalid(format!("Invalid detach keys ({text}) provided")))
}

/// [`parse`] for an exec, which has another text for the same mistake.
///
/// # Errors
/// As [`parse`].
pub fn parse_for_exec(text: &str) -> Result<Option<Vec<u8>>, ApiError> {
    parse_keys(text)
        .map_err(|()| ApiError::invalid(format!("Invalid escape keys ({text}) provided")))
}

fn parse_keys(text: &str) -> Result<Option<Vec<u8>>, ()> {
    if text.is_empty() {
        return Ok(None);
    }
    text.split(',').map(byte).collect::<Result<_, _>>().map(Some)
}

fn byte(key: &str) -> Result<u8, ()> {
    let control = key.strip_prefix("ctrl-").map(str::as_bytes);
    match (key.as_bytes(), control) {
        ([one], _) => Ok(*one),
        (_, Some([letter @ b'a'..=b'z'])) => Ok(letter - b'a' + 1),
        (_, Some(b"@")) => Ok(0),
        (_, Some([symbol @ b'['..=b'_'])) => Ok(symbol - b'@'),
        _ => Err(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_become_bytes() {
        assert_eq!(parse("").unwrap(), None);
        assert_eq!(parse("ctrl-p,ctrl-q").unwrap(), Some(vec![16, 17]));
        assert_eq!(parse("a,ctrl-@,ctrl-[,ctrl-_").unwrap(), Some(vec![b'a', 0, 27, 31]));
        assert!(parse("ctrl-").is_err());
        assert!(parse("ab").is_err());
        assert!(parse("a,,b").is_err());
    }
}
