//! Indents JSON text without reading it into values, so that the engine's order and numbers stay.

/// Puts each member and element on its own line, four blanks per level.
#[must_use]
pub fn indent(json: &str) -> String {
    indent_with(json, "    ")
}

/// The same with another step per level.
#[must_use]
pub fn indent_with(json: &str, step: &str) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    let mut depth = 0usize;
    let mut chars = json.chars().peekable();
    let mut is_text = false;
    while let Some(c) = chars.next() {
        if is_text {
            out.push(c);
            match c {
                '\\' => out.extend(chars.next()),
                '"' => is_text = false,
                _ => {}
            }
            continue;
        }
        match c {
            '"' => {
                is_text = true;
                out.push(c);
            }
            '{' | '[' => {
                out.push(c);
                while chars.next_if(|next| next.is_ascii_whitespace()).is_some() {}
                if let Some(close) = chars.next_if(|next| matches!(next, '}' | ']')) {
                    out.push(close);
                } else {
                    depth += 1;
                    line(&mut out, depth, step);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth, step);
                out.push(c);
            }
            ',' => {
                out.push(c);
                line(&mut out, depth, step);
            }
            ':' => out.push_str(": "),
            c if c.is_ascii_whitespace() => {}
            c => out.push(c),
        }
    }
    out
}

fn line(out: &mut String, depth: usize, step: &str) {
    out.push('\n');
    for _ in 0..depth {
        out.push_str(step);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_empty_parts_are_left_alone() {
        assert_eq!(
            indent(r#"[{"b":1,"a":{ },"c":[],"d":"x,{\":}"}]"#),
            "[\n    {\n        \"b\": 1,\n        \"a\": {},\n        \"c\": [],\n        \"d\": \"x,{\\\":}\"\n    }\n]"
        );
    }
}
