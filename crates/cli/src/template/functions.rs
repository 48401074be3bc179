//! The functions that templates may call beyond Go's own.

use gtmpl_ng::{Func, FuncError, Value};

use super::engine::go_json;

/// All of them, by name.
pub(super) const ALL: [(&str, Func); 12] = [
    ("json", json),
    ("join", join),
    ("split", split),
    ("lower", lower),
    ("upper", upper),
    ("title", title),
    ("pad", pad),
    ("truncate", truncate),
    ("println", println),
    ("index", index),
    ("label", label),
    ("table", table),
];

fn text(args: &[Value], at: usize, function: &str) -> Result<String, FuncError> {
    match args.get(at) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::NoValue | Value::Nil) => Ok(String::new()),
        Some(other) => Ok(other.to_string()),
        None => Err(FuncError::AtLeastXArgs(function.to_owned(), at + 1)),
    }
}

fn number(args: &[Value], at: usize, function: &str) -> Result<usize, FuncError> {
    let text = text(args, at, function)?;
    text.parse().map_err(|_| FuncError::Generic(format!("{function}: {text:?} is not a length")))
}

fn json(args: &[Value]) -> Result<Value, FuncError> {
    let value = args.first().ok_or_else(|| FuncError::AtLeastXArgs("json".to_owned(), 1))?;
    Ok(Value::String(go_json(value)))
}

fn join(args: &[Value]) -> Result<Value, FuncError> {
    let separator = text(args, 1, "join")?;
    match args.first() {
        Some(Value::Array(items)) => {
            let items: Vec<_> = items.iter().map(ToString::to_string).collect();
            Ok(Value::String(items.join(&separator)))
        }
        Some(Value::Nil | Value::NoValue) => Ok(Value::String(String::new())),
        _ => Err(FuncError::Generic("join: the first argument is not a list".to_owned())),
    }
}

fn split(args: &[Value]) -> Result<Value, FuncError> {
    let (whole, separator) = (text(args, 0, "split")?, text(args, 1, "split")?);
    Ok(Value::Array(whole.split(separator.as_str()).map(Value::from).collect()))
}

fn lower(args: &[Value]) -> Result<Value, FuncError> {
    Ok(Value::String(text(args, 0, "lower")?.to_lowercase()))
}

fn upper(args: &[Value]) -> Result<Value, FuncError> {
    Ok(Value::String(text(args, 0, "upper")?.to_uppercase()))
}

fn title(args: &[Value]) -> Result<Value, FuncError> {
    let whole = text(args, 0, "title")?;
    let mut titled = String::with_capacity(whole.len());
    let mut is_start = true;
    for c in whole.chars() {
        if is_start {
            titled.extend(c.to_uppercase())
        } else {
            titled.push(c)
        }
        is_start = !c.is_alphanumeric() && c != '_' && c != '\'';
    }
    Ok(Value::String(titled))
}

/// `pad TEXT BEFORE AFTER`; an empty text stays empty.
fn pad(args: &[Value]) -> Result<Value, FuncError> {
    let whole = text(args, 0, "pad")?;
    if whole.is_empty() {
        return Ok(Value::String(whole));
    }
    let (before, after) = (number(args, 1, "pad")?.min(4096), number(args, 2, "pad")?.min(4096));
    Ok(Value::String(format!("{}{whole}{}", " ".repeat(before), " ".repeat(after))))
}

fn truncate(args: &[Value]) -> Result<Value, FuncError> {
    let (whole, most) = (text(args, 0, "truncate")?, number(args, 1, "truncate")?);
    Ok(Value::String(whole.chars().take(most).collect()))
}

fn println(args: &[Value]) -> Result<Value, FuncError> {
    let parts: Vec<_> = args.iter().map(ToString::to_string).collect();
    Ok(Value::String(format!("{}\n", parts.join(" "))))
}

/// As Go's, where a key that a map does not have gives the zero value: an empty text here.
fn index(args: &[Value]) -> Result<Value, FuncError> {
    match gtmpl_ng::funcs::index(args)? {
        Value::NoValue => Ok(Value::String(String::new())),
        value => Ok(value),
    }
}

/// `.Label "NAME"`, which the engine rewrites to a call of this.
fn label(args: &[Value]) -> Result<Value, FuncError> {
    let name = text(args, 1, "Label")?;
    match args.first() {
        Some(Value::Map(labels)) => {
            Ok(labels.get(&name).cloned().unwrap_or_else(|| Value::String(String::new())))
        }
        // The heading of a column of labels is the label's name.
        _ => Ok(Value::String(name.rsplit('.').next().unwrap_or(&name).to_owned())),
    }
}

fn table(_: &[Value]) -> Result<Value, FuncError> {
    Err(FuncError::Generic("table is a directive, not a function".to_owned()))
}
