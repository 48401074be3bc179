//! `-v [SOURCE:]TARGET[:OPTIONS]`: either a bind (with a source) or an anonymous volume.

/// What one `-v` comes to.
#[derive(Debug, PartialEq, Eq)]
pub enum Volume {
    /// An entry of `Binds`.
    Bind(String),
    /// An entry of `Volumes`.
    Anonymous(String),
}

/// A relative path as seen from the current directory.
#[must_use]
pub fn make_absolute(path: &str) -> String {
    let base = std::env::current_dir().unwrap_or_default();
    let mut parts: Vec<&str> = Vec::new();
    let joined = base.join(path);
    let text = joined.to_string_lossy().into_owned();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

fn is_relative(source: &str) -> bool {
    source == "." || source == ".." || source.starts_with("./") || source.starts_with("../")
}

/// Reads one `-v`.
///
/// # Errors
/// In docker's words.
pub fn parse(text: &str) -> Result<Volume, String> {
    if text.is_empty() {
        return Err("invalid empty volume spec".to_owned());
    }
    let parts: Vec<&str> = text.split(':').collect();
    // Two or fewer characters cannot hold a source: docker takes them as one path.
    if parts.len() == 1 || text.chars().count() <= 2 {
        return Ok(Volume::Anonymous(text.to_owned()));
    }
    if parts.iter().any(|part| part.is_empty()) {
        return Err(format!("invalid spec: {text}: empty section between colons"));
    }
    if parts.len() > 3 {
        return Err(format!("invalid spec: {text}: too many colons"));
    }
    if is_relative(parts[0]) {
        let rest = parts[1..].join(":");
        return Ok(Volume::Bind(format!("{}:{rest}", make_absolute(parts[0]))));
    }
    Ok(Volume::Bind(text.to_owned()))
}

/// The path and options of one `--tmpfs`.
#[must_use]
pub fn tmpfs(text: &str) -> (String, String) {
    let (path, options) = text.split_once(':').unwrap_or((text, ""));
    (path.to_owned(), options.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binds_and_anonymous_volumes() {
        assert_eq!(parse("/a:/b:ro").unwrap(), Volume::Bind("/a:/b:ro".into()));
        assert_eq!(parse("/a").unwrap(), Volume::Anonymous("/a".into()));
        assert_eq!(parse(":").unwrap(), Volume::Anonymous(":".into()));
        let Volume::Bind(bind) = parse("./rel/../x:/x").unwrap() else { panic!("anonymous") };
        assert!(bind.starts_with('/') && bind.ends_with("/x:/x") && !bind.contains(".."));
        assert_eq!(parse("/a:/b:/c:/d").unwrap_err(), "invalid spec: /a:/b:/c:/d: too many colons");
        assert!(parse("/a:").unwrap_err().ends_with("empty section between colons"));
    }
}
