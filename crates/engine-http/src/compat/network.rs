//! Networks: requests below 1.54 lifted.

use engine_api::network::{Network, NetworkConnectRequest, NetworkCreateRequest};

use crate::ApiVersion;

/// Takes out of a create request what the client's version did not have.
pub fn lift_create(request: &mut NetworkCreateRequest, version: ApiVersion) {
    if version.is_before(48) {
        request.enable_ipv4 = None;
    }
}

/// Takes out of a connect request what the client's version did not have.
pub fn lift_connect(request: &mut NetworkConnectRequest, version: ApiVersion) {
    if version.is_before(54)
        && let Some(endpoint) = &mut request.endpoint_config
    {
        endpoint.mac_address.clear();
    }
}

/// Takes out of an inspection what the client's version did not have.
pub fn lower_inspect(network: &mut Network, version: ApiVersion) {
    if version.is_before(52) {
        network.status = None;
    }
}
