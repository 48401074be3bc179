//! JSON strings exactly as Docker's json-file driver writes them.
//!
//! Go's habits: `<`, `>`, `&`, U+2028 and U+2029 are escaped, tab and other control characters
//! have no short form, DEL stands as it is, and each byte that is not part of valid UTF-8 becomes
//! `\ufffd`.

const HEX: &[u8; 16] = b"0123456789abcdef";

/// What a byte needs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Plain,
    Escaped,
    NonAscii,
}

const CLASSES: [Class; 256] = classes();

const fn classes() -> [Class; 256] {
    let mut table = [Class::Plain; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            0..=0x1f | b'"' | b'\\' | b'<' | b'>' | b'&' => Class::Escaped,
            0x80.. => Class::NonAscii,
            _ => Class::Plain,
        };
        byte += 1;
    }
    table
}

/// Appends `text` escaped, without the quotes.
pub fn escape(out: &mut Vec<u8>, text: &[u8]) {
    let mut rest = text;
    loop {
        let plain = rest.iter().position(|b| CLASSES[usize::from(*b)] != Class::Plain);
        let Some(length) = plain else {
            out.extend_from_slice(rest);
            return;
        };
        out.extend_from_slice(&rest[..length]);
        rest = &rest[length..];
        if CLASSES[usize::from(rest[0])] == Class::Escaped {
            escape_ascii(out, rest[0]);
            rest = &rest[1..];
        } else {
            // No UTF-8 sequence spans an ASCII byte, so a run can be judged alone.
            let end = rest.iter().position(u8::is_ascii).unwrap_or(rest.len());
            escape_run(out, &rest[..end]);
            rest = &rest[end..];
        }
    }
}

fn escape_ascii(out: &mut Vec<u8>, byte: u8) {
    match byte {
        b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        _ => {
            out.extend_from_slice(b"\\u00");
            out.push(HEX[usize::from(byte >> 4)]);
            out.push(HEX[usize::from(byte & 15)]);
        }
    }
}

fn escape_run(out: &mut Vec<u8>, run: &[u8]) {
    for chunk in run.utf8_chunks() {
        let mut valid = chunk.valid();
        while let Some(at) = valid.find(['\u{2028}', '\u{2029}']) {
            out.extend_from_slice(&valid.as_bytes()[..at]);
            let is_line = valid[at..].starts_with('\u{2028}');
            out.extend_from_slice(if is_line { b"\\u2028" } else { b"\\u2029" });
            valid = &valid[at + '\u{2028}'.len_utf8()..];
        }
        out.extend_from_slice(valid.as_bytes());
        for _ in chunk.invalid() {
            out.extend_from_slice(b"\\ufffd");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(text: &[u8]) -> String {
        let mut out = Vec::new();
        escape(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn escapes_what_go_escapes() {
        assert_eq!(escaped(b"plain text ~\x7f"), "plain text ~\x7f");
        assert_eq!(
            escaped(b"a\tb\rc\nd\x08\x0c\x1b[0m\0"),
            "a\\u0009b\\rc\\nd\\u0008\\u000c\\u001b[0m\\u0000"
        );
        assert_eq!(escaped(b"<a href=\"x\">&\\"), "\\u003ca href=\\\"x\\\"\\u003e\\u0026\\\\");
        assert_eq!(escaped("ä€😀".as_bytes()), "ä€😀");
        assert_eq!(escaped("x\u{2028}y\u{2029}".as_bytes()), "x\\u2028y\\u2029");
    }

    #[test]
    fn each_invalid_byte_becomes_a_replacement_character() {
        assert_eq!(escaped(b"a\xffb"), "a\\ufffdb");
        assert_eq!(escaped(b"\xe2\x82a"), "\\ufffd\\ufffda", "a truncated sequence");
        assert_eq!(escaped(b"\xed\xa0\x80"), "\\ufffd\\ufffd\\ufffd", "a surrogate");
        assert_eq!(escaped(b"\xc0\x80"), "\\ufffd\\ufffd", "an overlong form");
        assert_eq!(escaped(b"\xe2\x82\xac\xac"), "€\\ufffd");
    }

    #[test]
    fn the_result_is_json_for_every_byte() {
        let all: Vec<u8> = (0..=255).collect();
        let json = format!("\"{}\"", escaped(&all));
        let back: String = serde_json::from_str(&json).unwrap();
        assert_eq!(back, String::from_utf8_lossy(&all));
    }
}
