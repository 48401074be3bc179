//! The documents keep Go's rules for null, omitempty, case and string-or-list.

use gantry_engine_api::{
    self as engine_api,
    container::{
        ContainerConfig, ContainerCreateRequest, ContainerInspect, ContainerUpdateRequest,
    },
    from_slice,
    host_config::HostConfig,
};
use serde_json::{Value, json};

fn written<T: serde::Serialize>(document: &T) -> Value {
    serde_json::to_value(document).expect("documents serialise")
}

#[test]
fn nil_lists_are_null_and_omitempty_fields_are_left_out() {
    let value = written(&ContainerConfig::default());
    for key in ["Cmd", "Entrypoint", "Volumes", "Env", "OnBuild"] {
        assert_eq!(value.get(key), Some(&Value::Null), "{key}");
    }
    assert_eq!(value["Labels"], json!({}));
    for key in ["ExposedPorts", "Healthcheck", "StopSignal", "StopTimeout", "Shell", "MacAddress"] {
        assert_eq!(value.get(key), None, "{key}");
    }
}

#[test]
fn host_config_and_resources_are_one_level() {
    let mut host = HostConfig::default();
    host.resources.memory = 7;
    let value = written(&host);
    assert_eq!(value["Memory"], 7);
    assert_eq!(value["Binds"], Value::Null);
    assert_eq!(value["ConsoleSize"], json!([0, 0]));
    assert_eq!(value.get("resources"), None);
    assert_eq!(serde_json::from_value::<HostConfig>(value).unwrap(), host);
}

#[test]
fn keys_match_whatever_their_case_at_every_depth_but_map_keys_keep_theirs() {
    let body = br#"{"image":"busybox","CMD":"echo hi","labels":{"Key":"v","KEY":"w"},
        "hostconfig":{"memory":5,"logconfig":{"type":"local"},"restartpolicy":{"NAME":"always"},
        "portbindings":{"80/tcp":[{"hostport":8080}]}},
        "networkingConfig":{"endpointsconfig":{"n":{"ipamconfig":{"ipv4address":"10.0.0.2"}}}}}"#;
    let request: ContainerCreateRequest = from_slice(body).unwrap();
    assert_eq!(request.config.cmd, Some(vec!["echo hi".to_owned()]));
    assert_eq!(request.config.labels.len(), 2);
    let host = request.host_config.unwrap();
    assert_eq!(host.resources.memory, 5);
    assert_eq!(host.log_config.kind, "local");
    assert_eq!(host.restart_policy.name, "always");
    assert_eq!(host.port_bindings.unwrap()["80/tcp"].as_ref().unwrap()[0].host_port, "8080");
    let endpoints = request.networking_config.unwrap().endpoints_config.unwrap();
    assert_eq!(endpoints["n"].ipam_config.as_ref().unwrap().ipv4_address, "10.0.0.2");
}

#[test]
fn null_stands_for_the_default_everywhere() {
    fn nulled(value: &Value) -> Value {
        match value {
            Value::Object(entries) => entries
                .keys()
                .map(|key| (key.clone(), Value::Null))
                .collect::<serde_json::Map<_, _>>()
                .into(),
            other => other.clone(),
        }
    }
    let all_null = nulled(&written(&ContainerInspect::default()));
    assert_eq!(
        serde_json::from_value::<ContainerInspect>(all_null).unwrap(),
        ContainerInspect::default()
    );
    let host = nulled(&written(&HostConfig::default()));
    assert_eq!(serde_json::from_value::<HostConfig>(host).unwrap(), HostConfig::default());
    assert_eq!(
        from_slice::<ContainerConfig>(br#"{"Env":null,"Tty":null,"Cmd":null}"#).unwrap(),
        ContainerConfig::default()
    );
}

#[test]
fn unknown_keys_are_ignored_and_wrong_types_are_refused() {
    assert!(from_slice::<ContainerConfig>(br#"{"Nonsense":{"a":[1]},"Tty":true}"#).unwrap().tty);
    assert!(from_slice::<ContainerConfig>(br#"{"Tty":"yes"}"#).is_err());
    assert!(from_slice::<ContainerConfig>(br#"{"Env":"A=b"}"#).is_err());
    assert!(from_slice::<ContainerConfig>(b"[]").is_err());
    assert!(from_slice::<ContainerConfig>(b"{} x").is_err());
}

#[test]
fn of_keys_that_differ_in_case_the_exact_one_wins() {
    let config: ContainerConfig = from_slice(br#"{"IMAGE":"b","Image":"a","image":"c"}"#).unwrap();
    assert_eq!(config.image, "a");
}

#[test]
fn an_update_carries_resources_beside_the_restart_policy() {
    let update: ContainerUpdateRequest =
        from_slice(br#"{"Memory":1,"PidsLimit":null,"RestartPolicy":{"Name":"no"}}"#).unwrap();
    assert_eq!(update.resources.memory, 1);
    assert_eq!(update.resources.pids_limit, None);
    assert_eq!(update.restart_policy.name, "no");
}

#[test]
fn secrets_do_not_show_in_debug() {
    let auth: engine_api::auth::AuthConfig =
        from_slice(br#"{"username":"u","password":"hunter2"}"#).unwrap();
    assert!(!format!("{auth:?}").contains("hunter2"));
    assert_eq!(auth.password.expose(), "hunter2");
}

#[test]
fn null_elements_of_maps_and_lists_are_zero_values() {
    let request: ContainerCreateRequest = from_slice(
        br#"{"Env":["A=b",null],"Volumes":{"/v":null},"Labels":{"a":null},
            "NetworkingConfig":{"EndpointsConfig":{"net":null}},
            "HostConfig":{"Mounts":[null],"PortBindings":{"80/tcp":[null]}}}"#,
    )
    .unwrap();
    assert_eq!(request.config.env.unwrap(), ["A=b", ""]);
    assert!(request.config.volumes.unwrap().contains_key("/v"));
    assert_eq!(request.config.labels["a"], "");
    assert!(request.networking_config.unwrap().endpoints_config.unwrap().contains_key("net"));
    assert_eq!(request.host_config.unwrap().mounts.len(), 1);
}

#[test]
fn a_time_that_never_was_is_the_year_one() {
    let value = written(&engine_api::stats::StatsResponse::default());
    assert_eq!(value["read"], engine_api::ZERO_TIME);
    assert_eq!(written(&ContainerInspect::default())["State"]["StartedAt"], engine_api::ZERO_TIME);
}

#[test]
fn a_body_is_one_document_with_nothing_after_it() {
    let text = |body: &str| match gantry_engine_api::from_body::<ContainerConfig>(body.as_bytes()) {
        Ok(document) => format!("{}", document.is_some()),
        Err(error) => error.to_string(),
    };
    assert_eq!(text(r#" {"Image":"a"} "#), "true");
    assert_eq!(text("null"), "false");
    assert_eq!(text("{} trailing content"), "unexpected content after JSON");
    assert_eq!(text("{}]"), "true");
    assert_eq!(text(" "), "invalid JSON: got EOF while reading request body");
    assert_eq!(
        text("{invalid json"),
        "invalid JSON: invalid character 'i' looking for beginning of object key string"
    );
    assert!(text(r#"{"Image":[1]}"#).starts_with("invalid JSON: "));
}
