//! The scoped sockets of an engine: kept in its database, served while it runs.

use std::{
    collections::BTreeMap,
    io,
    path::{Component, Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use ::container::clock;
use async_trait::async_trait;
use engine_api::api_socket::{ApiSocket, ApiSocketCreateRequest};
use metadata::{
    Database, DatabaseError,
    api_socket::{self as table, ApiSocketRow},
};
use tokio::{sync::Mutex, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use types::ErrorKind;

use super::{Scope, guard};
use crate::{
    Answer, Api, ApiError, Server,
    backend::{ApiSocketBackend, Backends},
    server::{Limits, ListenError, Listener},
};

/// A socket's connections are few, and must not take the engine's own ones.
const CONNECTIONS: usize = 256;
const DEFAULT_MODE: u32 = 0o660;
/// `sun_path` with its end.
const MAX_PATH_BYTES: usize = 107;

/// What a socket has that its request does not say.
pub struct SocketDefaults {
    /// Where sockets without a path of their own are.
    pub dir: PathBuf,
    /// Their group.
    pub gid: u32,
    /// Finds a group by name or number.
    pub find_group: fn(&str) -> io::Result<Option<u32>>,
}

/// The sockets; cheap to clone.
#[derive(Clone)]
pub struct ApiSockets(Arc<Inner>);

struct Inner {
    backends: Backends,
    database: Database,
    defaults: SocketDefaults,
    served: Mutex<BTreeMap<String, Served>>,
}

struct Served {
    row: ApiSocketRow,
    running: Result<Running, String>,
}

struct Running {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    /// Returns when the path is gone and every connection has ended.
    async fn end(self) {
        self.stop.cancel();
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the task of an API socket failed");
        }
    }
}

impl ApiSockets {
    /// Serves the sockets that the database has. One that cannot be served is logged, listed
    /// with its error, and tried again at the next start.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn open(
        backends: Backends,
        database: Database,
        defaults: SocketDefaults,
    ) -> Result<Self, DatabaseError> {
        let rows = database.read(table::all)?;
        let served = Mutex::new(BTreeMap::new());
        let sockets = Self(Arc::new(Inner { backends, database, defaults, served }));
        for row in rows {
            let running = sockets.0.serve(&row).await;
            if let Err(error) = &running {
                tracing::error!(name = row.name, error = %error, "cannot serve an API socket");
            }
            let running = running.map_err(|error| error.message);
            sockets.0.served.lock().await.insert(row.name.clone(), Served { row, running });
        }
        Ok(sockets)
    }

    /// Ends all sockets; they are served again by the next start.
    pub async fn close(&self) {
        let served = std::mem::take(&mut *self.0.served.lock().await);
        for running in served.into_values().filter_map(|served| served.running.ok()) {
            running.end().await;
        }
    }
}

impl Inner {
    async fn serve(&self, row: &ApiSocketRow) -> Answer<Running> {
        let scope = Scope::parse(&row.name, &row.allowed, &row.labels, &row.redacted)?;
        let listener = Listener::unix_with_mode(Path::new(&row.path), row.gid, row.mode)
            .await
            .map_err(refused_path)?;
        let api = Api::new(guard::router(Arc::new(scope), self.backends.clone()));
        let limits = Limits {
            connections: CONNECTIONS,
            // What was revoked ends now.
            stop_time: Duration::ZERO,
            ..Limits::default()
        };
        let stop = CancellationToken::new();
        let task = tokio::spawn(Server::new(api, limits).serve(vec![listener], stop.clone()));
        tracing::info!(name = row.name, path = row.path, "serving an API socket");
        Ok(Running { stop, task })
    }

    fn row(&self, request: ApiSocketCreateRequest) -> Answer<ApiSocketRow> {
        check_name(&request.name)?;
        Ok(ApiSocketRow {
            path: self.path(&request)?,
            gid: self.gid(&request.group)?,
            mode: mode(&request.mode)?,
            labels: labels(request.filters)?,
            name: request.name,
            allowed: request.allow,
            redacted: request.redact,
            created_nanos: clock::now_nanos(),
        })
    }

    fn path(&self, request: &ApiSocketCreateRequest) -> Answer<String> {
        let path = match request.path.as_str() {
            "" => self.defaults.dir.join(format!("{}.sock", request.name)),
            path => PathBuf::from(path),
        };
        let text = path.to_string_lossy().into_owned();
        let is_plain = path.is_absolute()
            && !text.contains('\0')
            && !path.components().any(|part| matches!(part, Component::ParentDir));
        if !is_plain || text.len() > MAX_PATH_BYTES {
            return Err(ApiError::invalid(format!(
                "invalid path {text:?}: an absolute one without \"..\" of at most \
                 {MAX_PATH_BYTES} bytes is needed"
            )));
        }
        Ok(text)
    }

    fn gid(&self, group: &str) -> Answer<u32> {
        if group.is_empty() {
            return Ok(self.defaults.gid);
        }
        let found = (self.defaults.find_group)(group).map_err(|error| {
            ApiError::new(ErrorKind::Internal, format!("cannot read the groups: {error}"))
        })?;
        found.ok_or_else(|| ApiError::invalid(format!("group {group} not found")))
    }
}

fn refused_path(error: ListenError) -> ApiError {
    match error {
        // The path came with the request.
        ListenError::Bind { .. } => ApiError::invalid(types::error::chain(&error)),
        other => other.into(),
    }
}

fn check_name(name: &str) -> Answer<()> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    let is_name = name.len() <= 63
        && name.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
        && name.bytes().all(is_word);
    if is_name {
        return Ok(());
    }
    Err(ApiError::invalid(format!(
        "invalid name {name:?} of an API socket: only [a-zA-Z0-9][a-zA-Z0-9_.-]* of at most 63 \
         characters are allowed"
    )))
}

fn mode(text: &str) -> Answer<u32> {
    if text.is_empty() {
        return Ok(DEFAULT_MODE);
    }
    let is_octal = text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| is_octal && *mode <= 0o777);
    mode.ok_or_else(|| ApiError::invalid(format!("invalid mode {text:?}: octal up to 0777")))
}

fn labels(filters: BTreeMap<String, Vec<String>>) -> Answer<Vec<String>> {
    let mut labels = Vec::new();
    for (name, values) in filters {
        // A filter without values would narrow nothing, which nobody means by giving one.
        if name != "label" || values.is_empty() {
            return Err(ApiError::invalid(format!(
                "invalid filter '{name}': an API socket is narrowed by label=KEY[=VALUE] only"
            )));
        }
        labels.extend(values);
    }
    Ok(labels)
}

fn document(served: &Served) -> ApiSocket {
    let row = &served.row;
    let filters = match row.labels.is_empty() {
        true => BTreeMap::new(),
        false => BTreeMap::from([("label".to_owned(), row.labels.clone())]),
    };
    ApiSocket {
        name: row.name.clone(),
        path: row.path.clone(),
        gid: row.gid,
        mode: format!("{:04o}", row.mode),
        allow: row.allowed.clone(),
        filters,
        redact: row.redacted.clone(),
        created: clock::rfc3339(row.created_nanos),
        error: served.running.as_ref().err().cloned().unwrap_or_default(),
    }
}

fn absent(name: &str) -> ApiError {
    ApiError::not_found(format!("No such API socket: {name}"))
}

#[async_trait]
impl ApiSocketBackend for ApiSockets {
    async fn create(&self, request: ApiSocketCreateRequest) -> Answer<ApiSocket> {
        let inner = &self.0;
        let row = inner.row(request)?;
        let mut served = inner.served.lock().await;
        let taken = |what: &str| ApiError::new(ErrorKind::Conflict, what);
        if served.contains_key(&row.name) {
            return Err(taken(&format!("API socket {} already exists", row.name)));
        }
        if let Some(other) = served.values().find(|other| other.row.path == row.path) {
            return Err(taken(&format!("{} belongs to API socket {}", row.path, other.row.name)));
        }
        let running = inner.serve(&row).await?;
        if let Err(error) = inner.database.write(|tx| table::insert(tx, &row)) {
            running.end().await;
            return Err(error.into());
        }
        let created = Served { row, running: Ok(running) };
        let answer = document(&created);
        served.insert(answer.name.clone(), created);
        Ok(answer)
    }

    async fn list(&self) -> Answer<Vec<ApiSocket>> {
        Ok(self.0.served.lock().await.values().map(document).collect())
    }

    async fn inspect(&self, name: &str) -> Answer<ApiSocket> {
        self.0.served.lock().await.get(name).map(document).ok_or_else(|| absent(name))
    }

    async fn remove(&self, name: &str) -> Answer<()> {
        let mut served = self.0.served.lock().await;
        if !served.contains_key(name) {
            return Err(absent(name));
        }
        self.0.database.write(|tx| table::delete(tx, name))?;
        let removed = served.remove(name).and_then(|removed| removed.running.ok());
        if let Some(running) = removed {
            running.end().await;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_modes_and_filters_are_checked() {
        for bad in ["", ".a", "-a", "a/b", "../a", "a b", &"a".repeat(64)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
        assert!(check_name("traefik-1.a_b").is_ok());
        assert_eq!(mode("").unwrap(), 0o660);
        assert_eq!(mode("0600").unwrap(), 0o600);
        for bad in ["1777", "8", "+7", "-1", "rw", "0x7"] {
            assert!(mode(bad).is_err(), "{bad}");
        }
        let filters = |name: &str, values: &[&str]| {
            let values = values.iter().map(|value| (*value).to_owned()).collect();
            labels(BTreeMap::from([(name.to_owned(), values)]))
        };
        assert_eq!(filters("label", &["a=b"]).unwrap(), ["a=b"]);
        assert!(filters("label", &[]).is_err());
        assert!(filters("name", &["a"]).is_err());
    }
}
