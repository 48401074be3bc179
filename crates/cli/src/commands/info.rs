//! `info`.

use client::Request;
use engine_api::info::SystemInfo;

use crate::{
    failure,
    grammar::Parsed,
    human, output,
    session::{Session, VERSION},
    template::render_document,
};

/// Runs the command.
pub async fn run(session: &Session, flags: &Parsed) -> anyhow::Result<u8> {
    let answer = session.client.bytes(Request::get("/info")).await;
    let format = flags.text("format");
    if !format.is_empty() {
        let mut document: serde_json::Value = serde_json::from_slice(&answer?)?;
        if let Some(fields) = document.as_object_mut() {
            let client = serde_json::json!({
                "Debug": session.is_debugging, "Version": VERSION, "Context": session.choice.context,
                "Plugins": [], "Warnings": null,
            });
            fields.insert("ClientInfo".to_owned(), client);
        }
        output::line(&render_document(format, &document)?)?;
        return Ok(0);
    }
    output::print(&format!(
        "Client:\n Version:    {VERSION}\n Context:    {}\n Debug Mode: {}\n\nServer:\n",
        session.choice.context, session.is_debugging
    ))?;
    match answer {
        Ok(bytes) => {
            let info: SystemInfo = engine_api::from_slice(&bytes)?;
            output::print(&server(&info))?;
            for warning in info.warnings.iter().flatten() {
                output::error_line(warning);
            }
            Ok(0)
        }
        Err(error) => {
            output::error_line(&failure::text(&error.into()));
            Ok(1)
        }
    }
}

fn names(list: Option<&Vec<String>>) -> String {
    list.map(|names| names.join(" ")).unwrap_or_default()
}

fn server(info: &SystemInfo) -> String {
    let mut rows: Vec<(usize, String, String)> = Vec::new();
    let mut add = |depth: usize, label: &str, value: String| {
        rows.push((depth, label.to_owned(), value));
    };
    add(1, "Containers", info.containers.to_string());
    add(2, "Running", info.containers_running.to_string());
    add(2, "Paused", info.containers_paused.to_string());
    add(2, "Stopped", info.containers_stopped.to_string());
    add(1, "Images", info.images.to_string());
    add(1, "Server Version", info.server_version.clone());
    add(1, "Storage Driver", info.driver.clone());
    for (label, value) in &info.driver_status {
        add(2, label, value.clone());
    }
    add(1, "Logging Driver", info.logging_driver.clone());
    add(1, "Cgroup Driver", info.cgroup_driver.clone());
    add(1, "Cgroup Version", info.cgroup_version.clone());
    add(1, "Plugins", String::new());
    add(2, "Volume", names(info.plugins.volume.as_ref()));
    add(2, "Network", names(info.plugins.network.as_ref()));
    add(2, "Log", names(info.plugins.log.as_ref()));
    if !info.cdi_spec_dirs.is_empty() {
        add(1, "CDI spec directories", String::new());
        for dir in &info.cdi_spec_dirs {
            add(2, dir, String::new());
        }
    }
    add(1, "Swarm", info.swarm.local_node_state.clone());
    let runtimes: Vec<_> = info.runtimes.keys().cloned().collect();
    add(1, "Runtimes", runtimes.join(" "));
    add(1, "Default Runtime", info.default_runtime.clone());
    add(1, "Init Binary", info.init_binary.clone());
    for (label, commit) in [
        ("containerd version", &info.containerd_commit),
        ("runc version", &info.runc_commit),
        ("init version", &info.init_commit),
    ] {
        add(1, label, commit.id.clone());
    }
    add(1, "Security Options", String::new());
    for option in &info.security_options {
        let (name, rest) = security(option);
        rows.push((2, name, String::new()));
        for (key, value) in rest {
            rows.push((3, key, value));
        }
    }
    let mut add = |depth: usize, label: &str, value: String| {
        rows.push((depth, label.to_owned(), value));
    };
    add(1, "Kernel Version", info.kernel_version.clone());
    add(1, "Operating System", info.operating_system.clone());
    add(1, "OSType", info.os_type.clone());
    add(1, "Architecture", info.architecture.clone());
    add(1, "CPUs", info.ncpu.to_string());
    add(1, "Total Memory", human::binary_size(info.mem_total as f64));
    add(1, "Name", info.name.clone());
    add(1, "ID", info.id.clone());
    add(1, "Docker Root Dir", info.docker_root_dir.clone());
    add(1, "Debug Mode", info.debug.to_string());
    add(1, "Experimental", info.experimental_build.to_string());
    if let Some(config) = &info.registry_config {
        add(1, "Insecure Registries", String::new());
        for (name, index) in config.index_configs.iter().filter(|(_, index)| !index.secure) {
            let _ = index;
            rows.push((2, name.clone(), String::new()));
        }
        for cidr in config.insecure_registry_cidrs.iter().flatten() {
            rows.push((2, cidr.clone(), String::new()));
        }
    }
    rows.push((1, "Live Restore Enabled".to_owned(), info.live_restore_enabled.to_string()));
    rows.iter().map(|(depth, label, value)| row(*depth, label, value)).collect::<String>() + "\n"
}

fn row(depth: usize, label: &str, value: &str) -> String {
    let line = format!("{}{label}: {value}", " ".repeat(depth));
    let is_bare = value.is_empty() && depth > 1;
    let line = if is_bare { line.trim_end_matches(": ").to_owned() } else { line };
    format!("{}\n", line.trim_end())
}

/// `name=seccomp,profile=builtin` as a name and its settings.
fn security(option: &str) -> (String, Vec<(String, String)>) {
    let pairs = option.split(',').filter_map(|pair| pair.split_once('='));
    let mut name = String::new();
    let mut rest = Vec::new();
    for (key, value) in pairs {
        match key {
            "name" => value.clone_into(&mut name),
            "profile" => rest.push(("Profile".to_owned(), value.to_owned())),
            key => rest.push((key.to_owned(), value.to_owned())),
        }
    }
    if name.is_empty() { (option.to_owned(), rest) } else { (name, rest) }
}
