//! What is sent: method, path, query, headers, body.

use bytes::Bytes;
use http::Method;
use tokio::io::AsyncRead;

/// The body of a request.
pub enum Body {
    /// None.
    Empty,
    /// A JSON document.
    Json(Bytes),
    /// A stream of unknown length, sent chunked (archives).
    Stream(Box<dyn AsyncRead + Send + Sync + Unpin>),
}

/// A request before it has a version and a connection.
pub struct Request {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: Vec<(&'static str, String)>,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Body,
    pub(crate) is_versioned: bool,
}

impl Request {
    /// A request without query, headers or body; `path` starts with `/` and is already escaped.
    #[must_use]
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            query: Vec::new(),
            headers: Vec::new(),
            body: Body::Empty,
            is_versioned: true,
        }
    }

    /// `GET path`.
    #[must_use]
    pub fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    /// `POST path`.
    #[must_use]
    pub fn post(path: impl Into<String>) -> Self {
        Self::new(Method::POST, path)
    }

    /// `PUT path`.
    #[must_use]
    pub fn put(path: impl Into<String>) -> Self {
        Self::new(Method::PUT, path)
    }

    /// `HEAD path`.
    #[must_use]
    pub fn head(path: impl Into<String>) -> Self {
        Self::new(Method::HEAD, path)
    }

    /// `DELETE path`.
    #[must_use]
    pub fn delete(path: impl Into<String>) -> Self {
        Self::new(Method::DELETE, path)
    }

    /// Adds a query parameter.
    #[must_use]
    pub fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    /// Adds a query parameter unless `value` is empty.
    #[must_use]
    pub fn query_unless_empty(self, name: &'static str, value: &str) -> Self {
        if value.is_empty() { self } else { self.query(name, value) }
    }

    /// Adds `name=1` when `flag` holds.
    #[must_use]
    pub fn query_if(self, name: &'static str, flag: bool) -> Self {
        if flag { self.query(name, "1") } else { self }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Sends without the `/vN.NN` prefix.
    #[must_use]
    pub fn unversioned(mut self) -> Self {
        self.is_versioned = false;
        self
    }

    /// Sends `document` as JSON.
    ///
    /// # Panics
    /// Never for the API's documents: their keys are strings.
    #[must_use]
    pub fn json(mut self, document: &impl serde::Serialize) -> Self {
        let bytes = serde_json::to_vec(document).expect("documents have string keys only");
        self.body = Body::Json(bytes.into());
        self
    }

    /// Sends `stream` as the body.
    #[must_use]
    pub fn stream(mut self, stream: impl AsyncRead + Send + Sync + Unpin + 'static) -> Self {
        self.body = Body::Stream(Box::new(stream));
        self
    }

    /// Path and query as they go on the wire.
    pub(crate) fn target(&self, prefix: &str) -> String {
        let mut target = format!("{prefix}{}", self.path);
        // By name, as Go writes them: logs of both clients then compare.
        let mut query: Vec<_> = self.query.iter().collect();
        query.sort_by_key(|(name, _)| *name);
        for (index, (name, value)) in query.into_iter().enumerate() {
            target.push(if index == 0 { '?' } else { '&' });
            target.push_str(name);
            target.push('=');
            target.push_str(&escape_query(value));
        }
        target
    }
}

/// Escapes one segment of a path; slashes of image names stay.
#[must_use]
pub fn escape_path(text: &str) -> String {
    escape(text, |b| matches!(b, b'/' | b':' | b'@' | b'+' | b'=' | b'$' | b'&'))
}

fn escape_query(text: &str) -> String {
    escape(text, |_| false).replace("%20", "+")
}

fn escape(text: &str, is_kept: impl Fn(u8) -> bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) || is_kept(byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_escaped() {
        let request =
            Request::get("/images/json").query("filters", r#"{"a b":1}"#).query_if("all", true);
        assert_eq!(
            request.target("/v1.55"),
            "/v1.55/images/json?all=1&filters=%7B%22a+b%22%3A1%7D"
        );
        assert_eq!(escape_path("a/b:c d?x"), "a/b:c%20d%3Fx");
    }
}
