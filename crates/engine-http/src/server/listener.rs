//! Listening sockets: unix, TCP (plain or TLS), inherited from systemd.

use std::{
    fs, io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::{FileTypeExt, MetadataExt, PermissionsExt},
    },
    path::{Path, PathBuf},
};

use rustix::net::{AddressFamily, sockopt};
use tokio::net::{TcpListener, UnixListener};
use tokio_rustls::TlsAcceptor;
use types::{Classify, ErrorKind};

use super::transport::{Accepted, Transport};

const SOCKET_MODE: u32 = 0o660;

/// Why a socket cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another program answers at this path.
    #[error("cannot listen on {0}: another process answers there")]
    InUse(PathBuf),
    /// The path exists and is no socket.
    #[error("cannot listen on {0}: it exists and is not a socket")]
    NotASocket(PathBuf),
    /// The kernel refused.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address as it was given.
        address: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Mode or group of the socket cannot be set.
    #[error("cannot give {path} to the group {gid}")]
    Permission {
        /// The socket.
        path: PathBuf,
        /// The group.
        gid: u32,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// An inherited descriptor is not a listening stream socket.
    #[error("the inherited descriptor is not a usable socket")]
    Inherited(#[source] io::Error),
}

impl Classify for ListenError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::InUse(_) => ErrorKind::Conflict,
            Self::NotASocket(_) => ErrorKind::InvalidArgument,
            Self::Bind { .. } | Self::Permission { .. } | Self::Inherited(_) => ErrorKind::Internal,
        }
    }
}

/// A listening socket.
pub struct Listener {
    socket: Socket,
    /// The path to remove when the listener goes.
    _path: Option<OwnPath>,
}

enum Socket {
    Unix(UnixListener),
    Tcp(TcpListener, Option<TlsAcceptor>),
}

/// A socket's path with the identity of the socket that was bound there.
struct OwnPath {
    path: PathBuf,
    inode: (u64, u64),
}

impl Drop for OwnPath {
    fn drop(&mut self) {
        let is_ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|metadata| (metadata.dev(), metadata.ino()) == self.inode);
        if is_ours && let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove the socket");
        }
    }
}

impl Listener {
    /// Listens on a path, replacing a socket at which nobody answers. Mode 0660, group `gid`.
    ///
    /// # Errors
    /// See [`ListenError`].
    pub async fn unix(path: &Path, gid: u32) -> Result<Self, ListenError> {
        Self::unix_with_mode(path, gid, SOCKET_MODE).await
    }

    /// The same with other permission bits.
    ///
    /// # Errors
    /// See [`ListenError`].
    pub async fn unix_with_mode(path: &Path, gid: u32, mode: u32) -> Result<Self, ListenError> {
        let bind =
            |source| ListenError::Bind { address: format!("unix://{}", path.display()), source };
        clear(path).await?;
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(bind)?;
        }
        let listener = UnixListener::bind(path).map_err(bind)?;
        let metadata = fs::symlink_metadata(path).map_err(bind)?;
        let inode = (metadata.dev(), metadata.ino());
        let own = OwnPath { path: path.to_owned(), inode };
        // Group first: the mode must not open the socket to the wrong one.
        std::os::unix::fs::chown(path, None, Some(gid))
            .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(mode)))
            .map_err(|source| ListenError::Permission { path: path.to_owned(), gid, source })?;
        Ok(Self { socket: Socket::Unix(listener), _path: Some(own) })
    }

    /// Listens on a TCP address, with TLS if there is an acceptor.
    ///
    /// # Errors
    /// [`ListenError::Bind`].
    pub async fn tcp(host: &str, port: u16, tls: Option<TlsAcceptor>) -> Result<Self, ListenError> {
        let listener = TcpListener::bind((host, port)).await.map_err(|source| {
            ListenError::Bind { address: format!("tcp://{host}:{port}"), source }
        })?;
        Ok(Self { socket: Socket::Tcp(listener, tls), _path: None })
    }

    /// Takes a socket that systemd opened; TLS applies if it is TCP.
    ///
    /// # Errors
    /// [`ListenError::Inherited`] if it is not a unix or TCP socket.
    pub fn inherited(socket: OwnedFd, tls: Option<TlsAcceptor>) -> Result<Self, ListenError> {
        let family = sockopt::socket_domain(socket.as_fd())
            .map_err(|errno| ListenError::Inherited(errno.into()))?;
        let socket = match family {
            AddressFamily::UNIX => {
                let listener = std::os::unix::net::UnixListener::from(socket);
                listener.set_nonblocking(true).map_err(ListenError::Inherited)?;
                Socket::Unix(UnixListener::from_std(listener).map_err(ListenError::Inherited)?)
            }
            AddressFamily::INET | AddressFamily::INET6 => {
                let listener = std::net::TcpListener::from(socket);
                listener.set_nonblocking(true).map_err(ListenError::Inherited)?;
                let listener = TcpListener::from_std(listener).map_err(ListenError::Inherited)?;
                Socket::Tcp(listener, tls)
            }
            _ => return Err(ListenError::Inherited(io::ErrorKind::Unsupported.into())),
        };
        Ok(Self { socket, _path: None })
    }

    /// Whether clients reach it over TCP without TLS.
    #[must_use]
    pub fn is_plain_tcp(&self) -> bool {
        matches!(self.socket, Socket::Tcp(_, None))
    }

    /// The TCP port it has, for listeners on port 0.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        match &self.socket {
            Socket::Unix(_) => None,
            Socket::Tcp(listener, _) => listener.local_addr().ok().map(|address| address.port()),
        }
    }

    pub(super) async fn accept(&self) -> io::Result<Accepted> {
        match &self.socket {
            Socket::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok(Accepted::Plain(Transport::Unix(stream)))
            }
            Socket::Tcp(listener, tls) => {
                let (stream, _) = listener.accept().await?;
                // Frames of an interactive stream are small and must not wait for each other.
                stream.set_nodelay(true)?;
                Ok(match tls {
                    None => Accepted::Plain(Transport::Tcp(stream)),
                    Some(acceptor) => Accepted::Tls(stream, acceptor.clone()),
                })
            }
        }
    }
}

/// Removes a socket that nobody listens on any more.
async fn clear(path: &Path) -> Result<(), ListenError> {
    let bind = |source| ListenError::Bind { address: format!("unix://{}", path.display()), source };
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(bind(error)),
    };
    if !metadata.file_type().is_socket() {
        return Err(ListenError::NotASocket(path.to_owned()));
    }
    match tokio::net::UnixStream::connect(path).await {
        Ok(_) => Err(ListenError::InUse(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(bind)
        }
        Err(error) => Err(bind(error)),
    }
}
