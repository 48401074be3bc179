//! Backends that are not there yet: every method answers 501 and says so.

use async_trait::async_trait;
use engine_api::{
    auth::{AuthConfig, AuthResponse},
    container::{
        ContainerCreateResponse, ContainerInspect, ContainerPruneReport, ContainerSummary,
        ContainerUpdateRequest, ContainerUpdateResponse, FilesystemChange, PathStat, TopResponse,
        WaitResponse,
    },
    descriptor::{DistributionInspect, Platform},
    disk_usage::DiskUsage,
    event::EventMessage,
    exec::{ExecCreateRequest, ExecInspect},
    image::{
        ImageDeleteItem, ImageHistoryItem, ImageInspect, ImagePruneReport, ImageSearchItem,
        ImageSummary,
    },
    info::SystemInfo,
    network::{
        Network, NetworkConnectRequest, NetworkCreateRequest, NetworkCreateResponse,
        NetworkDisconnectRequest, NetworkPruneReport,
    },
    stats::StatsResponse,
    version::SystemVersion,
    volume::{Volume, VolumeCreateRequest, VolumeList, VolumePruneReport},
};
use futures_util::{future::BoxFuture, stream::BoxStream};
use types::Reference;

use super::{
    ContainerBackend, ExecBackend, ImageBackend, NetworkBackend, SystemBackend, TerminalSize,
    VolumeBackend,
    container::{
        AttachOptions, CreateContainer, ListContainers, LogOptions, LogStream, PutArchive,
        RemoveContainer, SizeWanted, StartContainer, StatsOptions, StopContainer, WaitCondition,
    },
    exec::StartExec,
    image::{
        CommitContainer, DeleteImage, ImportImage, InspectImage, ListImages, LoadImages,
        ProgressStream, PullImage, PushImage, SaveImages, SearchImages,
    },
    network::InspectNetwork,
    system::{DiskUsageQuery, EventQuery},
    volume::Force,
};
use crate::{Answer, ApiError, Attachment, ByteStream, Filters};
use types::Signal;

/// The backend of an engine part that is not built.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unbuilt;

#[async_trait]
impl SystemBackend for Unbuilt {
    async fn ping(&self) -> Answer<()> {
        Err(ApiError::not_implemented("system ping"))
    }

    async fn version(&self) -> Answer<SystemVersion> {
        Err(ApiError::not_implemented("system version"))
    }

    async fn info(&self) -> Answer<SystemInfo> {
        Err(ApiError::not_implemented("system info"))
    }

    async fn auth(&self, _credentials: AuthConfig) -> Answer<AuthResponse> {
        Err(ApiError::not_implemented("system auth"))
    }

    async fn disk_usage(&self, _query: DiskUsageQuery) -> Answer<DiskUsage> {
        Err(ApiError::not_implemented("system disk usage"))
    }

    async fn events(&self, _query: EventQuery) -> Answer<BoxStream<'static, EventMessage>> {
        Err(ApiError::not_implemented("system events"))
    }
}

#[async_trait]
impl ContainerBackend for Unbuilt {
    async fn list(&self, _options: ListContainers) -> Answer<Vec<ContainerSummary>> {
        Err(ApiError::not_implemented("container list"))
    }

    async fn create(&self, _options: CreateContainer) -> Answer<ContainerCreateResponse> {
        Err(ApiError::not_implemented("container create"))
    }

    async fn inspect(&self, _id: &str, _size: SizeWanted) -> Answer<ContainerInspect> {
        Err(ApiError::not_implemented("container inspect"))
    }

    async fn top(&self, _id: &str, _ps_args: &str) -> Answer<TopResponse> {
        Err(ApiError::not_implemented("container top"))
    }

    async fn logs(&self, _id: &str, _options: LogOptions) -> Answer<LogStream> {
        Err(ApiError::not_implemented("container logs"))
    }

    async fn changes(&self, _id: &str) -> Answer<Vec<FilesystemChange>> {
        Err(ApiError::not_implemented("container changes"))
    }

    async fn export(&self, _id: &str) -> Answer<ByteStream> {
        Err(ApiError::not_implemented("container export"))
    }

    async fn stats(
        &self,
        _id: &str,
        _options: StatsOptions,
    ) -> Answer<BoxStream<'static, Answer<StatsResponse>>> {
        Err(ApiError::not_implemented("container stats"))
    }

    async fn resize(&self, _id: &str, _size: TerminalSize) -> Answer<()> {
        Err(ApiError::not_implemented("container resize"))
    }

    async fn start(&self, _id: &str, _options: StartContainer) -> Answer<()> {
        Err(ApiError::not_implemented("container start"))
    }

    async fn stop(&self, _id: &str, _options: StopContainer) -> Answer<()> {
        Err(ApiError::not_implemented("container stop"))
    }

    async fn restart(&self, _id: &str, _options: StopContainer) -> Answer<()> {
        Err(ApiError::not_implemented("container restart"))
    }

    async fn kill(&self, _id: &str, _signal: Option<Signal>) -> Answer<()> {
        Err(ApiError::not_implemented("container kill"))
    }

    async fn update(
        &self,
        _id: &str,
        _request: ContainerUpdateRequest,
    ) -> Answer<ContainerUpdateResponse> {
        Err(ApiError::not_implemented("container update"))
    }

    async fn rename(&self, _id: &str, _name: &str) -> Answer<()> {
        Err(ApiError::not_implemented("container rename"))
    }

    async fn pause(&self, _id: &str) -> Answer<()> {
        Err(ApiError::not_implemented("container pause"))
    }

    async fn unpause(&self, _id: &str) -> Answer<()> {
        Err(ApiError::not_implemented("container unpause"))
    }

    async fn attach(&self, _id: &str, _options: AttachOptions) -> Answer<Attachment> {
        Err(ApiError::not_implemented("container attach"))
    }

    async fn wait(
        &self,
        _id: &str,
        _condition: WaitCondition,
    ) -> Answer<BoxFuture<'static, Answer<WaitResponse>>> {
        Err(ApiError::not_implemented("container wait"))
    }

    async fn remove(&self, _id: &str, _options: RemoveContainer) -> Answer<()> {
        Err(ApiError::not_implemented("container remove"))
    }

    async fn prune(&self, _filters: Filters) -> Answer<ContainerPruneReport> {
        Err(ApiError::not_implemented("container prune"))
    }

    async fn archive_stat(&self, _id: &str, _path: &str) -> Answer<PathStat> {
        Err(ApiError::not_implemented("container archive stat"))
    }

    async fn archive_get(&self, _id: &str, _path: &str) -> Answer<(PathStat, ByteStream)> {
        Err(ApiError::not_implemented("container archive get"))
    }

    async fn archive_put(
        &self,
        _id: &str,
        _options: PutArchive,
        _archive: ByteStream,
    ) -> Answer<()> {
        Err(ApiError::not_implemented("container archive put"))
    }
}

#[async_trait]
impl ExecBackend for Unbuilt {
    async fn create(&self, _container: &str, _request: ExecCreateRequest) -> Answer<String> {
        Err(ApiError::not_implemented("exec create"))
    }

    async fn inspect(&self, _id: &str) -> Answer<ExecInspect> {
        Err(ApiError::not_implemented("exec inspect"))
    }

    async fn start(&self, _id: &str, _options: StartExec) -> Answer<Attachment> {
        Err(ApiError::not_implemented("exec start"))
    }

    async fn start_detached(&self, _id: &str, _options: StartExec) -> Answer<()> {
        Err(ApiError::not_implemented("exec start detached"))
    }

    async fn resize(&self, _id: &str, _size: TerminalSize) -> Answer<()> {
        Err(ApiError::not_implemented("exec resize"))
    }
}

#[async_trait]
impl ImageBackend for Unbuilt {
    async fn list(&self, _options: ListImages) -> Answer<Vec<ImageSummary>> {
        Err(ApiError::not_implemented("image list"))
    }

    async fn pull(&self, _options: PullImage) -> Answer<ProgressStream> {
        Err(ApiError::not_implemented("image pull"))
    }

    async fn import(&self, _options: ImportImage) -> Answer<ProgressStream> {
        Err(ApiError::not_implemented("image import"))
    }

    async fn inspect(&self, _name: &str, _options: InspectImage) -> Answer<ImageInspect> {
        Err(ApiError::not_implemented("image inspect"))
    }

    async fn history(
        &self,
        _name: &str,
        _platform: Option<Platform>,
    ) -> Answer<Vec<ImageHistoryItem>> {
        Err(ApiError::not_implemented("image history"))
    }

    async fn push(&self, _options: PushImage) -> Answer<ProgressStream> {
        Err(ApiError::not_implemented("image push"))
    }

    async fn tag(&self, _name: &str, _reference: Reference) -> Answer<()> {
        Err(ApiError::not_implemented("image tag"))
    }

    async fn delete(&self, _name: &str, _options: DeleteImage) -> Answer<Vec<ImageDeleteItem>> {
        Err(ApiError::not_implemented("image delete"))
    }

    async fn search(&self, _options: SearchImages) -> Answer<Vec<ImageSearchItem>> {
        Err(ApiError::not_implemented("image search"))
    }

    async fn save(&self, _options: SaveImages) -> Answer<ByteStream> {
        Err(ApiError::not_implemented("image save"))
    }

    async fn load(&self, _options: LoadImages, _archive: ByteStream) -> Answer<ProgressStream> {
        Err(ApiError::not_implemented("image load"))
    }

    async fn prune(&self, _filters: Filters) -> Answer<ImagePruneReport> {
        Err(ApiError::not_implemented("image prune"))
    }

    async fn commit(&self, _options: CommitContainer) -> Answer<String> {
        Err(ApiError::not_implemented("image commit"))
    }

    async fn distribution(
        &self,
        _reference: Reference,
        _auth: Option<AuthConfig>,
    ) -> Answer<DistributionInspect> {
        Err(ApiError::not_implemented("image distribution"))
    }
}

#[async_trait]
impl VolumeBackend for Unbuilt {
    async fn list(&self, _filters: Filters) -> Answer<VolumeList> {
        Err(ApiError::not_implemented("volume list"))
    }

    async fn create(&self, _request: VolumeCreateRequest) -> Answer<Volume> {
        Err(ApiError::not_implemented("volume create"))
    }

    async fn inspect(&self, _name: &str) -> Answer<Volume> {
        Err(ApiError::not_implemented("volume inspect"))
    }

    async fn remove(&self, _name: &str, _force: Force) -> Answer<()> {
        Err(ApiError::not_implemented("volume remove"))
    }

    async fn prune(&self, _filters: Filters) -> Answer<VolumePruneReport> {
        Err(ApiError::not_implemented("volume prune"))
    }
}

#[async_trait]
impl NetworkBackend for Unbuilt {
    async fn list(&self, _filters: Filters) -> Answer<Vec<Network>> {
        Err(ApiError::not_implemented("network list"))
    }

    async fn inspect(&self, _id: &str, _options: InspectNetwork) -> Answer<Network> {
        Err(ApiError::not_implemented("network inspect"))
    }

    async fn create(&self, _request: NetworkCreateRequest) -> Answer<NetworkCreateResponse> {
        Err(ApiError::not_implemented("network create"))
    }

    async fn connect(&self, _id: &str, _request: NetworkConnectRequest) -> Answer<()> {
        Err(ApiError::not_implemented("network connect"))
    }

    async fn disconnect(&self, _id: &str, _request: NetworkDisconnectRequest) -> Answer<()> {
        Err(ApiError::not_implemented("network disconnect"))
    }

    async fn remove(&self, _id: &str) -> Answer<()> {
        Err(ApiError::not_implemented("network remove"))
    }

    async fn prune(&self, _filters: Filters) -> Answer<NetworkPruneReport> {
        Err(ApiError::not_implemented("network prune"))
    }
}
