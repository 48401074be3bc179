//! `--mount type=..,source=..,target=..`: one comma-separated record per mount.

use engine_api::mount::Mount;

use crate::grammar::parse_memory;

/// The fields of one comma-separated record; a field may be quoted.
///
/// # Errors
/// For a quote that is not closed or stands within a field.
pub fn csv_fields(text: &str) -> Result<Vec<String>, String> {
    let mut fields = Vec::new();
    let mut chars = text.trim_end_matches('\n').chars().peekable();
    loop {
        let mut field = String::new();
        if chars.next_if_eq(&'"').is_some() {
            loop {
                match chars.next() {
                    Some('"') if chars.next_if_eq(&'"').is_some() => field.push('"'),
                    Some('"') => break,
                    Some(c) => field.push(c),
                    None => {
                        return Err(
                            "parse error on line 1: extraneous or missing \" in quoted-field"
                                .to_owned(),
                        );
                    }
                }
            }
        } else {
            while let Some(c) = chars.next_if(|c| *c != ',') {
                if c == '"' {
                    return Err("parse error on line 1: bare \" in non-quoted-field".to_owned());
                }
                field.push(c);
            }
        }
        fields.push(field);
        match chars.next() {
            Some(',') => {}
            None => return Ok(fields),
            Some(_) => {
                return Err(
                    "parse error on line 1: extraneous or missing \" in quoted-field".to_owned()
                );
            }
        }
    }
}

fn boolean(key: &str, value: &str) -> Result<bool, String> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(format!("invalid value for {key}: {value}")),
    }
}

/// Reads one mount.
///
/// # Errors
/// In docker's words.
pub fn parse(text: &str) -> Result<Mount, String> {
    let mut mount = Mount { kind: "volume".to_owned(), ..Mount::default() };
    for field in csv_fields(text)? {
        let (key, value) = match field.split_once('=') {
            Some((key, value)) => (key.to_lowercase(), Some(value)),
            None => (field.to_lowercase(), None),
        };
        match (key.as_str(), value) {
            (
                "readonly" | "ro" | "volume-nocopy" | "bind-nonrecursive" | "bind-create-src",
                None,
            ) => {
                set(&mut mount, &key, "true", &field)?;
            }
            (_, None) => return Err(format!("invalid field '{field}' must be a key=value pair")),
            (_, Some(value)) => set(&mut mount, &key, value, &field)?,
        }
    }
    check(&mut mount)?;
    Ok(mount)
}

fn set(mount: &mut Mount, key: &str, value: &str, field: &str) -> Result<(), String> {
    match key {
        "type" => mount.kind = value.to_lowercase(),
        "source" | "src" => mount.source = absolute(value),
        "target" | "dst" | "destination" => mount.target = value.to_owned(),
        "readonly" | "ro" => mount.read_only = boolean(key, value)?,
        "consistency" => mount.consistency = value.to_lowercase(),
        _ if key.starts_with("bind-") => set_bind(mount, key, value, field)?,
        _ if key.starts_with("volume-") => set_volume(mount, key, value, field)?,
        "image-subpath" => {
            mount.image_options.get_or_insert_default().subpath = value.to_owned();
        }
        "tmpfs-size" => {
            mount.tmpfs_options.get_or_insert_default().size_bytes =
                parse_memory(value).map_err(|_| format!("invalid value for {key}: {value}"))?;
        }
        "tmpfs-mode" => {
            mount.tmpfs_options.get_or_insert_default().mode = u32::from_str_radix(value, 8)
                .map_err(|_| format!("invalid value for {key}: {value}"))?;
        }
        _ => return Err(format!("unexpected key '{key}' in '{field}'")),
    }
    Ok(())
}

/// A source that starts with `.` is relative to where the command runs.
fn absolute(source: &str) -> String {
    if source == "." || source.starts_with("./") || source == ".." || source.starts_with("../") {
        return super::volume::make_absolute(source);
    }
    source.to_owned()
}

fn set_bind(mount: &mut Mount, key: &str, value: &str, field: &str) -> Result<(), String> {
    let options = mount.bind_options.get_or_insert_default();
    match key {
        "bind-propagation" => options.propagation = value.to_lowercase(),
        "bind-nonrecursive" => options.non_recursive = boolean(key, value)?,
        "bind-create-src" => options.create_mountpoint = boolean(key, value)?,
        "bind-recursive" => match value {
            "enabled" => {}
            "disabled" => options.non_recursive = true,
            "writable" => options.read_only_non_recursive = true,
            "readonly" => options.read_only_force_recursive = true,
            _ => {
                return Err(format!(
                    "invalid value for {key}: {value} (must be \"enabled\", \"disabled\", \"writable\", or \"readonly\")"
                ));
            }
        },
        _ => return Err(format!("unexpected key '{key}' in '{field}'")),
    }
    Ok(())
}

fn set_volume(mount: &mut Mount, key: &str, value: &str, field: &str) -> Result<(), String> {
    let options = mount.volume_options.get_or_insert_default();
    options.driver_config.get_or_insert_default();
    let pair = || {
        let (name, value) = value.split_once('=').unwrap_or((value, ""));
        (name.to_owned(), value.to_owned())
    };
    match key {
        "volume-subpath" => options.subpath = value.to_owned(),
        "volume-nocopy" => {
            options.no_copy = boolean(key, value)
                .map_err(|_| format!("invalid value for volume-nocopy: {value}"))?;
        }
        "volume-label" => options.labels.extend([pair()]),
        "volume-driver" => options.driver_config.get_or_insert_default().name = value.to_owned(),
        "volume-opt" => {
            options.driver_config.get_or_insert_default().options.extend([pair()]);
        }
        _ => return Err(format!("unexpected key '{key}' in '{field}'")),
    }
    Ok(())
}

fn check(mount: &mut Mount) -> Result<(), String> {
    let kind = mount.kind.as_str();
    let mixed =
        |options: &str| Err(format!("cannot mix '{options}-*' options with mount type '{kind}'"));
    if kind.is_empty() {
        return Err("type is required".to_owned());
    }
    if mount.target.is_empty() {
        return Err("target is required".to_owned());
    }
    if mount.volume_options.is_some() && kind != "volume" {
        return mixed("volume");
    }
    if mount.image_options.is_some() && kind != "image" {
        return mixed("image");
    }
    if mount.bind_options.is_some() && kind != "bind" {
        return mixed("bind");
    }
    if mount.tmpfs_options.is_some() && kind != "tmpfs" {
        return mixed("tmpfs");
    }
    let read_only = mount.read_only;
    match &mount.bind_options {
        Some(o) if o.read_only_non_recursive && !read_only => {
            Err("option 'bind-recursive=writable' requires 'readonly' to be specified in conjunction".to_owned())
        }
        Some(o) if o.read_only_force_recursive && !read_only => {
            Err("option 'bind-recursive=readonly' requires 'readonly' to be specified in conjunction".to_owned())
        }
        Some(o) if o.read_only_force_recursive && o.propagation != "rprivate" => {
            Err("option 'bind-recursive=readonly' requires 'bind-propagation=rprivate' to be specified in conjunction".to_owned())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_become_documents() {
        let mount = parse("type=bind,src=/a,dst=/b,readonly,bind-propagation=rslave").unwrap();
        assert_eq!(
            serde_json::to_string(&mount).unwrap(),
            r#"{"Type":"bind","Source":"/a","Target":"/b","ReadOnly":true,"BindOptions":{"Propagation":"rslave"}}"#
        );
        let mount = parse("source=v,target=/d,volume-label=a=b,\"volume-opt=o=x,y\"").unwrap();
        let options = mount.volume_options.unwrap();
        assert_eq!(options.driver_config.unwrap().options["o"], "x,y");
        assert_eq!(
            parse("type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=1770")
                .unwrap()
                .tmpfs_options
                .unwrap()
                .mode,
            0o1770
        );
    }

    #[test]
    fn bad_records_are_refused_in_dockers_words() {
        for (text, error) in [
            ("x", "invalid field 'x' must be a key=value pair"),
            ("type=bind,src=/x", "target is required"),
            ("type=bind,src=/x,dst=/y,foo=1", "unexpected key 'foo' in 'foo=1'"),
            ("type=tmpfs,dst=/x,tmpfs-size=y", "invalid value for tmpfs-size: y"),
            (
                "type=tmpfs,dst=/x,volume-nocopy",
                "cannot mix 'volume-*' options with mount type 'tmpfs'",
            ),
        ] {
            assert_eq!(parse(text).unwrap_err(), error, "{text}");
        }
    }
}
