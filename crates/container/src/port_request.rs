//! Published ports: `PortBindings` and `PublishAllPorts` to the network's requests.

use std::net::IpAddr;

use network::{HostPorts, PortRequest, Protocol};

use crate::{ContainerError, record::Record};

fn invalid(text: String) -> ContainerError {
    ContainerError::Invalid(text)
}

/// Parses `PORT[/PROTOCOL]`.
pub(crate) fn port_and_protocol(text: &str) -> Result<(u16, Protocol), ContainerError> {
    let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = match protocol.to_ascii_lowercase().as_str() {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        "sctp" => {
            return Err(ContainerError::NotBuilt("publishing SCTP ports is not built yet".into()));
        }
        other => {
            return Err(invalid(format!("invalid port specification: unknown protocol {other}")));
        }
    };
    let port = port
        .parse()
        .ok()
        .filter(|port| *port > 0)
        .ok_or_else(|| invalid(format!("invalid port specification: \"{text}\"")))?;
    Ok((port, protocol))
}

/// `""`, `0`, `8080` or `8080-8090`.
fn host_ports(text: &str) -> Result<HostPorts, ContainerError> {
    if text == "0" {
        return Ok(HostPorts::Ephemeral);
    }
    text.parse().map_err(|error: network::HostPortsError| invalid(error.to_string()))
}

/// All ports that a container publishes.
///
/// # Errors
/// [`ContainerError::Invalid`] names the malformed specification.
pub fn parse(record: &Record) -> Result<Vec<PortRequest>, ContainerError> {
    let host = &record.host_config;
    let mut requests = Vec::new();
    for (spec, bindings) in host.port_bindings.iter().flatten() {
        let (container_port, protocol) = port_and_protocol(spec)?;
        for binding in bindings.iter().flatten() {
            let host_ip =
                match binding.host_ip.as_str() {
                    "" => None,
                    text => Some(text.parse::<IpAddr>().map_err(|_| {
                        invalid(format!("invalid IP address in port binding: {text}"))
                    })?),
                };
            let host_ports = host_ports(&binding.host_port)?;
            requests.push(PortRequest { container_port, protocol, host_ip, host_ports });
        }
    }
    if host.publish_all_ports {
        for spec in record.config.exposed_ports.keys() {
            let (container_port, protocol) = port_and_protocol(spec)?;
            let is_bound = requests
                .iter()
                .any(|r| r.container_port == container_port && r.protocol == protocol);
            if !is_bound {
                requests.push(PortRequest {
                    container_port,
                    protocol,
                    host_ip: None,
                    host_ports: HostPorts::Ephemeral,
                });
            }
        }
    }
    Ok(requests)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specifications() {
        assert_eq!(port_and_protocol("80").unwrap(), (80, Protocol::Tcp));
        assert_eq!(port_and_protocol("53/udp").unwrap(), (53, Protocol::Udp));
        assert_eq!(host_ports("").unwrap(), HostPorts::Ephemeral);
        assert_eq!(host_ports("1-2").unwrap(), HostPorts::Range(1..=2));
        for bad in ["0", "65536", "x", "80/nosuch", ""] {
            assert!(port_and_protocol(bad).is_err(), "{bad:?}");
        }
        assert!(host_ports("2-1").is_err());
    }
}
