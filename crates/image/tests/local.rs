//! Images without a registry: import, commit, names, removal, archives.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod support;

use std::{collections::BTreeMap, io::Cursor, process::Command, sync::Arc};

use gantry_image as image;
use image::{
    CommitRequest, ImageError, ImageFilters, ImageUse, ImageUser, LoadRequest, NoContainers,
    RemoveRequest, Removed,
};
use support::{gzip, house, noise, open, tar_of};
use types::{Classify, ContainerId, Digest, ErrorKind};

struct Users(Vec<(Digest, bool)>);

impl ImageUse for Users {
    fn containers_using(&self, id: &Digest) -> Vec<ImageUser> {
        let mine = self.0.iter().filter(|(used, _)| used == id);
        mine.map(|(_, is_running)| ImageUser {
            container: ContainerId::random(),
            name: "c".into(),
            is_running: *is_running,
        })
        .collect()
    }
}

fn removal(name: &str) -> RemoveRequest {
    RemoveRequest { name: name.into(), ..Default::default() }
}

fn forced(name: &str) -> RemoveRequest {
    RemoveRequest { is_forced: true, ..removal(name) }
}

#[tokio::test]
async fn import_makes_an_image_that_all_names_find() {
    let house = house();
    let id = house.import("app:1", gzip(&tar_of(&[("a", b"hello")]))).await;
    for name in ["app:1", &id.to_string(), id.hex(), id.short(), "docker.io/library/app:1"] {
        assert_eq!(house.images.resolve(name).unwrap().id, id, "{name}");
    }
    let image = house.images.resolve("app:1").unwrap();
    let config = image.config.config.as_ref().unwrap();
    assert_eq!(config.cmd.as_ref().unwrap(), &["/bin/sh"]);
    assert_eq!(image.size_bytes, 5);
    assert_eq!(image.config.history[0].comment.as_deref(), Some("Imported from -"));
    let error = house.images.resolve("app").unwrap_err();
    assert_eq!(error.to_string(), "No such image: app:latest");
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn tags_move_and_ambiguous_ids_are_refused() {
    let house = house();
    let one = house.import("one", tar_of(&[("a", b"1")])).await;
    let mut ids = vec![one.clone()];
    // 17 images: two share their first character.
    for at in 0..16 {
        ids.push(house.import(&format!("n:{at}"), tar_of(&[("a", &[b'x', at])])).await);
    }
    house.images.tag("one", &"n:3".parse().unwrap()).unwrap();
    assert_eq!(house.images.resolve("n:3").unwrap().id, one);
    let first = |id: &Digest| id.hex()[..1].to_owned();
    let doubled = ids.iter().find(|a| ids.iter().filter(|b| first(a) == first(b)).count() > 1);
    let error = house.images.resolve(&first(doubled.unwrap())).unwrap_err();
    assert!(matches!(error, ImageError::Ambiguous { .. }), "{error}");
}

#[tokio::test]
async fn removing_the_last_name_removes_layers_that_nobody_else_has() {
    let house = house();
    let none: Arc<dyn ImageUse> = Arc::new(NoContainers);
    let base = tar_of(&[("base", b"base")]);
    let a = house.stack("a:1", vec![base.clone(), tar_of(&[("a", b"a")])]).await;
    house.stack("b:1", vec![base, tar_of(&[("b", b"b")])]).await;
    assert_eq!(house.counts(), (3, 3));
    house.images.tag("a:1", &"c:1".parse().unwrap()).unwrap();
    let removed = house.images.remove(removal("a:1"), none.clone()).await.unwrap();
    assert_eq!(removed, [Removed::Untagged("a:1".into())]);
    let removed = house.images.remove(removal("c:1"), none.clone()).await.unwrap();
    assert_eq!(removed[0], Removed::Untagged("c:1".into()));
    assert_eq!(removed[1], Removed::Deleted(a.to_string()));
    assert_eq!(house.counts(), (2, 2), "the base stays");
    house.images.remove(removal("b:1"), none).await.unwrap();
    assert_eq!(house.counts(), (0, 0));
    assert!(house.images.list(&ImageFilters::default()).unwrap().is_empty());
}

#[tokio::test]
async fn conflicts_have_dockers_texts() {
    let house = house();
    let id = house.import("x:1", tar_of(&[("a", b"1")])).await;
    let stopped: Arc<dyn ImageUse> = Arc::new(Users(vec![(id.clone(), false)]));
    let running: Arc<dyn ImageUse> = Arc::new(Users(vec![(id.clone(), true)]));
    let text = |error: ImageError| {
        assert_eq!(error.kind(), ErrorKind::Conflict);
        error.to_string()
    };
    let error = text(house.images.remove(removal("x:1"), stopped.clone()).await.unwrap_err());
    assert!(
        error.starts_with(
            "conflict: unable to remove repository reference \"x:1\" (must force) - container "
        ) && error.ends_with(&format!("is using its referenced image {}", id.short())),
        "{error}"
    );
    let error = text(house.images.remove(forced(id.short()), running).await.unwrap_err());
    assert!(
        error.starts_with(&format!(
            "conflict: unable to delete {} (cannot be forced) - image is being used by running container ",
            id.short()
        )),
        "{error}"
    );
    house.images.tag("x:1", &"y:1".parse().unwrap()).unwrap();
    let none: Arc<dyn ImageUse> = Arc::new(NoContainers);
    let error = text(house.images.remove(removal(id.short()), none).await.unwrap_err());
    assert_eq!(
        error,
        format!(
            "conflict: unable to delete {} (must be forced) - image is referenced in multiple repositories",
            id.short()
        )
    );
    // By force below a stopped container: hidden, its layers stay until the container is gone.
    house.images.remove(forced(id.short()), stopped.clone()).await.unwrap();
    assert!(house.images.resolve(id.short()).is_err());
    assert_eq!(house.images.get(&id).unwrap().diff_ids.len(), 1);
    house.images.sweep(stopped).await.unwrap();
    assert_eq!(house.counts(), (1, 1));
    house.images.sweep(Arc::new(NoContainers)).await.unwrap();
    assert_eq!(house.counts(), (0, 0));
}

#[tokio::test]
async fn a_parent_with_children_stays_and_goes_with_its_last_child() {
    let house = house();
    let none: Arc<dyn ImageUse> = Arc::new(NoContainers);
    let layers = vec![tar_of(&[("a", b"1")]), tar_of(&[("b", b"2")])];
    house.stack("top:1", layers).await;
    let top = house.images.resolve("top:1").unwrap();
    let parent = top.parent.clone().unwrap();
    let error = house.images.remove(removal(parent.hex()), none.clone()).await.unwrap_err();
    assert!(error.to_string().ends_with("(cannot be forced) - image has dependent child images"));
    assert_eq!(house.images.list_top(&ImageFilters::default()).unwrap().len(), 1);
    let history = house.images.history("top:1").unwrap();
    assert_eq!(history.iter().map(|step| step.size_bytes).collect::<Vec<_>>(), [1, 1]);
    assert_eq!(history[0].created_by, "step 1");
    house.images.remove(removal("top:1"), none).await.unwrap();
    assert_eq!(house.counts(), (0, 0));
}

#[tokio::test]
async fn filters_select() {
    let house = house();
    house.import("busybox:1", tar_of(&[("a", b"1")])).await;
    house.import("user/app:2", tar_of(&[("a", b"2")])).await;
    house.import("user/app:2", tar_of(&[("a", b"3")])).await; // the first becomes dangling
    let names = |key: &str, value: &str| -> usize {
        let map = BTreeMap::from([(key.to_owned(), vec![value.to_owned()])]);
        house.images.list(&ImageFilters::from_map(&map).unwrap()).unwrap().len()
    };
    assert_eq!(names("dangling", "true"), 1);
    assert_eq!(names("dangling", "false"), 2);
    assert_eq!(names("reference", "busybox"), 1);
    assert_eq!(names("reference", "*/app"), 1);
    assert_eq!(names("label", "made=here"), 3);
    assert_eq!(names("label", "made=there"), 0);
    assert_eq!(names("since", "busybox:1"), 2);
    assert_eq!(names("before", "busybox:1"), 0);
    let pruned = house.images.prune(ImageFilters::default(), Arc::new(NoContainers)).await.unwrap();
    assert_eq!(pruned.removed.len(), 2);
    assert!(pruned.reclaimed_bytes > 0);
    let all = ImageFilters { dangling: Some(false), ..Default::default() };
    house.images.prune(all, Arc::new(NoContainers)).await.unwrap();
    assert_eq!(house.counts(), (0, 0));
}

#[tokio::test]
async fn a_held_image_is_not_deleted_under_its_holder() {
    let house = house();
    let id = house.import("x:1", tar_of(&[("a", b"1")])).await;
    let (image, hold) = house.images.resolve_held("x:1").unwrap();
    assert_eq!(image.id, id);
    let none: Arc<dyn ImageUse> = Arc::new(NoContainers);
    house.images.remove(removal("x:1"), none.clone()).await.unwrap();
    assert_eq!(house.counts(), (1, 1));
    drop(hold);
    house.images.sweep(none).await.unwrap();
    assert_eq!(house.counts(), (0, 0));
}

async fn saved(house: &support::House, names: &[&str]) -> Vec<u8> {
    let (reader, writer) = tokio::io::duplex(64 * 1024);
    let images = house.images.clone();
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    let saving = tokio::spawn(async move { images.save(names, writer).await });
    let mut bytes = Vec::new();
    let mut reader = reader;
    tokio::io::AsyncReadExt::read_to_end(&mut reader, &mut bytes).await.unwrap();
    saving.await.unwrap().unwrap();
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn save_and_load_keep_ids_names_and_manifests() {
    let from = house();
    let layers = vec![tar_of(&[("a", &noise(1, 300_000))]), tar_of(&[("b", b"2")])];
    let id = from.stack("app:1", layers).await;
    from.images.tag("app:1", &"hub.test/app:2".parse().unwrap()).unwrap();
    let other = from.import("other", tar_of(&[("c", b"3")])).await;
    let archive = saved(&from, &["app:1", "hub.test/app", other.short()]).await;
    assert_eq!(archive, saved(&from, &["app:1", "hub.test/app", other.short()]).await);
    let to = house();
    for bytes in [archive.clone(), gzip(&archive), zstd::encode_all(&archive[..], 1).unwrap()] {
        let (sender, mut events) = tokio::sync::mpsc::channel(1000);
        let loaded =
            to.images.load(LoadRequest::default(), Cursor::new(bytes), Some(sender)).await.unwrap();
        assert_eq!(loaded.len(), 2);
        assert_eq!(loaded[0].id, id);
        assert_eq!(loaded[0].references.len(), 2);
        assert_eq!(loaded[1].id, other);
        let mut lines = Vec::new();
        while let Some(event) = events.recv().await {
            if let image::Progress::Stream(line) = event {
                lines.push(line);
            }
        }
        assert!(lines.contains(&"Loaded image: app:1\n".to_owned()), "{lines:?}");
        assert!(lines.contains(&format!("Loaded image ID: {other}\n")), "{lines:?}");
    }
    assert_eq!(to.counts(), (3, 3));
    assert_eq!(to.images.resolve("hub.test/app:2").unwrap().id, id);
    assert_eq!(saved(&to, &["app:1"]).await, saved(&from, &["app:1"]).await);
    assert_eq!(std::fs::read_dir(to.dir.path().join("spool")).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn skopeo_reads_what_save_writes_and_load_reads_what_skopeo_writes() {
    let from = house();
    let layers = vec![tar_of(&[("a", &noise(2, 200_000))]), tar_of(&[("b", b"2")])];
    let id = from.stack("app:1", layers).await;
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("ours.tar"), saved(&from, &["app:1"]).await).unwrap();
    std::fs::create_dir(path("layout")).unwrap();
    let status =
        Command::new("tar").args(["-xf", &path("ours.tar"), "-C", &path("layout")]).status();
    assert!(status.unwrap().success());
    let skopeo = |from: String, to: String| {
        let out = Command::new("skopeo")
            .args(["--insecure-policy", "copy", &from, &to])
            .output()
            .unwrap();
        assert!(out.status.success(), "{from}: {}", String::from_utf8_lossy(&out.stderr));
    };
    skopeo(
        format!("docker-archive:{}", path("ours.tar")),
        format!("docker-archive:{}:theirs:1", path("d.tar")),
    );
    skopeo(format!("oci:{}", path("layout")), format!("oci-archive:{}:theirs:2", path("o.tar")));
    for (archive, name) in [("d.tar", "theirs:1"), ("o.tar", "theirs:2")] {
        let to = house();
        let file = tokio::fs::File::open(path(archive)).await.unwrap();
        let loaded = to.images.load(LoadRequest::default(), file, None).await.unwrap();
        assert_eq!(loaded[0].references[0].familiar(), name, "{archive}");
        let image = to.images.resolve(name).unwrap();
        assert_eq!(image.diff_ids, from.images.get(&id).unwrap().diff_ids);
    }
}

#[tokio::test]
async fn broken_archives_leave_nothing() {
    let house = house();
    let config = format!(
        "{{\"rootfs\":{{\"type\":\"layers\",\"diff_ids\":[\"sha256:{}\"]}}}}",
        "a".repeat(64)
    );
    let items = br#"[{"Config":"c.json","RepoTags":["x:1"],"Layers":["l.tar"]}]"#;
    let layer = tar_of(&[("f", b"1")]);
    let wrong_layer =
        tar_of(&[("manifest.json", items), ("c.json", config.as_bytes()), ("l.tar", &layer)]);
    let missing = tar_of(&[("manifest.json", items), ("c.json", config.as_bytes())]);
    let empty = tar_of(&[("x", b"")]);
    let truncated = wrong_layer[..1500].to_vec();
    for (what, bytes) in
        [("wrong", wrong_layer), ("missing", missing), ("empty", empty), ("cut", truncated)]
    {
        let loaded = house.images.load(LoadRequest::default(), Cursor::new(bytes), None).await;
        assert!(loaded.is_err(), "{what}");
        assert_eq!((house.counts(), house.ingests()), ((0, 0), 0), "{what}");
    }
    assert!(house.images.list(&ImageFilters::default()).unwrap().is_empty());
}

#[tokio::test]
async fn a_restart_removes_what_has_no_row_and_keeps_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let (images, stores) = open(dir.path(), support::client_config());
    let request = CommitRequest { reference: Some("x:1".parse().unwrap()), ..Default::default() };
    images.commit(request, Cursor::new(tar_of(&[("a", b"1")]))).await.unwrap();
    let stray = tar_of(&[("stray", b"1")]);
    stores.snapshotter.unpack(None, &mut &stray[..], &Default::default()).unwrap();
    stores.content.put(b"stray").unwrap();
    // As after a kill: a layer of a pull that did not get to its image.
    let held = images.add_layer(Cursor::new(tar_of(&[("next", b"2")]))).await.unwrap();
    let unfinished = held.diff_id.clone();
    drop((held, images, stores));
    let (images, stores) = open(dir.path(), support::client_config());
    assert_eq!(images.resolve("x:1").unwrap().size_bytes, 1);
    assert_eq!(stores.snapshotter.layers().unwrap().len(), 2);
    assert!(stores.snapshotter.contains(&unfinished).unwrap());
    assert_eq!(stores.content.digests().unwrap().len(), 2);
}
