//! Pull and push against the distribution's own registry, with faults on the way.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[path = "support/registry.rs"]
mod registry;
mod support;

use std::{sync::Arc, time::Duration};

use distribution::{ClientConfig, Credentials};
use gantry_image as image;
use image::{
    ImageError, Images, LayerStatus, NoContainers, Progress, PullRequest, PushRequest,
    RemoveRequest,
};
use registry::{Proxy, Registry, Rules, Setup, certificates, skopeo};
use support::{client_config, house, house_with, noise, open, tar_of};
use types::{Classify, Digest, ErrorKind, Reference};

fn credentials(user: &str, password: &str) -> Option<Credentials> {
    Credentials::from_fields(user, password, "", "")
}

async fn push_as(
    images: &Images,
    name: &str,
    credentials: Option<Credentials>,
) -> (Result<(), ImageError>, Vec<Progress>) {
    let (sender, mut receiver) = tokio::sync::mpsc::channel(10_000);
    let reference: Reference = name.parse().unwrap();
    let request = PushRequest { reference, credentials, is_all_tags: false };
    let result = images.push(request, Some(sender)).await;
    let mut events = Vec::new();
    while let Some(event) = receiver.recv().await {
        events.push(event);
    }
    (result, events)
}

async fn push(images: &Images, name: &str) -> Vec<Progress> {
    let (result, events) = push_as(images, name, None).await;
    result.unwrap();
    events
}

async fn pull_as(
    images: &Images,
    request: PullRequest,
) -> (Result<Digest, ImageError>, Vec<Progress>) {
    let (sender, mut receiver) = tokio::sync::mpsc::channel(10_000);
    let result = images.pull(request, Some(sender)).await;
    let mut events = Vec::new();
    while let Some(event) = receiver.recv().await {
        events.push(event);
    }
    (result, events)
}

async fn pull(images: &Images, name: &str) -> (Result<Digest, ImageError>, Vec<Progress>) {
    pull_as(images, PullRequest::new(name.parse().unwrap())).await
}

fn statuses(events: &[Progress]) -> Vec<LayerStatus> {
    let mut all: Vec<LayerStatus> = Vec::new();
    for event in events {
        if let Progress::Layer { status, .. } = event {
            all.push(status.clone());
        }
    }
    all
}

fn count(events: &[Progress], wanted: &LayerStatus) -> usize {
    statuses(events).iter().filter(|status| *status == wanted).count()
}

fn lines(events: &[Progress]) -> Vec<String> {
    let text = |event: &Progress| match event {
        Progress::Status { id: Some(id), text } => Some(format!("{id}: {text}")),
        Progress::Status { id: None, text } => Some(text.clone()),
        _ => None,
    };
    events.iter().filter_map(text).collect()
}

fn layers(sizes: &[usize]) -> Vec<Vec<u8>> {
    let layer = |(at, size): (usize, &usize)| {
        tar_of(&[(&format!("file{at}"), noise(at as u64 + 1, *size).as_slice())])
    };
    sizes.iter().enumerate().map(layer).collect()
}

/// A registry with `app:1` of the given layers in it; returns the image's id.
async fn filled(registry: &Registry, sizes: &[usize]) -> Digest {
    let from = house();
    let id = from.stack(&registry.name("app:1"), layers(sizes)).await;
    push(&from.images, &registry.name("app:1")).await;
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pushed_is_pulled_with_dockers_lines() {
    let registry = Registry::start();
    let from = house();
    let name = registry.name("team/app:1");
    let id = from.stack(&name, layers(&[300_000, 1000, 2000])).await;
    let events = push(&from.images, &name).await;
    assert_eq!(count(&events, &LayerStatus::Pushed), 3);
    assert_eq!(count(&events, &LayerStatus::Preparing), 3);
    let said = lines(&events);
    assert_eq!(said[0], format!("The push refers to repository [{}]", registry.name("team/app")));
    let Some(Progress::Pushed { tag, digest, size_bytes }) = events.last().cloned() else {
        panic!("no aux at the end: {events:?}");
    };
    assert_eq!(said.last().unwrap(), &format!("1: digest: {digest} size: {size_bytes}"));
    assert_eq!(tag, "1");

    let to = house();
    let (result, events) = pull(&to.images, &name).await;
    assert_eq!(result.unwrap(), id);
    assert_eq!(count(&events, &LayerStatus::PullingFsLayer), 3);
    assert_eq!(count(&events, &LayerStatus::DownloadComplete), 3);
    assert_eq!(count(&events, &LayerStatus::VerifyingChecksum), 3);
    assert_eq!(count(&events, &LayerStatus::PullComplete), 3);
    assert_eq!(
        lines(&events),
        [
            "1: Pulling from team/app".to_owned(),
            format!("Digest: {digest}"),
            format!("Status: Downloaded newer image for {name}"),
        ]
    );
    let image = to.images.resolve(&name).unwrap();
    assert_eq!(image.raw_config, from.images.get(&id).unwrap().raw_config);
    assert_eq!(image.size_bytes, 303_000);
    let pinned = format!("{}@{digest}", registry.name("team/app"));
    assert_eq!(image.digests[0].to_string(), pinned);
    assert_eq!(to.images.resolve(&pinned).unwrap().id, id);

    let (result, events) = pull(&to.images, &name).await;
    assert_eq!(result.unwrap(), id);
    assert_eq!(count(&events, &LayerStatus::AlreadyExists), 3);
    assert_eq!(lines(&events)[2], format!("Status: Image is up to date for {name}"));

    let none = Arc::new(NoContainers);
    let removal = RemoveRequest { name: name.clone(), ..Default::default() };
    to.images.remove(removal, none).await.unwrap();
    assert_eq!((to.counts(), to.ingests()), ((0, 0), 0));
    let (result, _) = pull(&to.images, &pinned).await;
    assert_eq!(result.unwrap(), id);
    assert!(to.images.get(&id).unwrap().tags.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn pushing_again_sends_nothing_and_siblings_are_mounted() {
    let registry = Registry::start();
    let id = filled(&registry, &[200_000, 1000]).await;
    let to = house();
    pull(&to.images, &registry.name("app:1")).await.0.unwrap();
    let again = push(&to.images, &registry.name("app:1")).await;
    assert_eq!(count(&again, &LayerStatus::LayerAlreadyExists), 2);
    to.images.tag(id.hex(), &registry.name("other/app:2").parse().unwrap()).unwrap();
    let mounted = push(&to.images, &registry.name("other/app:2")).await;
    assert_eq!(count(&mounted, &LayerStatus::MountedFrom("app".into())), 2);
    let digest = |events: &[Progress]| match events.last() {
        Some(Progress::Pushed { digest, .. }) => digest.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(digest(&again), digest(&mounted), "the manifest is the same, byte for byte");
    let repository = to.images.client().repository(
        &registry.name("other/app").parse().unwrap(),
        None,
        distribution::Purpose::Pull,
    );
    assert_eq!(repository.tags().await.unwrap(), ["2"]);
    let catalog = to.images.client().catalog(&registry.address.to_string(), None).await.unwrap();
    assert_eq!(catalog, ["app", "other/app"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn skopeo_agrees_about_what_we_push_and_we_pull_what_it_pushes() {
    let registry = Registry::start();
    let id = filled(&registry, &[200_000, 1000]).await;
    let source = format!("docker://{}", registry.name("app:1"));
    let seen: serde_json::Value =
        serde_json::from_str(&skopeo(&["inspect", "--tls-verify=false", "--raw", &source]))
            .unwrap();
    assert_eq!(seen["config"]["digest"], id.to_string());
    // As Docker's own manifest kind.
    let docker = registry.name("skopeo:v2s2");
    let copy = ["copy", "--src-tls-verify=false", "--dest-tls-verify=false"];
    let target = format!("docker://{docker}");
    skopeo(&[&copy[..], &["--format", "v2s2", &source, &target]].concat());
    let to = house();
    let pulled = pull(&to.images, &docker).await.0.unwrap();
    assert_eq!(to.images.get(&pulled).unwrap().size_bytes, 201_000);
    // A layer that came compressed with zstd stays so, and skopeo can read it.
    let name = registry.name("app:zstd");
    let tar = zstd::encode_all(&tar_of(&[("z", &noise(9, 5000))])[..], 3).unwrap();
    let id = to.import(&name, tar).await;
    push(&to.images, &name).await;
    let dir = tempfile::tempdir().unwrap();
    let layout = format!("dir:{}", dir.path().display());
    let source = format!("docker://{name}");
    skopeo(&["copy", "--src-tls-verify=false", "--dest-decompress", &source, &layout]);
    assert_eq!(pull(&house().images, &name).await.0.unwrap(), id);
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_asked_for_and_checked() {
    let registry = Registry::with(Setup { account: Some(("me", "pass")), ..Setup::default() });
    let house = house();
    let name = registry.name("app:1");
    house.import(&name, tar_of(&[("a", b"1")])).await;
    let (result, _) = push_as(&house.images, &name, None).await;
    let text = types::error::chain(&result.unwrap_err());
    assert!(text.ends_with(": no basic auth credentials"), "{text}");
    let (result, _) = push_as(&house.images, &name, credentials("me", "wrong")).await;
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    assert!(error.to_string().contains("unauthorized: authentication required"), "{error}");
    push_as(&house.images, &name, credentials("me", "pass")).await.0.unwrap();

    let server = registry.address.to_string();
    let login = house.images.login(&server, &credentials("me", "pass").unwrap()).await.unwrap();
    assert_eq!(login.identity_token, None);
    let error = house.images.login(&server, &credentials("me", "no").unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    assert!(!format!("{error:?}").contains("\"no\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_things_have_dockers_texts() {
    let registry = Registry::start();
    filled(&registry, &[1000]).await;
    let house = house();
    let (result, _) = pull(&house.images, &registry.name("app:no")).await;
    let error = result.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "manifest for {} not found: manifest unknown: manifest unknown",
            registry.name("app:no")
        )
    );
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let (result, _) = push_as(&house.images, "nothing:here", None).await;
    assert_eq!(
        result.unwrap_err().to_string(),
        "An image does not exist locally with the tag: nothing"
    );
    let gone = "127.0.0.1:1/app:1";
    let (result, _) = pull(&house.images, gone).await;
    assert_eq!(
        types::error::chain(&result.unwrap_err()),
        "Get \"http://127.0.0.1:1/v2/\": dial tcp 127.0.0.1:1: connect: connection refused"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn platforms_are_chosen_from_an_index() {
    let registry = Registry::start();
    let house = house();
    let name = registry.name("app:1");
    let id = filled(&registry, &[1000]).await;
    let reference: Reference = name.parse().unwrap();
    let client = house.images.client();
    let repository = client.repository(&reference, None, distribution::Purpose::Push);
    let single = repository.resolve(&reference).await.unwrap();
    let entry = |arch: &str| {
        serde_json::json!({
            "mediaType": single.descriptor.media_type, "digest": single.descriptor.digest,
            "size": single.descriptor.size, "platform": {"os": "linux", "architecture": arch}
        })
    };
    let host = oci::image::Platform::host().architecture;
    let bytes = serde_json::to_vec(&serde_json::json!({
        "schemaVersion": 2, "mediaType": oci::media_type::OCI_INDEX,
        "manifests": [entry("s390x"), entry(&host)]
    }))
    .unwrap();
    let mut index = single.clone();
    index.descriptor.media_type = oci::media_type::OCI_INDEX.to_owned();
    index.bytes = bytes.into();
    repository.put_manifest(Some("multi"), &index).await.unwrap();
    let multi = registry.name("app:multi");
    let (result, _) = pull(&house.images, &multi).await;
    assert_eq!(result.unwrap(), id);
    let pinned = house.images.resolve(&multi).unwrap().digests[0].clone();
    assert_ne!(pinned.digest(), Some(&single.descriptor.digest), "the digest is the index's");
    let mut request = PullRequest::new(multi.parse().unwrap());
    request.platform = Some(oci::image::Platform {
        os: "linux".into(),
        architecture: "mips64".into(),
        ..Default::default()
    });
    let (result, _) = pull_as(&house.images, request.clone()).await;
    assert_eq!(
        result.unwrap_err().to_string(),
        "no matching manifest for linux/mips64 in the manifest list entries"
    );
    request.reference = name.parse().unwrap();
    let error = pull_as(&house.images, request).await.0.unwrap_err();
    assert!(matches!(error, ImageError::Platform { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_goes_on_where_the_connection_broke() {
    let registry = Registry::start();
    let size = 3_000_000;
    let id = filled(&registry, &[size]).await;
    let rules = Rules { down_limit: 400_000, cuts: 6, ..Rules::default() };
    let proxy = Proxy::start(registry.address, rules).await;
    let to = house();
    let (result, _) = pull(&to.images, &proxy.name("app:1")).await;
    assert_eq!(result.unwrap(), id);
    assert_eq!(proxy.cut_count(), 6);
    let down = proxy.down();
    assert!(down < size as u64 + 600_000, "{down} bytes came for {size}: it started over");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_goes_on_after_the_engine_died() {
    let registry = Registry::start();
    let size = 4_000_000;
    let id = filled(&registry, &[size, 1000]).await;
    let dir = tempfile::tempdir().unwrap();
    let rules = Rules { down_limit: 2_000_000, hangs: true, ..Rules::default() };
    let stuck = Proxy::start(registry.address, rules).await;
    let (images, stores) = open(dir.path(), client_config());
    let task = {
        let (images, name) = (images.clone(), stuck.name("app:1"));
        tokio::spawn(async move { pull(&images, &name).await.0 })
    };
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    let arrived = || {
        let ingests = stores.content.ingests().unwrap();
        ingests.iter().map(|ingest| ingest.offset).max().unwrap_or(0)
    };
    while stuck.cut_count() == 0 || arrived() < 1_500_000 {
        assert!(std::time::Instant::now() < deadline, "{} bytes", arrived());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    assert!(images.resolve(&stuck.name("app:1")).is_err(), "nothing is named half");
    drop((images, stores));

    let (images, stores) = open(dir.path(), client_config());
    let free = Proxy::start(registry.address, Rules::default()).await;
    let (result, events) = pull(&images, &free.name("app:1")).await;
    assert_eq!(result.unwrap(), id);
    assert_eq!(count(&events, &LayerStatus::AlreadyExists), 1, "the small layer was kept");
    let down = free.down();
    assert!(down < 2_700_000, "{down} bytes came the second time: it started over");
    assert!(stores.content.ingests().unwrap().is_empty());
    assert_eq!(images.get(&id).unwrap().size_bytes, 4_001_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_pulls_share_one_download() {
    let registry = Registry::start();
    let size = 3_000_000;
    let id = filled(&registry, &[size]).await;
    let proxy = Proxy::start(registry.address, Rules::default()).await;
    let to = house();
    let name = proxy.name("app:1");
    let pulls: Vec<_> = (0..8)
        .map(|_| {
            let (images, name) = (to.images.clone(), name.clone());
            tokio::spawn(async move { pull(&images, &name).await.0 })
        })
        .collect();
    for pull in pulls {
        assert_eq!(pull.await.unwrap().unwrap(), id);
    }
    let down = proxy.down();
    assert!(down < size as u64 + 300_000, "{down}");
    assert_eq!(to.counts(), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_survives_cut_connections() {
    let registry = Registry::start();
    let size = 2_000_000;
    let rules = Rules { up_limit: 600_000, cuts: 3, ..Rules::default() };
    let proxy = Proxy::start(registry.address, rules).await;
    let from = house();
    let name = proxy.name("app:1");
    let id = from.stack(&name, layers(&[size])).await;
    push(&from.images, &name).await;
    assert_eq!(proxy.cut_count(), 3);
    let to = house();
    assert_eq!(pull(&to.images, &registry.name("app:1")).await.0.unwrap(), id);
}

#[tokio::test(flavor = "multi_thread")]
async fn corrupt_blobs_are_refused_and_leave_nothing() {
    let registry = Registry::start();
    let from = house();
    let name = registry.name("app:1");
    from.stack(&name, layers(&[500_000])).await;
    push(&from.images, &name).await;
    let blob = from.stores.content.digests().unwrap().remove(0);
    let path = registry.blob_file(&blob);
    let whole = std::fs::read(&path).unwrap();
    let mut flipped = whole.clone();
    flipped[250_000] ^= 1;
    // gzip ends early, but the length is right.
    let other = support::gzip(&tar_of(&[("x", b"y")]));
    let mut padded = vec![0u8; whole.len()];
    padded[..other.len()].copy_from_slice(&other);
    for (what, bytes) in [("flipped", flipped), ("other", padded), ("short", whole[..9].to_vec())] {
        std::fs::write(&path, bytes).unwrap();
        let to = house();
        let (result, _) = pull(&to.images, &name).await;
        let error = result.expect_err(what);
        assert!(to.images.resolve(&name).is_err());
        assert_eq!(to.counts(), (0, 0), "{what}: {}", types::error::chain(&error));
        if what == "other" {
            let text = format!("filesystem layer verification failed for digest {blob}");
            assert!(error.to_string().starts_with(&text), "{error}");
        }
        if what != "short" {
            assert_eq!(to.ingests(), 0, "{what}: {}", types::error::chain(&error));
        }
    }
    std::fs::write(&path, whole).unwrap();
    pull(&house().images, &name).await.0.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_said_and_given_back() {
    use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
    let registry = Registry::start();
    let id = filled(&registry, &[6_000_000, 1000]).await;
    let dir = tempfile::tempdir().unwrap();
    let options = c"size=10m";
    mount("tmpfs", dir.path(), "tmpfs", MountFlags::empty(), options).unwrap();
    let (images, stores) = open(dir.path(), client_config());
    let name = registry.name("app:1");
    let (result, _) = pull(&images, &name).await;
    let named = images.resolve(&name).is_ok();
    let layers = stores.snapshotter.layers().unwrap().len();
    let used = || {
        let stat = rustix::fs::statvfs(dir.path()).unwrap();
        (stat.f_blocks - stat.f_bfree) * stat.f_frsize
    };
    let used_after = used();
    let grow = c"size=100m";
    rustix::mount::mount_remount(dir.path(), MountFlags::empty(), grow).unwrap();
    let (second, _) = pull(&images, &name).await;
    drop((images, stores));
    unmount(dir.path(), UnmountFlags::empty()).unwrap();
    let error = result.unwrap_err();
    let text = types::error::chain(&error);
    assert!(text.contains("No space left on device"), "{text}");
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{text}");
    assert!(!named);
    assert!(layers <= 1, "only the small layer may stand");
    assert!(used_after < 3_000_000, "{used_after} bytes are still taken");
    assert_eq!(second.unwrap(), id, "and with space the same pull works");
}

/// The machine's own address: its traffic stays on the loopback device, but Docker's rule for
/// loopback does not cover it, so certificates count.
fn own_address() -> Option<String> {
    let out = std::process::Command::new("hostname").arg("-I").output().ok()?;
    String::from_utf8(out.stdout).ok()?.split_whitespace().next().map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_count_unless_the_registry_is_insecure() {
    let files = tempfile::tempdir().unwrap();
    let host = own_address();
    let (ca, certificate, key) = certificates(files.path(), host.as_deref().unwrap_or("127.0.0.1"));
    let setup = Setup { tls: Some((certificate.clone(), key.clone())), ..Setup::default() };
    let loopback = Registry::with(setup);
    filled(&loopback, &[1000]).await; // unknown authority, but loopback
    let Some(host) = host else {
        eprintln!("skipped the verified half: the machine has no address but loopback");
        return;
    };
    let setup = Setup { tls: Some((certificate, key)), host: Some(host), ..Setup::default() };
    let registry = Registry::with(setup);
    let authority = registry.address.to_string();
    let name = registry.name("app:1");
    let strict = house();
    strict.import(&name, tar_of(&[("a", b"1")])).await;
    let (result, _) = push_as(&strict.images, &name, None).await;
    let text = types::error::chain(&result.unwrap_err());
    assert!(text.contains("UnknownIssuer"), "{text}");

    let certs = files.path().join("certs.d").join(&authority);
    std::fs::create_dir_all(&certs).unwrap();
    std::fs::copy(ca, certs.join("ca.crt")).unwrap();
    let trusting = house_with(ClientConfig {
        certificate_dirs: vec![files.path().join("certs.d")],
        ..client_config()
    });
    trusting.import(&name, tar_of(&[("a", b"1")])).await;
    push(&trusting.images, &name).await;
    let insecure = house_with(ClientConfig {
        insecure_registries: vec![authority.parse().unwrap()],
        ..client_config()
    });
    pull(&insecure.images, &name).await.0.unwrap();

    let plain = Registry::with(Setup { host: own_address(), ..Setup::default() });
    let (result, _) = pull(&strict.images, &plain.name("app:1")).await;
    let text = types::error::chain(&result.unwrap_err());
    assert!(text.ends_with("http: server gave HTTP response to HTTPS client"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_tags_come_and_go_together() {
    let registry = Registry::start();
    let from = house();
    let repository = registry.name("app");
    for tag in ["1", "2"] {
        from.import(&format!("{repository}:{tag}"), tar_of(&[("a", tag.as_bytes())])).await;
    }
    let reference: Reference = repository.parse().unwrap();
    let request =
        PushRequest { reference: reference.clone(), credentials: None, is_all_tags: true };
    from.images.push(request, None).await.unwrap();
    let to = house();
    let mut request = PullRequest::new(reference);
    request.is_all_tags = true;
    to.images.pull(request, None).await.unwrap();
    for tag in ["1", "2"] {
        to.images.resolve(&format!("{repository}:{tag}")).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mirrors_are_asked_first_for_docker_io() {
    let registry = Registry::start();
    let from = house();
    let name = registry.name("library/app:1");
    let id = from.import(&name, tar_of(&[("a", b"1")])).await;
    push(&from.images, &name).await;
    let to = house_with(ClientConfig {
        mirrors: vec![format!("http://{}", registry.address).parse().unwrap()],
        ..client_config()
    });
    let (result, events) = pull(&to.images, "app:1").await;
    assert_eq!(result.unwrap(), id);
    assert_eq!(lines(&events)[0], "1: Pulling from library/app");
    assert_eq!(to.images.resolve("app:1").unwrap().id, id);
}

/// Against a registry with token accounts that somebody started, e.g. `gantry-hub serve`:
/// `GANTRY_TEST_REGISTRY=127.0.0.1:5000 GANTRY_TEST_ACCOUNT=me:password`.
#[tokio::test(flavor = "multi_thread")]
async fn a_given_registry_takes_and_gives_back() {
    let (Ok(host), Ok(account)) =
        (std::env::var("GANTRY_TEST_REGISTRY"), std::env::var("GANTRY_TEST_ACCOUNT"))
    else {
        eprintln!("skipped: GANTRY_TEST_REGISTRY and GANTRY_TEST_ACCOUNT are not set");
        return;
    };
    let (user, password) = account.split_once(':').unwrap();
    let me = credentials(user, password);
    let app = format!("{user}/app{}", std::process::id());
    let from = house();
    from.images.login(&host, me.as_ref().unwrap()).await.unwrap();
    let wrong = credentials(user, "wrong").unwrap();
    let error = from.images.login(&host, &wrong).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error}");
    let address = host.parse().unwrap();
    let rules = Rules { up_limit: 3_000_000, cuts: 2, ..Rules::default() };
    let proxy = Proxy::start(address, rules).await;
    let name = format!("{host}/{app}:1");
    let id = from.stack(&name, layers(&[70_000_000, 1000])).await;
    from.images.tag(&name, &proxy.name(&format!("{app}:1")).parse().unwrap()).unwrap();
    let (result, _) = push_as(&from.images, &proxy.name(&format!("{app}:1")), me.clone()).await;
    result.unwrap();
    assert_eq!(proxy.cut_count(), 2);
    push_as(&from.images, &name, me.clone()).await.0.unwrap();
    let other = format!("{host}/{app}-other:1");
    from.images.tag(&name, &other.parse().unwrap()).unwrap();
    let (result, events) = push_as(&from.images, &other, me.clone()).await;
    result.unwrap();
    assert_eq!(count(&events, &LayerStatus::MountedFrom(app.clone())), 2);
    let rules = Rules { down_limit: 20_000_000, cuts: 3, ..Rules::default() };
    let proxy = Proxy::start(address, rules).await;
    let to = house();
    let mut request = PullRequest::new(proxy.name(&format!("{app}:1")).parse().unwrap());
    request.credentials.clone_from(&me);
    assert_eq!(pull_as(&to.images, request).await.0.unwrap(), id);
    // What was on the wire when a connection fell is lost, the rest is not sent again.
    assert!(proxy.down() < 85_000_000, "{}", proxy.down());
    let search =
        image::SearchRequest { term: format!("{host}/app"), credentials: me, ..Default::default() };
    let found = to.images.search(search).await.unwrap();
    assert!(found.iter().any(|result| result.name.ends_with(&app)), "{found:?}");
}
