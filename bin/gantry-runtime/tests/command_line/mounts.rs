//! Mount namespaces, the order of mounts, their owners.

use std::{fs, os::unix::fs::MetadataExt, process::Command};

use serde_json::{Value, json};

use crate::bundle::{Bundle, GANTRY, text};

fn without_covers(config: &mut Value) {
    let linux = config["linux"].as_object_mut().unwrap();
    linux.remove("maskedPaths");
    linux.remove("readonlyPaths");
}

fn namespaces(config: &mut Value) -> &mut Vec<Value> {
    config["linux"]["namespaces"].as_array_mut().unwrap()
}

fn map_users(config: &mut Value) {
    let mappings = json!([{"containerID": 0, "hostID": 100_000, "size": 65_536}]);
    config["linux"]["uidMappings"] = mappings.clone();
    config["linux"]["gidMappings"] = mappings;
    namespaces(config).push(json!({"type": "user"}));
}

#[test]
fn a_container_without_a_mount_namespace_leaves_no_mount() {
    let bundle = Bundle::new("hostmounts", &["sh", "-c", "cat /proc/self/mountinfo"]);
    bundle.configure(|config| {
        without_covers(config);
        namespaces(config).retain(|namespace| namespace["type"] != "mount");
    });
    // In a mount namespace of the test's: a failure leaves nothing on the machine either.
    let script = "\"$0\" --root \"$1/state\" run --bundle \"$1\" \"$2\"; \
                  echo code $?; grep -c \"$1\" /proc/self/mountinfo";
    let output = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-c", script])
        .args([GANTRY, bundle.path(), &bundle.id])
        .output()
        .unwrap();
    let text = text(&output);
    assert!(text.contains(&format!("{}/rootfs", bundle.path())), "{output:?}");
    assert!(text.ends_with("code 0\n0\n"), "{output:?}");
}

#[test]
fn covers_need_a_mount_namespace() {
    let bundle = Bundle::new("covers", &["sh"]);
    bundle.configure(|config| {
        namespaces(config).retain(|namespace| namespace["type"] != "mount");
    });
    let output = bundle.gantry(&["run", "--bundle", bundle.path(), &bundle.id]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("without a private mount namespace"), "{error}");
}

#[test]
fn a_container_joins_a_mount_namespace() {
    let bundle = Bundle::new("joined", &["ls", "-l", "/proc/self/ns/mnt"]);
    let mut holder = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sleep", "1000"])
        .spawn()
        .unwrap();
    let path = format!("/proc/{}/ns/mnt", holder.id());
    let own = fs::read_link("/proc/self/ns/mnt").unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    let theirs = loop {
        let theirs = fs::read_link(&path).unwrap();
        if theirs != own {
            break theirs;
        }
        assert!(std::time::Instant::now() < deadline);
        std::thread::yield_now();
    };
    bundle.configure(|config| {
        namespaces(config).retain(|namespace| namespace["type"] != "mount");
        namespaces(config).push(json!({"type": "mount", "path": path}));
    });
    let output = bundle.gantry(&["run", "--bundle", bundle.path(), &bundle.id]);
    holder.kill().unwrap();
    holder.wait().unwrap();
    assert!(text(&output).contains(theirs.to_str().unwrap()), "{output:?}");
}

#[test]
fn mounts_are_listed_in_the_order_of_the_configuration() {
    let bundle = Bundle::new("order", &["cat", "/proc/self/mounts"]);
    let source = bundle.directory.join("source");
    fs::create_dir(&source).unwrap();
    bundle.configure(|config| {
        let mounts = config["mounts"].as_array_mut().unwrap();
        let bind = |to: &str| {
            json!({"destination": to, "type": "bind", "source": source, "options": ["bind"]})
        };
        mounts.insert(0, bind("/first"));
        mounts.insert(3, bind("/middle"));
        mounts.push(bind("/last"));
    });
    let output = bundle.gantry(&["run", "--bundle", bundle.path(), &bundle.id]);
    let listed = text(&output);
    let order: Vec<&str> = listed
        .lines()
        .filter_map(|line| line.split(' ').nth(1))
        .filter(|point| ["/first", "/proc", "/dev", "/middle", "/sys", "/last"].contains(point))
        .collect();
    assert_eq!(order, ["/first", "/proc", "/dev", "/middle", "/sys", "/last"], "{output:?}");
}

#[test]
fn a_root_that_is_not_pivoted_to_is_the_root_all_the_same() {
    let bundle = Bundle::new("nopivot", &["sh", "-c", "ls /; ls /proc/1/root/"]);
    let run = ["run", "--no-pivot", "--bundle", bundle.path(), &bundle.id];
    let root = "bin\ndev\netc\nproc\nsys\n";
    let output = bundle.gantry(&run);
    assert_eq!(text(&output), format!("{root}{root}"), "{output:?}");
}

#[test]
fn an_id_mapped_mount_shows_and_keeps_other_owners() {
    let bundle = Bundle::new("idmap", &["sh", "-c", "touch /data/new; ls -ln /data | cat"]);
    let data = bundle.directory.join("data");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("old"), "").unwrap();
    // The container's root has no right to make it: the root's files are not its own.
    fs::create_dir(bundle.directory.join("rootfs/data")).unwrap();
    bundle.configure(|config| {
        map_users(config);
        config["mounts"].as_array_mut().unwrap().push(json!({
            "destination": "/data", "type": "bind", "source": data, "options": ["bind", "idmap"],
        }));
    });
    let output = bundle.gantry(&["run", "--bundle", bundle.path(), &bundle.id]);
    let owners: Vec<Vec<String>> = text(&output)
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().skip(2).take(2).map(str::to_owned).collect())
        .collect();
    assert_eq!(owners, [["0", "0"], ["0", "0"]], "{output:?}");
    let meta = fs::metadata(data.join("new")).unwrap();
    assert_eq!((meta.uid(), meta.gid()), (0, 0));
}

#[test]
fn clocks_are_set_in_a_user_namespace_too() {
    let bundle = Bundle::new("clocks", &["cat", "/proc/uptime"]);
    bundle.configure(|config| {
        map_users(config);
        namespaces(config).push(json!({"type": "time"}));
        config["linux"]["timeOffsets"] = json!({"boottime": {"secs": 864_000_000}});
    });
    let output = bundle.gantry(&["run", "--bundle", bundle.path(), &bundle.id]);
    let uptime: f64 =
        text(&output).split(' ').next().and_then(|word| word.parse().ok()).unwrap_or_default();
    assert!(uptime > 864_000_000.0, "{output:?}");
}
