//! Who may do what, asked of every route of the running program.

mod support;

use support::{Hub, MANIFEST, PASSWORD, digest, manifest};

/// Every kind of caller, and how a request to a repository of alice's shows who it is.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Who {
    Anonymous,
    Bob,
    Alice,
    Root,
}

const ALL: [Who; 4] = [Who::Anonymous, Who::Bob, Who::Alice, Who::Root];

impl Who {
    fn user(self) -> Option<&'static str> {
        match self {
            Self::Anonymous => None,
            Self::Bob => Some("bob"),
            Self::Alice => Some("alice"),
            Self::Root => Some("root"),
        }
    }

    fn owns(self) -> bool {
        matches!(self, Self::Alice | Self::Root)
    }
}

struct Route {
    method: &'static str,
    path: String,
    body: Vec<u8>,
    /// Whether those who may only pull are let through when the repository is public.
    is_read: bool,
}

fn routes(name: &str) -> Vec<Route> {
    let (config, layer) = (digest(b"{}"), digest(b"layer"));
    let document = manifest(&config, &layer, 5);
    let id = "0123456789abcdef0123456789abcdef";
    let of = |method, path: String, is_read| Route { method, path, body: vec![], is_read };
    vec![
        of("GET", format!("/v2/{name}/tags/list"), true),
        of("GET", format!("/v2/{name}/manifests/v1"), true),
        of("HEAD", format!("/v2/{name}/manifests/v1"), true),
        of("GET", format!("/v2/{name}/blobs/{layer}"), true),
        of("HEAD", format!("/v2/{name}/blobs/{layer}"), true),
        of("GET", format!("/v2/{name}/referrers/{layer}"), true),
        Route {
            method: "PUT",
            path: format!("/v2/{name}/manifests/v2"),
            body: document.into_bytes(),
            is_read: false,
        },
        of("POST", format!("/v2/{name}/blobs/uploads/"), false),
        of("GET", format!("/v2/{name}/blobs/uploads/{id}"), false),
        of("PATCH", format!("/v2/{name}/blobs/uploads/{id}"), false),
        of("PUT", format!("/v2/{name}/blobs/uploads/{id}?digest={layer}"), false),
        of("DELETE", format!("/v2/{name}/blobs/uploads/{id}"), false),
        of("DELETE", format!("/v2/{name}/blobs/{}", digest(b"no such")), false),
        of("DELETE", format!("/v2/{name}/manifests/no-such-tag"), false),
    ]
}

fn is_refused(status: u16) -> bool {
    matches!(status, 401 | 403)
}

#[test]
fn every_route_asks_who_it_is() {
    let hub = Hub::start();
    hub.push_image("alice/private", "v1", b"layer");
    hub.push_image("alice/public", "v1", b"layer");
    assert!(hub.run(&["repo", "set-visibility", "alice/public", "public"]).status.success());
    for (name, is_public) in [("alice/private", false), ("alice/public", true), ("alice/no", false)]
    {
        for who in ALL {
            let scope = format!("repository:{name}:pull,push,delete");
            let token = hub.token(who.user(), &[&scope]);
            for route in routes(name) {
                let may = who.owns() || (is_public && route.is_read);
                let request = || {
                    hub.request(route.method, &route.path)
                        .header("Content-Type", MANIFEST)
                        .body(&route.body)
                };
                let mut answers = vec![request().bearer(&token).send()];
                match who.user() {
                    // Passwords are slow to verify by design: one repository is enough.
                    Some(user) if name == "alice/private" => {
                        answers.push(request().basic(user, PASSWORD).send());
                    }
                    Some(_) => {}
                    None => answers.push(request().send()),
                }
                for answer in answers {
                    let what =
                        format!("{who:?} {} {}: {}", route.method, route.path, answer.status);
                    assert_eq!(is_refused(answer.status), !may, "{what}");
                    assert!(answer.status < 500, "{what}");
                }
            }
        }
    }
}

#[test]
fn private_and_absent_repositories_answer_alike() {
    let hub = Hub::start();
    hub.push_image("alice/private", "v1", b"layer");
    let blank = |text: &str, name: &str| text.replace(name, "NAME");
    for (private, absent) in routes("alice/private").iter().zip(routes("alice/absentx")) {
        for user in [None, Some("bob")] {
            let ask = |route: &Route| {
                let request = hub.request(route.method, &route.path).body(&route.body);
                match user {
                    None => request.send(),
                    Some(user) => request.basic(user, PASSWORD).send(),
                }
            };
            let (private_answer, absent_answer) = (ask(private), ask(&absent));
            assert_eq!(private_answer.status, absent_answer.status, "{}", private.path);
            assert_eq!(private_answer.body, absent_answer.body, "{}", private.path);
            let challenge = |answer: &support::Answer, name| {
                answer.headers.get("www-authenticate").map(|text| blank(text, name))
            };
            assert_eq!(
                challenge(&private_answer, "alice/private"),
                challenge(&absent_answer, "alice/absentx")
            );
        }
    }
}

#[test]
fn a_token_grants_what_it_says_and_no_more() {
    let hub = Hub::start();
    hub.push_image("alice/web", "v1", b"layer");
    let pull = hub.token(Some("alice"), &["repository:alice/web:pull"]);
    let get = hub.request("GET", "/v2/alice/web/manifests/v1").bearer(&pull).send();
    assert_eq!(get.status, 200);
    let push = hub.request("POST", "/v2/alice/web/blobs/uploads/").bearer(&pull).send();
    assert_eq!(push.status, 401);
    let challenge = &push.headers["www-authenticate"];
    assert!(challenge.contains("scope=\"repository:alice/web:pull,push\""), "{challenge}");
    assert!(challenge.contains("insufficient_scope"), "{challenge}");
    let other = hub.request("GET", "/v2/alice/other/tags/list").bearer(&pull).send();
    assert_eq!(other.status, 401);
    let delete = hub.request("DELETE", "/v2/alice/web/manifests/v1").bearer(&pull).send();
    assert_eq!(delete.status, 401);
    // A token is no password: it does not fetch another token.
    assert_eq!(hub.request("GET", "/token").bearer(&pull).send().status, 401);
    let forged = format!("{}x", &pull[..pull.len() - 2]);
    let refused = hub.request("GET", "/v2/").bearer(&forged).send();
    assert_eq!(refused.status, 401);
    assert!(refused.headers["www-authenticate"].contains("invalid_token"));
}

#[test]
fn the_catalog_is_the_administrators() {
    let hub = Hub::start();
    hub.push_image("alice/web", "v1", b"layer");
    for who in ALL {
        let token = hub.token(who.user(), &["registry:catalog:*"]);
        let answer = hub.request("GET", "/v2/_catalog").bearer(&token).send();
        assert_eq!(answer.status, if who == Who::Root { 200 } else { 401 }, "{who:?}");
    }
}

#[test]
fn mounting_needs_the_right_to_pull_from_the_source() {
    let hub = Hub::start();
    let layer = hub.push_blob("alice/private", b"secret layer");
    let scopes = ["repository:bob/copy:pull,push", "repository:alice/private:pull"];
    let token = hub.token(Some("bob"), &scopes);
    for query in [format!("mount={layer}&from=alice/private"), format!("mount={layer}")] {
        let path = format!("/v2/bob/copy/blobs/uploads/?{query}");
        let answer = hub.request("POST", &path).bearer(&token).send();
        assert_eq!(answer.status, 202, "{query}");
    }
    let copy = format!("/v2/bob/copy/blobs/{layer}");
    assert_eq!(hub.request("GET", &copy).bearer(&token).send().status, 404);

    let scopes = ["repository:alice/copy:pull,push", "repository:alice/private:pull"];
    let token = hub.token(Some("alice"), &scopes);
    let path = format!("/v2/alice/copy/blobs/uploads/?mount={layer}&from=alice/private");
    assert_eq!(hub.request("POST", &path).bearer(&token).send().status, 201);
    let copy = format!("/v2/alice/copy/blobs/{layer}");
    assert_eq!(hub.request("GET", &copy).bearer(&token).send().body, b"secret layer");
}

#[test]
fn search_shows_what_the_asker_may_see() {
    let hub = Hub::start();
    hub.push_image("alice/app-private", "v1", b"layer");
    hub.push_image("alice/app-public", "v1", b"layer");
    hub.push_image("bob/app-private", "v1", b"layer");
    assert!(hub.run(&["repo", "set-visibility", "alice/app-public", "public"]).status.success());
    let names = |who: Who, query: &str| {
        let request = hub.request("GET", &format!("/v1/search?q={query}"));
        let answer = match who.user() {
            Some(user) => request.basic(user, PASSWORD).send(),
            None => request.send(),
        };
        let found = answer.json();
        let results = found["results"].as_array().unwrap();
        assert_eq!(found["num_results"].as_u64().unwrap(), results.len() as u64);
        results.iter().map(|hit| hit["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(Who::Anonymous, "app"), ["alice/app-public"]);
    assert_eq!(names(Who::Bob, "app"), ["alice/app-public", "bob/app-private"]);
    assert_eq!(names(Who::Alice, "app"), ["alice/app-private", "alice/app-public"]);
    assert_eq!(names(Who::Root, "app").len(), 3);
    assert_eq!(names(Who::Root, "%25").len(), 0);
    assert_eq!(names(Who::Root, "_").len(), 0);
}

#[test]
fn refresh_tokens_serve_until_the_password_changes() {
    let hub = Hub::start();
    let post = |body: String| {
        let form = "application/x-www-form-urlencoded";
        hub.request("POST", "/token").header("Content-Type", form).body(body.as_bytes()).send()
    };
    let password = PASSWORD.replace(' ', "+");
    let login = post(format!(
        "grant_type=password&service=gantry-hub&client_id=t&access_type=offline&username=alice&password={password}"
    ));
    let refresh = login.json()["refresh_token"].as_str().unwrap().to_owned();
    let renew = || {
        post(format!(
            "grant_type=refresh_token&service=gantry-hub&client_id=t&refresh_token={refresh}&scope=repository:alice/x:pull,push+repository:bob/x:push"
        ))
    };
    let renewed = renew();
    assert_eq!(renewed.status, 200);
    assert_eq!(renewed.json()["scope"], "repository:alice/x:pull,push");
    assert_eq!(post("grant_type=refresh_token&refresh_token=guess".into()).status, 401);
    assert_eq!(post("grant_type=magic".into()).status, 400);
    std::fs::write(hub.dir.path().join("new"), "another password").unwrap();
    let file = hub.dir.path().join("new").display().to_string();
    assert!(hub.run(&["user", "passwd", "alice", "--password-file", &file]).status.success());
    assert_eq!(renew().status, 401);
    assert_eq!(hub.request("GET", "/token").basic("alice", PASSWORD).send().status, 401);
    assert_eq!(hub.request("GET", "/token").basic("alice", "another password").send().status, 200);
}

#[test]
fn guessing_is_locked_out_and_sign_up_is_closed_unless_opened() {
    let hub = Hub::start();
    let guess = |user: &str| hub.request("GET", "/token").basic(user, "wrong password").send();
    for user in ["alice", "nobody"] {
        let statuses: Vec<_> = (0..12).map(|_| guess(user).status).collect();
        assert_eq!(&statuses[..10], [401; 10], "{user}");
        assert_eq!(&statuses[10..], [429; 2], "{user}");
    }
    let locked = hub.request("GET", "/token").basic("alice", PASSWORD).send();
    assert_eq!(locked.status, 429);
    assert!(locked.headers["retry-after"].parse::<u64>().unwrap() > 0);
    assert_eq!(hub.request("GET", "/token").basic("bob", PASSWORD).send().status, 200);

    let sign_up = |hub: &Hub, name: &str| {
        let body = format!(r#"{{"name":"{name}","password":"{PASSWORD}"}}"#);
        hub.request("POST", "/v1/users").body(body.as_bytes()).send().status
    };
    assert_eq!(sign_up(&hub, "carol"), 403);
    let open = Hub::start_with(&["--signup", "open"], "{}");
    assert_eq!(sign_up(&open, "carol"), 201);
    assert_eq!(sign_up(&open, "carol"), 409);
    assert_eq!(sign_up(&open, "library"), 400);
    assert_eq!(sign_up(&open, "../x"), 400);
    open.push_blob("carol/x", b"hers");
    assert!(!open.run(&["user", "rm", "carol"]).status.success());
    assert!(open.run(&["user", "rm", "bob"]).status.success());
}
