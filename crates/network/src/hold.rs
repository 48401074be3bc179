//! Holding a port of the host.
//!
//! The socket takes no traffic: packets for the port are translated before they could reach it.
//! It makes the kernel refuse the port to every other program.

use std::{
    net::{Ipv4Addr, SocketAddrV4},
    os::fd::OwnedFd,
};

use firewall::Protocol;
use rustix::{
    io::Errno,
    net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with, sockopt},
};

/// A port that no other program can have until this is dropped.
#[derive(Debug)]
pub(crate) struct Hold {
    _socket: OwnedFd,
}

impl Hold {
    /// Takes a port, or says by the kernel's error why not.
    pub(crate) fn take(protocol: Protocol, ip: Ipv4Addr, port: u16) -> Result<Self, Errno> {
        let address = SocketAddrV4::new(ip, port);
        let socket = match protocol {
            Protocol::Udp => {
                let socket = open(SocketType::DGRAM)?;
                bind(&socket, &address)?;
                // Were rules gone for a while, nobody would read what arrives.
                sockopt::set_socket_recv_buffer_size(&socket, 1)?;
                socket
            }
            Protocol::Tcp => bound_tcp(&address)?,
        };
        Ok(Self { _socket: socket })
    }
}

/// Binds without listening, so that a connection which the rules miss is refused at once.
///
/// Connections in TIME_WAIT on that port forbid this; a listening socket with SO_REUSEADDR is
/// the form that the kernel then allows, and it too conflicts with every other listener.
fn bound_tcp(address: &SocketAddrV4) -> Result<OwnedFd, Errno> {
    let socket = open(SocketType::STREAM)?;
    match bind(&socket, address) {
        Ok(()) => return Ok(socket),
        Err(Errno::ADDRINUSE) => {}
        Err(error) => return Err(error),
    }
    let socket = open(SocketType::STREAM)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    bind(&socket, address)?;
    listen(&socket, 0)?;
    Ok(socket)
}

fn open(kind: SocketType) -> Result<OwnedFd, Errno> {
    socket_with(AddressFamily::INET, kind, SocketFlags::CLOEXEC, None)
}
