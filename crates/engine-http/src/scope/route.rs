//! Which permission a route needs: the one table. A route without a row is refused.

use http::Method;

use super::permission::Permission::{self, *};
use crate::routes::image::Operation;

/// What a route asks of a scoped socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// Every socket answers it.
    Always,
    /// Only with this permission.
    Needs(Permission),
    /// No scoped socket answers it.
    Never,
}

use Grant::{Always, Needs, Never};

/// Method (`*` is any), path as the router has it, and what it asks.
const ROUTES: &[(&str, &str, Grant)] = &[
    ("GET", "/_ping", Always),
    ("GET", "/version", Always),
    // Reduced without `system:info`.
    ("GET", "/info", Always),
    ("POST", "/auth", Needs(SystemAuth)),
    ("GET", "/system/df", Needs(SystemDiskUsage)),
    ("GET", "/events", Needs(Events)),
    ("GET", "/containers/json", Needs(ContainersList)),
    ("POST", "/containers/create", Needs(ContainersCreate)),
    ("POST", "/containers/prune", Needs(ContainersPrune)),
    ("DELETE", "/containers/{id}", Needs(ContainersRemove)),
    ("GET", "/containers/{id}/json", Needs(ContainersInspect)),
    // Names of links are `CONTAINER/ALIAS`.
    ("DELETE", "/containers/{id}/{alias}", Needs(ContainersRemove)),
    ("GET", "/containers/{id}/{alias}/json", Needs(ContainersInspect)),
    ("GET", "/containers/{id}/top", Needs(ContainersTop)),
    ("GET", "/containers/{id}/changes", Needs(ContainersChanges)),
    ("POST", "/containers/{id}/start", Needs(ContainersStart)),
    ("POST", "/containers/{id}/stop", Needs(ContainersStop)),
    ("POST", "/containers/{id}/restart", Needs(ContainersRestart)),
    ("POST", "/containers/{id}/kill", Needs(ContainersKill)),
    ("POST", "/containers/{id}/update", Needs(ContainersUpdate)),
    ("POST", "/containers/{id}/rename", Needs(ContainersRename)),
    ("POST", "/containers/{id}/pause", Needs(ContainersPause)),
    ("POST", "/containers/{id}/unpause", Needs(ContainersUnpause)),
    ("POST", "/containers/{id}/resize", Needs(ContainersResize)),
    ("GET", "/containers/{id}/logs", Needs(ContainersLogs)),
    ("POST", "/containers/{id}/attach", Needs(ContainersAttach)),
    ("GET", "/containers/{id}/attach/ws", Needs(ContainersAttach)),
    ("POST", "/containers/{id}/wait", Needs(ContainersWait)),
    ("GET", "/containers/{id}/stats", Needs(ContainersStats)),
    ("GET", "/containers/{id}/export", Needs(ContainersExport)),
    ("GET", "/containers/{id}/archive", Needs(ContainersArchiveRead)),
    ("PUT", "/containers/{id}/archive", Needs(ContainersArchiveWrite)),
    ("POST", "/containers/{id}/exec", Needs(ExecCreate)),
    ("GET", "/exec/{id}/json", Needs(ExecInspect)),
    ("POST", "/exec/{id}/start", Needs(ExecStart)),
    ("POST", "/exec/{id}/resize", Needs(ExecResize)),
    ("POST", "/commit", Needs(ImagesCommit)),
    ("GET", "/distribution/{*path}", Needs(ImagesDistribution)),
    ("GET", "/volumes", Needs(VolumesList)),
    ("POST", "/volumes/create", Needs(VolumesCreate)),
    ("POST", "/volumes/prune", Needs(VolumesPrune)),
    ("GET", "/volumes/{name}", Needs(VolumesInspect)),
    ("DELETE", "/volumes/{name}", Needs(VolumesRemove)),
    ("PUT", "/volumes/{name}", Never),
    ("GET", "/networks", Needs(NetworksList)),
    ("GET", "/networks/", Needs(NetworksList)),
    ("POST", "/networks/create", Needs(NetworksCreate)),
    ("POST", "/networks/prune", Needs(NetworksPrune)),
    ("GET", "/networks/{id}", Needs(NetworksInspect)),
    ("DELETE", "/networks/{id}", Needs(NetworksRemove)),
    ("POST", "/networks/{id}/connect", Needs(NetworksConnect)),
    ("POST", "/networks/{id}/disconnect", Needs(NetworksDisconnect)),
    ("*", "/build", Never),
    ("*", "/build/cancel", Never),
    ("POST", "/build/prune", Never),
    ("*", "/session", Never),
    ("*", "/grpc", Never),
    ("GET", "/plugins", Never),
    ("*", "/plugins/pull", Never),
    ("*", "/plugins/create", Never),
    ("*", "/plugins/privileges", Never),
    ("*", "/plugins/{name}", Never),
    ("GET", "/plugins/{name}/json", Never),
    ("*", "/plugins/{name}/enable", Never),
    ("*", "/plugins/{name}/disable", Never),
    ("*", "/plugins/{name}/upgrade", Never),
    ("*", "/plugins/{name}/push", Never),
    ("*", "/plugins/{name}/set", Never),
    ("*", "/containers/{id}/checkpoints", Never),
    ("*", "/containers/{id}/checkpoints/{checkpoint}", Never),
    ("*", "/swarm", Never),
    ("*", "/swarm/init", Never),
    ("*", "/swarm/join", Never),
    ("*", "/swarm/leave", Never),
    ("*", "/swarm/update", Never),
    ("*", "/swarm/unlockkey", Never),
    ("*", "/swarm/unlock", Never),
    ("*", "/nodes", Never),
    ("*", "/nodes/{*path}", Never),
    ("*", "/services", Never),
    ("*", "/services/{*path}", Never),
    ("*", "/tasks", Never),
    ("*", "/tasks/{*path}", Never),
    ("*", "/secrets", Never),
    ("*", "/secrets/{*path}", Never),
    ("*", "/configs", Never),
    ("*", "/configs/{*path}", Never),
];

/// The route below which the operation is the path's last segment.
pub(super) const IMAGES: &str = "/images/{*path}";

/// What a route asks; `None` for one that has no row.
pub(super) fn grant(method: &Method, route: &str) -> Option<Grant> {
    // A `HEAD` is answered by the handler of `GET`.
    let method = if *method == Method::HEAD { "GET" } else { method.as_str() };
    let row = ROUTES.iter().find(|(of, path, _)| *path == route && (*of == "*" || *of == method));
    row.map(|(.., grant)| *grant)
}

/// What an operation on images asks.
pub(super) fn image_grant(operation: Operation) -> Grant {
    Needs(match operation {
        Operation::List => ImagesList,
        Operation::Search => ImagesSearch,
        Operation::SaveMany | Operation::Save => ImagesSave,
        Operation::Create => ImagesCreate,
        Operation::Load => ImagesLoad,
        Operation::Prune => ImagesPrune,
        Operation::Delete => ImagesRemove,
        Operation::Inspect => ImagesInspect,
        Operation::History => ImagesHistory,
        Operation::Push => ImagesPush,
        Operation::Tag => ImagesTag,
        Operation::Attestations => return Never,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use axum::body::Body;
    use http::Request;
    use tower::ServiceExt;

    use super::*;
    use crate::{backend::Backends, scope::Scope};

    const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"];

    /// Every path of the router, from what it prints of itself: axum has no other way to ask.
    fn paths() -> BTreeSet<String> {
        let printed = format!("{:?}", crate::routes::router(Backends::unbuilt()));
        let texts = printed.split('"').skip(1).step_by(2);
        texts.filter(|text| text.starts_with('/')).map(str::to_owned).collect()
    }

    async fn is_routed(method: &str, path: &str) -> bool {
        // The image routes tell by their last segment, which the compiler checks.
        let target = path.replace(['{', '}', '*'], "");
        let request = Request::builder().method(method).uri(target).body(Body::empty()).unwrap();
        let response = crate::routes::router(Backends::unbuilt()).oneshot(request).await.unwrap();
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        !(status == 404 && body.windows(14).any(|text| text == b"page not found"))
    }

    #[tokio::test]
    async fn every_route_of_the_router_has_a_row() {
        let paths = paths();
        assert!(paths.len() > 70, "{paths:?}");
        let mut routed = 0;
        for path in paths.iter().filter(|path| *path != IMAGES) {
            // A 404 of `HEAD` has no text; it is looked up as `GET`.
            for method in METHODS.into_iter().filter(|method| *method != "HEAD") {
                if is_routed(method, path).await {
                    routed += 1;
                    let method = Method::from_bytes(method.as_bytes()).unwrap();
                    assert!(grant(&method, path).is_some(), "{method} {path} has no row");
                }
            }
        }
        assert!(routed > 100, "{routed}");
        for (_, path, _) in ROUTES {
            assert!(paths.contains(*path), "the router has no {path}");
        }
    }

    #[tokio::test]
    async fn a_scope_answers_what_it_allows_and_403_to_all_else() {
        let events = ["events".to_owned()];
        let scope = std::sync::Arc::new(Scope::parse("s", &events, &[], &[]).unwrap());
        for path in paths() {
            for method in METHODS {
                let target = path.replace(['{', '}', '*'], "");
                let request =
                    Request::builder().method(method).uri(target).body(Body::empty()).unwrap();
                let router = crate::scope::router(scope.clone(), Backends::unbuilt());
                let status = router.oneshot(request).await.unwrap().status();
                let is_open = ["/_ping", "/version", "/info", "/events"].contains(&&*path)
                    && matches!(method, "GET" | "HEAD");
                assert_eq!(status != 403, is_open, "{method} {path}: {status}");
            }
        }
    }

    #[test]
    fn every_permission_is_asked_for_somewhere() {
        let mut asked: BTreeSet<_> =
            ROUTES.iter().map(|(.., grant)| *grant).filter_map(needed).collect();
        let paths = [
            ("GET", "json"),
            ("GET", "search"),
            ("GET", "get"),
            ("POST", "create"),
            ("POST", "load"),
            ("POST", "prune"),
            ("DELETE", "a"),
            ("GET", "a/json"),
            ("GET", "a/history"),
            ("POST", "a/push"),
            ("POST", "a/tag"),
        ];
        for (method, path) in paths {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let (operation, _) = Operation::of(&method, path).unwrap();
            asked.extend(needed(image_grant(operation)));
        }
        // Not of a route: what is more than one may ask of a route that was allowed.
        asked.extend([SystemInfo, ExecPrivileged]);
        assert_eq!(asked, Permission::ALL.iter().copied().collect());
    }

    fn needed(grant: Grant) -> Option<Permission> {
        match grant {
            Needs(permission) => Some(permission),
            Always | Never => None,
        }
    }
}
