//! The `tag` option: text, or a Go template over the container.
//!
//! Fields are those of Docker's `logger.Info`, and the functions those of its templates.

use std::{collections::HashMap, iter::repeat_n};

use container_log::sink::Subject;
use gtmpl_ng::{Context, Func, FuncError, Template, Value};

use super::subject::SHORT_ID;

const FUNCTIONS: [(&str, Func); 8] = [
    ("json", json),
    ("split", split),
    ("join", join),
    ("title", title),
    ("lower", lower),
    ("upper", upper),
    ("pad", pad),
    ("truncate", truncate),
];

/// Evaluates a tag.
pub(super) fn evaluate(template: &str, subject: &Subject) -> Result<String, String> {
    if !template.contains("{{") {
        return Ok(template.to_owned());
    }
    // A method with an argument that means "as they are" is a field here.
    let text = template.replace(".ExtraAttributes nil", ".ExtraAttributes");
    let failed = |error: String| format!("template: log-tag: {error}");
    let mut parsed = Template::default();
    parsed.add_funcs(&FUNCTIONS);
    parsed.parse(text).map_err(|error| failed(error.to_string()))?;
    parsed.render(&Context::from(fields(subject))).map_err(|error| failed(error.to_string()))
}

fn fields(subject: &Subject) -> Value {
    let short =
        |id: &str| -> String { id.trim_start_matches("sha256:").chars().take(SHORT_ID).collect() };
    let hostname = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let texts = [
        ("ID", short(&subject.id)),
        ("FullID", subject.id.clone()),
        ("Name", subject.name.clone()),
        ("Command", subject.command.clone()),
        ("ImageID", short(&subject.image_id)),
        ("ImageFullID", subject.image_id.clone()),
        ("ImageName", subject.image_name.clone()),
        ("Hostname", hostname),
        ("DaemonName", "docker".to_owned()),
        ("ContainerID", subject.id.clone()),
        ("ContainerName", format!("/{}", subject.name)),
        ("ContainerImageID", subject.image_id.clone()),
        ("ContainerImageName", subject.image_name.clone()),
        ("ContainerCreated", subject.created.clone()),
    ];
    let mut fields: HashMap<String, Value> =
        texts.into_iter().map(|(name, text)| (name.to_owned(), Value::String(text))).collect();
    let attributes = subject.attributes.iter();
    let attributes: HashMap<String, Value> =
        attributes.map(|(name, value)| (name.clone(), Value::String(value.clone()))).collect();
    fields.insert("ExtraAttributes".to_owned(), Value::Object(attributes));
    Value::Object(fields)
}

fn text(args: &[Value], at: usize, function: &str) -> Result<String, FuncError> {
    match args.get(at) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(other) => Ok(other.to_string()),
        None => Err(FuncError::AtLeastXArgs(function.to_owned(), at + 1)),
    }
}

fn number(args: &[Value], at: usize, function: &str) -> Result<usize, FuncError> {
    const MAX: usize = 4096;
    let text = text(args, at, function)?;
    let number = text.parse().ok().filter(|number| *number <= MAX);
    number.ok_or_else(|| FuncError::Generic(format!("{function}: {text:?} is not a length")))
}

fn json(args: &[Value]) -> Result<Value, FuncError> {
    let text = text(args, 0, "json")?;
    serde_json::to_string(&text)
        .map(Value::String)
        .map_err(|error| FuncError::Generic(format!("json: {error}")))
}

fn split(args: &[Value]) -> Result<Value, FuncError> {
    let (whole, separator) = (text(args, 0, "split")?, text(args, 1, "split")?);
    Ok(Value::Array(whole.split(separator.as_str()).map(Value::from).collect()))
}

fn join(args: &[Value]) -> Result<Value, FuncError> {
    let separator = text(args, 1, "join")?;
    match args.first() {
        Some(Value::Array(items)) => {
            let items: Vec<_> = items.iter().map(ToString::to_string).collect();
            Ok(Value::String(items.join(&separator)))
        }
        _ => Err(FuncError::Generic("join: the first argument is not a list".to_owned())),
    }
}

fn title(args: &[Value]) -> Result<Value, FuncError> {
    let mut is_start = true;
    let text = text(args, 0, "title")?;
    let titled = text.chars().map(|c| {
        let upper = if is_start { c.to_ascii_uppercase() } else { c };
        is_start = !c.is_alphanumeric() && c != '_' && c != '\'';
        upper
    });
    Ok(Value::String(titled.collect()))
}

fn lower(args: &[Value]) -> Result<Value, FuncError> {
    Ok(Value::String(text(args, 0, "lower")?.to_lowercase()))
}

fn upper(args: &[Value]) -> Result<Value, FuncError> {
    Ok(Value::String(text(args, 0, "upper")?.to_uppercase()))
}

fn pad(args: &[Value]) -> Result<Value, FuncError> {
    let text = text(args, 0, "pad")?;
    let (before, after) = (number(args, 1, "pad")?, number(args, 2, "pad")?);
    if text.is_empty() {
        return Ok(Value::String(text));
    }
    let padded = repeat_n(' ', before).chain(text.chars()).chain(repeat_n(' ', after));
    Ok(Value::String(padded.collect()))
}

fn truncate(args: &[Value]) -> Result<Value, FuncError> {
    let (text, length) = (text(args, 0, "truncate")?, number(args, 1, "truncate")?);
    Ok(Value::String(text.chars().take(length).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(template: &str) -> Result<String, String> {
        let subject = Subject {
            id: "0123456789abcdef".repeat(4),
            name: "web".into(),
            image_id: format!("sha256:{}", "ab".repeat(32)),
            image_name: "busybox".into(),
            command: "/bin/sh -c true".into(),
            attributes: [("app".to_owned(), "shop".to_owned())].into(),
            ..Subject::default()
        };
        evaluate(template, &subject)
    }

    #[test]
    fn fields_and_functions() {
        assert_eq!(tag("plain").unwrap(), "plain");
        assert_eq!(tag("{{.ID}}").unwrap(), "0123456789ab");
        assert_eq!(
            tag("{{.ImageName}}/{{.Name}}/{{.ImageID}}").unwrap(),
            "busybox/web/abababababab"
        );
        assert_eq!(tag("{{upper .Name}}-{{truncate .FullID 3}}").unwrap(), "WEB-012");
        assert_eq!(tag("{{(.ExtraAttributes nil).app}}").unwrap(), "shop");
        assert_eq!(tag("{{.Command}}").unwrap(), "/bin/sh -c true");
    }

    #[test]
    fn mistakes_are_errors() {
        for template in ["{{.Nope}}", "{{", "{{nope .ID}}"] {
            assert!(tag(template).unwrap_err().starts_with("template: log-tag:"), "{template}");
        }
    }
}
