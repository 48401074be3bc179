//! Runs a template over a document.

use std::collections::HashMap;

use gtmpl_ng::{Context, Template, Value};
use serde_json::Value as Json;

use super::functions;

/// A template that cannot be read or run.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// Its text is wrong.
    #[error("template parsing error: {0}")]
    Parse(String),
    /// It asks for something that is not there.
    #[error("{0}")]
    Execute(String),
}

/// A template that has been read.
pub(super) struct Compiled(Template);

impl Compiled {
    /// Reads `text`, in which `\t` and `\n` may be written out.
    pub(super) fn new(text: &str) -> Result<Self, TemplateError> {
        let text = text.replace("\\t", "\t").replace("\\n", "\n");
        // Methods that take an argument are not fields: `.Label "x"` becomes a call.
        let text = text.replace(".Label ", "label ._labels ");
        let mut template = Template::default();
        template.add_funcs(&functions::ALL);
        template.parse(text).map_err(|e| TemplateError::Parse(gos_words(&e.to_string())))?;
        Ok(Self(template))
    }

    /// Runs it over `value`.
    pub(super) fn render(&self, value: Value) -> Result<String, TemplateError> {
        self.0
            .render(&Context::from(value))
            .map_err(|e| TemplateError::Execute(gos_words(&e.to_string())))
    }
}

/// Runs `template` over a whole document, as `inspect --format` does.
///
/// # Errors
/// [`TemplateError`].
pub fn render_document(template: &str, document: &Json) -> Result<String, TemplateError> {
    let template = match template.trim() {
        "json" => "{{json .}}",
        _ => template,
    };
    Compiled::new(template)?.render(of_json(document))
}

/// Runs `template` over a value.
///
/// # Errors
/// [`TemplateError`].
pub fn render_value(template: &str, value: Value) -> Result<String, TemplateError> {
    Compiled::new(template)?.render(value)
}

/// Keys whose value is a map by arbitrary names: there a name that is missing is no mistake.
const MAPS: [&str; 16] = [
    "Labels",
    "Networks",
    "Ports",
    "Options",
    "Volumes",
    "ExposedPorts",
    "Annotations",
    "Tmpfs",
    "Sysctls",
    "StorageOpt",
    "PortBindings",
    "DriverOpts",
    "Containers",
    "Data",
    "Details",
    "Endpoints",
];

pub(super) fn of_json(json: &Json) -> Value {
    let is_map = false;
    convert(json, is_map)
}

fn convert(json: &Json, is_map: bool) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(flag) => Value::Bool(*flag),
        Json::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(n), ..) => Value::from(n),
            (None, Some(n), _) => Value::from(n),
            (None, None, n) => Value::from(n.unwrap_or(0.0)),
        },
        Json::String(text) => Value::String(text.clone()),
        Json::Array(items) => Value::Array(items.iter().map(|item| convert(item, false)).collect()),
        Json::Object(fields) => {
            let fields: HashMap<_, _> = fields
                .iter()
                .map(|(key, value)| {
                    let is_map = MAPS.contains(&key.as_str());
                    (key.clone(), convert(value, is_map))
                })
                .collect();
            if is_map { Value::Map(fields) } else { Value::Object(fields) }
        }
    }
}

/// Errors in the words of Go's templates, as far as their kinds are known.
fn gos_words(text: &str) -> String {
    let mut parts = text.trim_start_matches("template: ").trim_start_matches(':').splitn(4, ':');
    let (line, column) = (parts.next().unwrap_or("1"), parts.next().unwrap_or("1"));
    let reason = match (parts.next(), parts.next()) {
        (Some(_), Some(reason)) => reason.trim(),
        _ => return format!("template: {text}"),
    };
    let column = column.trim().parse::<usize>().map_or(0, |column| column.saturating_sub(1));
    match reason.strip_prefix("no field `").and_then(|rest| rest.split_once('`')) {
        Some((name, _)) => format!(
            "template: :{line}:{column}: executing \"\" at <.{name}>: map has no entry for key {name:?}"
        ),
        None => match reason.strip_prefix("function ").and_then(|r| r.strip_suffix(" not defined"))
        {
            Some(name) => format!("template: :{line}: function {name:?} not defined"),
            None => format!("template: :{line}: {reason}"),
        },
    }
}

/// Checks that a template can be read; the empty one and the directives always can.
///
/// # Errors
/// [`TemplateError::Parse`].
pub fn check_template(text: &str) -> Result<(), TemplateError> {
    Compiled::new(text).map(drop)
}

/// Runs `template` over a document's text; `{{json .PATH}}` keeps the document's own order.
///
/// # Errors
/// [`TemplateError`], also for a text that is no JSON.
pub fn render_raw(template: &str, text: &str) -> Result<String, TemplateError> {
    if let Some(found) = json_path(template).and_then(|path| part_of(text, path)) {
        return Ok(escape_html(&found));
    }
    let document = serde_json::from_str(text).map_err(|e| TemplateError::Execute(e.to_string()))?;
    render_document(template, &document)
}

/// The path of a template that is nothing but `{{json .PATH}}`.
fn json_path(template: &str) -> Option<&str> {
    let trimmed = template.trim();
    if trimmed == "json" {
        return Some(".");
    }
    let action = trimmed.strip_prefix("{{")?.strip_suffix("}}")?.trim();
    let path = action.strip_prefix("json ")?.trim();
    let is_path = path.starts_with('.')
        && path.chars().all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '_');
    is_path.then_some(path)
}

fn part_of(text: &str, path: &str) -> Option<String> {
    let mut part: Box<serde_json::value::RawValue> = serde_json::from_str(text).ok()?;
    for name in path.split('.').filter(|name| !name.is_empty()) {
        let mut fields: HashMap<String, Box<serde_json::value::RawValue>> =
            serde_json::from_str(part.get()).ok()?;
        part = fields.remove(name)?;
    }
    Some(part.get().to_owned())
}

/// JSON as Go writes it: with the characters of HTML escaped.
pub(super) fn go_json(value: &Value) -> String {
    escape_html(&to_json(value).to_string())
}

/// JSON with the characters of HTML escaped, as Go writes it: they are found only within texts.
#[must_use]
pub fn escape_html(json: &str) -> String {
    json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

fn to_json(value: &Value) -> Json {
    match value {
        Value::NoValue | Value::Nil | Value::Function(_) => Json::Null,
        Value::Bool(flag) => Json::Bool(*flag),
        Value::String(text) => Json::String(text.clone()),
        Value::Array(items) => Json::Array(items.iter().map(to_json).collect()),
        Value::Object(fields) | Value::Map(fields) => Json::Object(
            fields
                .iter()
                .filter(|(key, _)| !key.starts_with('_'))
                .map(|(key, value)| (key.clone(), to_json(value)))
                .collect(),
        ),
        Value::Number(number) => serde_json::from_str(&number.to_string()).unwrap_or(Json::Null),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(template: &str) -> Result<String, TemplateError> {
        let document = serde_json::json!({
            "Name": "/web", "Config": {"Labels": {"a": "b"}, "Cmd": ["x", "y"]},
            "Size": 12, "Up": true, "Mounts": [{"Source": "/s"}, {"Source": "/t"}]
        });
        render_document(template, &document)
    }

    #[test]
    fn documents_are_reached_by_name() {
        for (template, expected) in [
            ("{{.Name}} {{.Size}} {{.Up}}", "/web 12 true"),
            ("{{.Config.Labels}}", "map[a:b]"),
            ("{{.Config.Labels.nosuch}}|{{index .Config.Labels \"nosuch\"}}", "<no value>|"),
            ("{{index .Config.Labels \"a\"}}", "b"),
            ("{{json .Config}}", r#"{"Cmd":["x","y"],"Labels":{"a":"b"}}"#),
            ("{{join .Config.Cmd \",\"}}{{.Config.Cmd}}", "x,y[x y]"),
            ("{{range .Mounts}}{{.Source}};{{end}}", "/s;/t;"),
            ("{{range $k, $v := .Config.Labels}}{{$k}}={{$v}}{{end}}", "a=b"),
            ("{{if .Up}}yes{{else}}no{{end}}\\t{{upper .Name | lower | title}}", "yes\t/Web"),
            ("{{pad .Name 1 2}}|{{truncate .Name 2}}|{{len .Mounts}}", " /web  |/w|2"),
            ("{{range split \"a:b\" \":\"}}{{println .}}{{end}}", "a\nb\n"),
            ("{{with .Config}}{{printf \"%q\" .Labels.a}}{{end}}", "\"b\""),
        ] {
            assert_eq!(run(template).unwrap(), expected, "{template}");
        }
    }

    #[test]
    fn mistakes_are_errors() {
        assert!(matches!(run("{{.Nosuch}}"), Err(TemplateError::Execute(_))));
        assert!(matches!(run("{{.Name"), Err(TemplateError::Parse(_))));
        assert!(run("{{nosuch .Name}}").is_err());
    }
}
