//! Reads documents the way Go's `encoding/json` does: keys of structures match whatever their
//! case, `null` leaves a field at its default, unknown keys are ignored.
//!
//! Map keys (labels, ports) keep their case: only structures announce their field names.
//! Depth is bounded by `serde_json` (128); the size is the caller's to bound.

use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, IntoDeserializer, MapAccess,
    SeqAccess, Visitor,
};
use serde_json::{Error, Map, Value};

/// Reads one document from its bytes.
///
/// # Errors
/// The text is not one JSON value, or a value has the wrong type.
pub fn from_slice<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    from_value(serde_json::from_slice(bytes)?)
}

/// Why the body of a request is no document; texts are those of Docker's engine.
#[derive(Debug)]
pub enum DocumentError {
    /// Nothing but white space.
    Empty,
    /// No JSON: what Go's decoder says of it.
    Syntax(String),
    /// A value has the wrong type.
    Type(Error),
    /// Something follows the document.
    Trailing,
}

impl std::fmt::Display for DocumentError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Empty => f.write_str("invalid JSON: got EOF while reading request body"),
            Self::Syntax(complaint) => write!(f, "invalid JSON: {complaint}"),
            Self::Type(error) => write!(f, "invalid JSON: {error}"),
            Self::Trailing => f.write_str("unexpected content after JSON"),
        }
    }
}

impl std::error::Error for DocumentError {}

/// Reads the one document of a request's body; `null` is `None`.
///
/// # Errors
/// [`DocumentError`] in the order of Docker's checks: text, types, what follows.
pub fn from_body<T: DeserializeOwned>(bytes: &[u8]) -> Result<Option<T>, DocumentError> {
    if bytes.trim_ascii().is_empty() {
        return Err(DocumentError::Empty);
    }
    let mut documents = serde_json::Deserializer::from_slice(bytes).into_iter::<Value>();
    let value = match documents.next() {
        Some(Ok(value)) => value,
        Some(Err(_)) | None => return Err(DocumentError::Syntax(crate::syntax::complaint(bytes))),
    };
    let rest = bytes[documents.byte_offset()..].trim_ascii_start();
    let document = match value {
        Value::Null => None,
        value => Some(from_value(value).map_err(DocumentError::Type)?),
    };
    // Go's `Decoder.More` takes a closing bracket for the end of an outer list.
    match rest.first() {
        None | Some(b']' | b'}') => Ok(document),
        Some(_) => Err(DocumentError::Trailing),
    }
}

/// Reads one document from a parsed value.
///
/// # Errors
/// A value has the wrong type.
pub fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, Error> {
    T::deserialize(Lenient(value))
}

/// Reads two documents from the same keys.
pub(crate) fn twice<'de, D, A, B>(deserializer: D) -> Result<(A, B), D::Error>
where
    D: Deserializer<'de>,
    A: DeserializeOwned,
    B: DeserializeOwned,
{
    let value = <Value as serde::Deserialize>::deserialize(deserializer)?;
    let first = from_value(value.clone()).map_err(D::Error::custom)?;
    let second = from_value(value).map_err(D::Error::custom)?;
    Ok((first, second))
}

/// Reads `null` as a type's zero value: the elements of lists and maps may be `null` too, as in
/// docker-py's `{"EndpointsConfig": {"net": null}}`.
macro_rules! zero_for_null {
    ($($method:ident => $zero:tt),* $(,)?) => { $(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self.0 {
                Value::Null => Lenient(serde_json::json!($zero)).deserialize_any(visitor),
                _ => self.deserialize_any(visitor),
            }
        }
    )* };
}

/// A value that is read with Go's tolerance.
struct Lenient(Value);

impl<'de> Deserializer<'de> for Lenient {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Array(items) => visitor.visit_seq(Items(items.into_iter())),
            Value::Object(entries) => visitor.visit_map(Entries::new(entries, None)),
            scalar => scalar.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.0.deserialize_enum(name, variants, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.0 {
            Value::Object(entries) => visitor.visit_map(Entries::new(entries, Some(fields))),
            Value::Null => visitor.visit_map(Entries::new(Map::new(), None)),
            Value::Array(_) => Err(Error::custom(format_args!("a list where {name} is expected"))),
            other => other.deserialize_struct(name, fields, visitor),
        }
    }

    zero_for_null! {
        deserialize_bool => false,
        deserialize_i64 => 0,
        deserialize_u8 => 0,
        deserialize_u16 => 0,
        deserialize_u32 => 0,
        deserialize_u64 => 0,
        deserialize_f64 => 0,
        deserialize_string => "",
        deserialize_seq => [],
        deserialize_map => {},
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i32 i128 u128 f32 char str bytes byte_buf unit unit_struct tuple tuple_struct
        identifier ignored_any
    }
}

impl<'de> IntoDeserializer<'de, Error> for Lenient {
    type Deserializer = Self;
    fn into_deserializer(self) -> Self {
        self
    }
}

struct Items(std::vec::IntoIter<Value>);

impl<'de> SeqAccess<'de> for Items {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        self.0.next().map(|item| seed.deserialize(Lenient(item))).transpose()
    }
}

struct Entries {
    rest: std::vec::IntoIter<(String, Value)>,
    value: Option<Value>,
}

impl Entries {
    /// Takes an object's entries; those of a structure get its own spelling of the keys.
    ///
    /// Of two keys that differ only in case the exactly spelled one wins: serde refuses
    /// duplicates, so the others are dropped here.
    fn new(entries: Map<String, Value>, fields: Option<&[&str]>) -> Self {
        let entries: Vec<_> = match fields {
            None => entries.into_iter().collect(),
            Some(fields) => canonical(entries, fields).into_iter().collect(),
        };
        Self { rest: entries.into_iter(), value: None }
    }
}

fn canonical(entries: Map<String, Value>, fields: &[&str]) -> Map<String, Value> {
    let mut named = Map::new();
    for (key, value) in entries {
        let Some(field) = fields.iter().find(|field| field.eq_ignore_ascii_case(&key)) else {
            continue;
        };
        if value.is_null() || (named.contains_key(*field) && *field != key) {
            continue;
        }
        named.insert((*field).to_owned(), value);
    }
    named
}

impl<'de> MapAccess<'de> for Entries {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        let Some((key, value)) = self.rest.next() else { return Ok(None) };
        self.value = Some(value);
        seed.deserialize(Lenient(Value::String(key))).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Error> {
        let value = self.value.take().ok_or_else(|| Error::custom("a value without its key"))?;
        seed.deserialize(Lenient(value))
    }
}
