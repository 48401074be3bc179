//! Links between containers of the default bridge.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, in its helpers too")]

use testkit::Engine;

fn sleeper(engine: &Engine, name: &str, flags: &[&str]) -> String {
    let mut arguments = vec!["run", "-d", "--name", name];
    arguments.extend(flags);
    arguments.extend(["busybox", "sleep", "1000"]);
    engine.docker(&arguments).ok().lines().last().unwrap_or_default().to_owned()
}

#[test]
fn a_link_gives_a_name_an_address_and_variables() {
    let engine = Engine::start();
    sleeper(&engine, "db", &["-e", "COLOUR=red", "--expose", "5432"]);
    sleeper(&engine, "app", &["--link", "db:store"]);
    let address =
        engine.ok(&["inspect", "-f", "{{.NetworkSettings.Networks.bridge.IPAddress}}", "db"]);
    let hosts = engine.ok(&["exec", "app", "cat", "/etc/hosts"]);
    assert!(hosts.contains(&format!("{address}\tstore ")), "{hosts}");
    engine.ok(&["exec", "app", "ping", "-c", "1", "-W", "5", "store"]);
    let env = engine.ok(&["exec", "app", "env"]);
    for line in [
        "STORE_NAME=/app/store".to_owned(),
        "STORE_ENV_COLOUR=red".to_owned(),
        format!("STORE_PORT_5432_TCP=tcp://{address}:5432"),
    ] {
        assert!(env.lines().any(|variable| variable == line), "{line} is not in {env}");
    }
    assert_eq!(engine.ok(&["inspect", "-f", "{{.HostConfig.Links}}", "app"]), "[/db:/app/store]");
    assert_eq!(
        engine.ok(&["ps", "--no-trunc", "--filter", "name=db", "--format", "{{.Names}}"]),
        "db,app/store"
    );
}

#[test]
fn a_link_survives_renaming_and_restart_and_can_be_removed() {
    let engine = Engine::start();
    let db = sleeper(&engine, "db", &[]);
    sleeper(&engine, "app", &["--link", "db:store"]);
    engine.ok(&["rename", "app", "site"]);
    engine.ok(&["rename", "db", "postgres"]);
    assert_eq!(engine.ok(&["inspect", "-f", "{{.Id}}", "site/store"]), db);
    // Another container takes the address meanwhile: the linking one learns the new one.
    engine.ok(&["stop", "-t", "0", "postgres"]);
    sleeper(&engine, "third", &[]);
    engine.ok(&["start", "postgres"]);
    let format = "{{.NetworkSettings.Networks.bridge.IPAddress}}";
    let address = engine.ok(&["inspect", "-f", format, "postgres"]);
    let hosts = engine.ok(&["exec", "site", "cat", "/etc/hosts"]);
    assert!(hosts.contains(&format!("{address}\tstore ")), "{hosts}");
    engine.ok(&["rm", "--link", "site/store"]);
    assert_eq!(engine.ok(&["inspect", "-f", "{{.HostConfig.Links}}", "site"]), "[]");
    assert!(!engine.ok(&["exec", "site", "cat", "/etc/hosts"]).contains("store"));
    engine.docker(&["rm", "--link", "site"]).fails(1, "cannot remove the default link name");
}

#[test]
fn impossible_links_are_refused() {
    let engine = Engine::start();
    let link = |link: &str| engine.docker(&["run", "--rm", "--link", link, "busybox", "true"]);
    link("nosuch").fails(125, "could not get container for nosuch: No such container: nosuch");
    engine.ok(&["create", "--name", "idle", "busybox", "true"]);
    link("idle").fails(125, "Cannot link to a non running container: /idle AS /");
    engine.ok(&["run", "-d", "--name", "open", "--network", "host", "busybox", "sleep", "1000"]);
    link("open").fails(125, "conflicting options: host type networking can't be used with links");
}
