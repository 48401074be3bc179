//! Says what is wrong with a text that is no JSON, in the words of Go's `encoding/json`: clients
//! and their tests know Docker's engine by them.
//!
//! Only used once a parser has refused the text; a bounded walk, no recursion.

/// Where the walk is inside a list or an object.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Nesting {
    List,
    Key,
    Value,
}

/// Deeper texts are refused by the parser before this module is asked.
const MAX_DEPTH: usize = 10_000;

/// Describes the first mistake in a text, or its early end.
#[must_use]
pub fn complaint(text: &[u8]) -> String {
    let mut scanner = Scanner { rest: text, nesting: Vec::new() };
    match scanner.walk() {
        Err(Mistake::Character(byte, context)) => {
            format!("invalid character {} {context}", quoted(byte))
        }
        Err(Mistake::Depth) => "exceeded max depth".to_owned(),
        // A text without a mistake was refused for something that Go has no word for.
        Err(Mistake::End) | Ok(()) => "unexpected EOF".to_owned(),
    }
}

enum Mistake {
    Character(u8, String),
    Depth,
    End,
}

struct Scanner<'a> {
    rest: &'a [u8],
    nesting: Vec<Nesting>,
}

impl Scanner<'_> {
    fn walk(&mut self) -> Result<(), Mistake> {
        self.value()?;
        while let Some(nesting) = self.nesting.last().copied() {
            self.after_value(nesting)?;
        }
        Ok(())
    }

    fn next(&mut self) -> Result<u8, Mistake> {
        let (first, rest) = self.rest.split_first().ok_or(Mistake::End)?;
        self.rest = rest;
        Ok(*first)
    }

    fn next_after_space(&mut self) -> Result<u8, Mistake> {
        self.rest = self.rest.trim_ascii_start();
        self.next()
    }

    fn open(&mut self, nesting: Nesting) -> Result<(), Mistake> {
        if self.nesting.len() >= MAX_DEPTH {
            return Err(Mistake::Depth);
        }
        self.nesting.push(nesting);
        Ok(())
    }

    /// One value, up to its end or to the first value inside it.
    fn value(&mut self) -> Result<(), Mistake> {
        loop {
            match self.next_after_space()? {
                b'{' => return self.first_key(),
                b'[' => {
                    self.open(Nesting::List)?;
                    self.rest = self.rest.trim_ascii_start();
                    if self.rest.first() == Some(&b']') {
                        self.next()?;
                        self.nesting.pop();
                        return Ok(());
                    }
                }
                b'"' => return self.string(),
                first @ (b'-' | b'0'..=b'9') => return self.number(first),
                b't' => return self.word("true"),
                b'f' => return self.word("false"),
                b'n' => return self.word("null"),
                byte => return Err(mistake(byte, "looking for beginning of value")),
            }
        }
    }

    fn first_key(&mut self) -> Result<(), Mistake> {
        self.open(Nesting::Key)?;
        match self.next_after_space()? {
            b'"' => self.string(),
            b'}' => {
                self.nesting.pop();
                Ok(())
            }
            byte => Err(mistake(byte, "looking for beginning of object key string")),
        }
    }

    fn after_value(&mut self, nesting: Nesting) -> Result<(), Mistake> {
        let byte = self.next_after_space()?;
        match (nesting, byte) {
            (Nesting::List, b',') => self.value(),
            (Nesting::Key, b':') => {
                self.nesting.pop();
                self.nesting.push(Nesting::Value);
                self.value()
            }
            (Nesting::Value, b',') => {
                self.nesting.pop();
                self.nesting.push(Nesting::Key);
                match self.next_after_space()? {
                    b'"' => self.string(),
                    byte => Err(mistake(byte, "looking for beginning of object key string")),
                }
            }
            (Nesting::List, b']') | (Nesting::Value, b'}') => {
                self.nesting.pop();
                Ok(())
            }
            (Nesting::List, byte) => Err(mistake(byte, "after array element")),
            (Nesting::Key, byte) => Err(mistake(byte, "after object key")),
            (Nesting::Value, byte) => Err(mistake(byte, "after object key:value pair")),
        }
    }

    fn string(&mut self) -> Result<(), Mistake> {
        loop {
            match self.next()? {
                b'"' => return Ok(()),
                b'\\' => self.escape()?,
                byte if byte < 0x20 => return Err(mistake(byte, "in string literal")),
                _ => {}
            }
        }
    }

    fn escape(&mut self) -> Result<(), Mistake> {
        match self.next()? {
            b'b' | b'f' | b'n' | b'r' | b't' | b'\\' | b'/' | b'"' => Ok(()),
            b'u' => {
                for _ in 0..4 {
                    let byte = self.next()?;
                    if !byte.is_ascii_hexdigit() {
                        return Err(mistake(byte, "in \\u hexadecimal character escape"));
                    }
                }
                Ok(())
            }
            byte => Err(mistake(byte, "in string escape code")),
        }
    }

    fn number(&mut self, first: u8) -> Result<(), Mistake> {
        let leading = if first == b'-' { self.next()? } else { first };
        match leading {
            b'0' => {}
            b'1'..=b'9' => self.digits(),
            byte => return Err(mistake(byte, "in numeric literal")),
        }
        if self.rest.first() == Some(&b'.') {
            self.next()?;
            self.some_digits("after decimal point in numeric literal")?;
        }
        if matches!(self.rest.first(), Some(b'e' | b'E')) {
            self.next()?;
            if matches!(self.rest.first(), Some(b'+' | b'-')) {
                self.next()?;
            }
            self.some_digits("in exponent of numeric literal")?;
        }
        Ok(())
    }

    fn some_digits(&mut self, context: &str) -> Result<(), Mistake> {
        let byte = self.next()?;
        if !byte.is_ascii_digit() {
            return Err(mistake(byte, context));
        }
        self.digits();
        Ok(())
    }

    fn digits(&mut self) {
        let count = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.rest = &self.rest[count..];
    }

    fn word(&mut self, word: &str) -> Result<(), Mistake> {
        for expected in word.bytes().skip(1) {
            let byte = self.next()?;
            if byte != expected {
                let context = format!("in literal {word} (expecting {})", quoted(expected));
                return Err(Mistake::Character(byte, context));
            }
        }
        Ok(())
    }
}

fn mistake(byte: u8, context: &str) -> Mistake {
    Mistake::Character(byte, context.to_owned())
}

/// A byte as Go quotes a character.
fn quoted(byte: u8) -> String {
    match byte {
        b'\'' => r"'\''".to_owned(),
        b'"' => "'\"'".to_owned(),
        b'\\' => r"'\\'".to_owned(),
        b'\n' => r"'\n'".to_owned(),
        b'\r' => r"'\r'".to_owned(),
        b'\t' => r"'\t'".to_owned(),
        0x07 => r"'\a'".to_owned(),
        0x08 => r"'\b'".to_owned(),
        0x0b => r"'\v'".to_owned(),
        0x0c => r"'\f'".to_owned(),
        0x00..=0x1f | 0x7f => format!(r"'\x{byte:02x}'"),
        0x80..=0xa0 | 0xad => format!(r"'\u00{byte:02x}'"),
        _ => format!("'{}'", char::from(byte)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_told_in_gos_words() {
        for (text, expected) in [
            ("{invalid json", "invalid character 'i' looking for beginning of object key string"),
            ("x", "invalid character 'x' looking for beginning of value"),
            ("[1 2]", "invalid character '2' after array element"),
            ("[1,]", "invalid character ']' looking for beginning of value"),
            (r#"{"a" 1}"#, "invalid character '1' after object key"),
            (r#"{"a":1 "b"}"#, "invalid character '\"' after object key:value pair"),
            (r#"{"a":1,}"#, "invalid character '}' looking for beginning of object key string"),
            ("{'a':1}", r"invalid character '\'' looking for beginning of object key string"),
            (r#"{"a":tru}"#, "invalid character '}' in literal true (expecting 'e')"),
            (r#""\x""#, "invalid character 'x' in string escape code"),
            (r#""\u00g0""#, r"invalid character 'g' in \u hexadecimal character escape"),
            ("\"a\nb\"", r"invalid character '\n' in string literal"),
            ("-x", "invalid character 'x' in numeric literal"),
            ("1.x", "invalid character 'x' after decimal point in numeric literal"),
            ("1ex", "invalid character 'x' in exponent of numeric literal"),
            (r#"{"a":[{"b":nil}]}"#, "invalid character 'i' in literal null (expecting 'u')"),
            (r#"{"a": "#, "unexpected EOF"),
            ("[", "unexpected EOF"),
        ] {
            assert_eq!(complaint(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        assert_eq!(complaint(&b"[".repeat(MAX_DEPTH + 1)), "exceeded max depth");
    }
}
