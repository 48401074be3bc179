//! Calls about containers and execs.

use engine_api::{
    container::{
        ContainerCreateRequest, ContainerCreateResponse, ContainerInspect, ContainerSummary,
        WaitResponse,
    },
    exec::{ExecCreateRequest, ExecInspect, ExecStartRequest, IdResponse},
};

use crate::{Answer, Client, ClientError, Hijacked, Request, escape_path};

/// Which streams to attach to and how.
#[derive(Debug, Clone, Default)]
pub struct AttachOptions {
    /// Send input.
    pub stdin: bool,
    /// Receive output.
    pub stdout: bool,
    /// Receive error output.
    pub stderr: bool,
    /// Keys that detach; empty for the engine's default.
    pub detach_keys: String,
}

/// When a wait ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitCondition {
    /// At once if it does not run.
    NotRunning,
    /// At the next exit.
    NextExit,
    /// When it is gone.
    Removed,
}

impl WaitCondition {
    fn as_str(self) -> &'static str {
        match self {
            // The default, which engines before 1.30 know only by its absence.
            Self::NotRunning => "",
            Self::NextExit => "next-exit",
            Self::Removed => "removed",
        }
    }
}

/// A wait that the engine has begun.
pub struct Waiting(Answer);

impl Waiting {
    /// The container's exit.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn exit(self) -> Result<WaitResponse, ClientError> {
        self.0.document().await
    }
}

fn container(id: &str, action: &str) -> String {
    format!("/containers/{}/{action}", escape_path(id))
}

impl Client {
    /// Creates a container.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn create_container(
        &self,
        name: &str,
        platform: &str,
        document: &ContainerCreateRequest,
    ) -> Result<ContainerCreateResponse, ClientError> {
        let request = Request::post("/containers/create")
            .query_unless_empty("name", name)
            .query_unless_empty("platform", platform)
            .json(document);
        self.document(request).await
    }

    /// Starts a container.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn start_container(&self, id: &str, detach_keys: &str) -> Result<(), ClientError> {
        let request = Request::post(container(id, "start"));
        self.act(request.query_unless_empty("detachKeys", detach_keys)).await
    }

    /// Attaches to a container's streams.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn attach(&self, id: &str, options: &AttachOptions) -> Result<Hijacked, ClientError> {
        let request = Request::post(container(id, "attach"))
            .query("stream", "1")
            .query_if("stdin", options.stdin)
            .query_if("stdout", options.stdout)
            .query_if("stderr", options.stderr)
            .query_unless_empty("detachKeys", &options.detach_keys);
        self.hijack(&request).await
    }

    /// Begins to wait; the engine has noted it when this returns.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn wait(&self, id: &str, condition: WaitCondition) -> Result<Waiting, ClientError> {
        let request = Request::post(container(id, "wait"))
            .query_unless_empty("condition", condition.as_str());
        self.send(request).await.map(Waiting)
    }

    /// All details of a container.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn inspect_container(&self, id: &str) -> Result<ContainerInspect, ClientError> {
        self.document(Request::get(container(id, "json"))).await
    }

    /// Containers; `filters` is the API's JSON or empty.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn containers(
        &self,
        request: impl FnOnce(Request) -> Request,
    ) -> Result<Vec<ContainerSummary>, ClientError> {
        self.document(request(Request::get("/containers/json"))).await
    }

    /// Does one of the actions that have no answer: `stop`, `kill`, `pause`, ...
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn container_action(
        &self,
        id: &str,
        action: &str,
        request: impl FnOnce(Request) -> Request,
    ) -> Result<(), ClientError> {
        self.act(request(Request::post(container(id, action)))).await
    }

    /// Tells the engine the size of the client's terminal.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn resize(&self, target: &Resizable, size: (u16, u16)) -> Result<(), ClientError> {
        let path = match target {
            Resizable::Container(id) => container(id, "resize"),
            Resizable::Exec(id) => format!("/exec/{}/resize", escape_path(id)),
        };
        let request = Request::post(path);
        self.act(request.query("h", size.0.to_string()).query("w", size.1.to_string())).await
    }

    /// Prepares a process in a container.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn create_exec(
        &self,
        id: &str,
        document: &ExecCreateRequest,
    ) -> Result<IdResponse, ClientError> {
        self.document(Request::post(container(id, "exec")).json(document)).await
    }

    /// Starts a prepared process and leaves it alone.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn start_exec(
        &self,
        id: &str,
        document: &ExecStartRequest,
    ) -> Result<(), ClientError> {
        self.act(exec_start(id).json(document)).await
    }

    /// Starts a prepared process and takes its streams.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn attach_exec(
        &self,
        id: &str,
        document: &ExecStartRequest,
    ) -> Result<Hijacked, ClientError> {
        self.hijack(&exec_start(id).json(document)).await
    }

    /// What became of a process.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn inspect_exec(&self, id: &str) -> Result<ExecInspect, ClientError> {
        self.document(Request::get(format!("/exec/{}/json", escape_path(id)))).await
    }
}

fn exec_start(id: &str) -> Request {
    Request::post(format!("/exec/{}/start", escape_path(id)))
}

/// What has a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resizable {
    /// A container.
    Container(String),
    /// An exec.
    Exec(String),
}
