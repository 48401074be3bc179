//! Routes that the specification knows and this engine does not have: 501, and 503 for those of
//! swarm mode, which clients take as "not in a swarm".

use axum::{
    Router,
    extract::Path,
    routing::{any, get, post},
};
use types::ErrorKind;

use crate::ApiError;

/// Paths by what they belong to.
const UNBUILT: [(&str, &[&str]); 5] = [
    ("building images", &["/build", "/build/cancel"]),
    ("the build session", &["/session", "/grpc"]),
    ("plugins", &["/plugins/pull", "/plugins/create", "/plugins/privileges"]),
    (
        "plugins",
        &[
            "/plugins/{name}",
            "/plugins/{name}/enable",
            "/plugins/{name}/disable",
            "/plugins/{name}/upgrade",
            "/plugins/{name}/push",
            "/plugins/{name}/set",
        ],
    ),
    ("checkpoints", &["/containers/{id}/checkpoints", "/containers/{id}/checkpoints/{checkpoint}"]),
];

const SWARM: [&str; 14] = [
    "/swarm",
    "/swarm/update",
    "/swarm/unlockkey",
    "/swarm/unlock",
    "/nodes",
    "/nodes/{*path}",
    "/services",
    "/services/{*path}",
    "/tasks",
    "/tasks/{*path}",
    "/secrets",
    "/secrets/{*path}",
    "/configs",
    "/configs/{*path}",
];

/// The routes.
pub fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let mut router = Router::new();
    for (what, paths) in UNBUILT {
        for path in paths {
            router =
                router.route(path, any(move || async move { ApiError::not_implemented(what) }));
        }
    }
    for path in SWARM {
        router = router.route(path, any(|| async { not_a_manager() }));
    }
    for path in ["/swarm/init", "/swarm/join"] {
        router = router.route(path, any(|| async { ApiError::not_implemented("swarm mode") }));
    }
    router
        .route("/swarm/leave", any(|| async { not_in_a_swarm() }))
        // Without builds there is no cache: to prune it frees nothing. `system prune` needs this.
        .route("/build/prune", post(|| async { axum::Json(nothing_to_prune()) }))
        // There are no plugins: that much is true, and `inspect NAME` asks for one.
        .route("/plugins", get(|| async { axum::Json(Vec::<String>::new()) }))
        .route("/plugins/{name}/json", get(no_such_plugin))
}

fn nothing_to_prune() -> serde_json::Value {
    serde_json::json!({"CachesDeleted": null, "SpaceReclaimed": 0})
}

/// What Docker answers to swarm requests outside a swarm.
#[must_use]
pub fn not_a_manager() -> ApiError {
    ApiError::new(
        ErrorKind::Unavailable,
        "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to \
         connect this node to swarm and try again.",
    )
}

async fn no_such_plugin(Path(name): Path<String>) -> ApiError {
    ApiError::not_found(format!("plugin \"{name}\" not found"))
}

fn not_in_a_swarm() -> ApiError {
    ApiError::new(ErrorKind::Unavailable, "This node is not part of a swarm")
}
